"""`rnnkit predict RUN`: raw input in, answers out. A run's task may add options of its own."""

from __future__ import annotations

import itertools
import json as json_text
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pipelines import TASKS
from pipelines.cli import quiet, runs
from pipelines.cli.answers import print_json, print_table
from pipelines.cli.flags import with_options
from pipelines.errors import UserError
from pipelines.files import replacing
from pipelines.tables import WRITERS, write_lines

Answers = Iterable[dict[str, Any]]
Write = Callable[[Answers, Path], None]
ROWS = 1000  # of a table; more answers are several tables, so that memory does not grow with them


class Predict(TyperCommand):
    """The command, with the options of the task whose run the words name."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        task = next(filter(None, map(_task, args)), None)
        if task is None:
            return super().make_context(info_name, args, parent=parent, **extra)
        app = typer.Typer(add_completion=False)
        app.command(info_name)(with_options(predict, task))
        return typer.main.get_command(app).make_context(info_name, args, parent=parent, **extra)


def _task(folder: str) -> str | None:
    """The task of the run in `folder`, where there is one."""
    try:
        name = json_text.loads((Path(folder) / "config.json").read_text("utf-8"))["task"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return name if name in TASKS else None


def predict(
    run: runs.RunFolder,
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]...", help="records, where they are text")
    ] = None,
    input: Annotated[
        str | None, typer.Option(metavar="FILE", help="a file or a folder of what the task reads")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="file to write, its form by its name: .jsonl, .csv, .tsv, ..."
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="JSON Lines on stdout, one object a record")
    ] = False,
    **options: Any,
) -> None:
    """Gives the model's answer for each record: the texts, or what the input holds."""
    if bool(texts) == bool(input):
        received = "both" if texts else "neither"
        raise UserError(f"expected either TEXT or --input FILE. Received: {received}.")
    if output and Path(output).is_dir():
        raise UserError(f"{output}: expected a file to write. Received: a folder.")
    with quiet.work():
        from pipelines.task import Answering

        loaded = runs.load(run)
        own = loaded.task if isinstance(loaded.task, Answering) else None
        write = _writer(Path(output), own.writers if own else {}) if output else None
        answers = _quietly(loaded.answers(texts or (), input, **options))
    if write:
        _write(answers, write, Path(str(output)), json)
    elif json:
        for answer in answers:
            print_json(answer)
    else:
        _show(answers, own.show if own else lambda answers: None)


def _quietly(answers: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same, with whatever is printed while one is computed kept off stdout."""
    while True:
        with quiet.work():
            try:
                answer = next(answers)
            except StopIteration:
                return
        yield answer


def _writer(path: Path, own: Mapping[str, Write]) -> Write:
    known = {**WRITERS, **own}
    if not path.suffix:
        return write_lines
    if path.suffix not in known:
        raise UserError(
            f"{path}: expected a file name that ends in {', '.join(known)}. Received: {path.suffix}"
        )
    return known[path.suffix]


def _write(
    answers: Answers, write: Callable[[Answers, Path], None], path: Path, json: bool
) -> None:
    count = 0

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal count
        for answer in answers:
            count += 1
            if json:
                print_json(answer)
            yield answer

    with replacing(path) as beside:
        write(counted(), beside)
    print(f"{count} answer{'s' * (count != 1)} in {path}", file=sys.stderr)


def _show(answers: Answers, show: Callable[[Answers], Iterator[Any] | None]) -> None:
    shown = show(answers)
    if shown is None:
        remaining = iter(answers)
        while rows := list(itertools.islice(remaining, ROWS)):
            print_table(list(rows[0]), [[row.get(key) for key in rows[0]] for row in rows])
        return
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False, soft_wrap=not sys.stdout.isatty())
    for item in shown:
        console.print(item)
