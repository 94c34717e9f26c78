"""What is done with a run: evaluate, predict, generate, export; and with an export: inspect."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli import quiet
from pipelines.cli.answers import print_json, print_table, to_json
from pipelines.cli.tables import AsJson
from pipelines.errors import UserError
from pipelines.files import replacing

if TYPE_CHECKING:
    from pipelines.run import Run
    from pipelines.task import Record

RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="folder of a run")]


def evaluate(
    run: RunFolder,
    data: Annotated[
        str | None,
        typer.Option(help="other data, scored as a whole; the run's own test part by default"),
    ] = None,
    json: AsJson = False,
) -> None:
    """Scores a run, beside what a model without recurrence reaches on the same records."""
    with quiet.work():
        answer = _load(run).evaluate(data)
    if json:
        print_json(answer)
    else:
        print(f"{answer['task']}, part {answer['part']} of {answer['data']}")
        print_scores(answer["metrics"], answer["floors"])


def predict(
    run: RunFolder,
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]...", help="records, where they are text")
    ] = None,
    input: Annotated[
        str | None, typer.Option(metavar="FILE", help="a file or a folder of what the task reads")
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="FILE", help="JSON Lines file to write; stdout by default")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="JSON Lines on stdout, one object a record")
    ] = False,
) -> None:
    """Gives the model's answer for each record: the texts, or what the input holds."""
    if bool(texts) == bool(input):
        received = "both" if texts else "neither"
        raise UserError(f"expected either TEXT or --input FILE. Received: {received}.")
    if output and Path(output).is_dir():
        raise UserError(f"{output}: expected a file to write. Received: a folder.")
    with quiet.work():
        loaded = _load(run)
        answers = loaded.predict(_typed(loaded, texts) if texts else str(input))
    if output:
        with replacing(Path(output)) as beside:
            beside.write_text("".join(to_json(answer) + "\n" for answer in answers), "utf-8")
        print(f"{len(answers)} answers in {output}", file=sys.stderr)
    if json:
        for answer in answers:
            print_json(answer)
    elif not output:
        print_table(list(answers[0]), [list(answer.values()) for answer in answers])


def generate(
    run: RunFolder,
    length: Annotated[
        int | None, typer.Option(help="steps, the primer included; the task's own by default")
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="above 0; below 1 likelier, above 1 more surprising")
    ] = 1.0,
    primer: Annotated[
        str | None, typer.Option(metavar="FILE or TEXT", help="what the new sequence begins with")
    ] = None,
    seed: Annotated[int, typer.Option(help="fixes every random draw; one more for each next")] = 0,
    count: Annotated[int, typer.Option(help="how many new sequences")] = 1,
    tempo: Annotated[
        float | None, typer.Option(help="quarter notes a minute; the primer's by default")
    ] = None,
    melody: Annotated[
        str | None, typer.Option(metavar="FILE", help="keeps its top voice, writes the rest")
    ] = None,
    out: Annotated[str, typer.Option(metavar="FILE", help="file to write")] = "generated",
) -> None:
    """Makes new sequences and writes them in every form the task has."""
    if Path(out).is_dir():
        raise UserError(f"{out}: expected a file name. Received: a folder. Example: {out}/new")
    with quiet.work():
        from pipelines.task import Generative

        loaded = _load(run)
        task = loaded.task
        if not isinstance(task, Generative):
            raise UserError(
                f"{task.name} makes no new sequences. Use: rnnkit predict {run} --input FILE"
            )
        records = loaded.generate(
            length=length,
            temperature=temperature,
            primer=primer,
            seed=seed,
            count=count,
            tempo=tempo,
            melody=melody,
        )
        written = task.write(records, out)
    for path in written:
        print(path)


def export(
    run: RunFolder,
    name: Annotated[str | None, typer.Option(help="of the model; the task's by default")] = None,
    root: Annotated[
        str, typer.Option(metavar="DIR", help="folder in which a server looks for models")
    ] = "saved_models",
    force: Annotated[
        bool, typer.Option("--force", help="even if signatures or labels differ from the last one")
    ] = False,
) -> None:
    """Writes the model as a SavedModel that is served without our code."""
    print("exporting: traced, reloaded without our code, compared ...", file=sys.stderr)
    with quiet.work():
        folder = _load(run).export(name=name, root=root, force=force)
    print(folder)


def inspect(
    model: Annotated[str, typer.Argument(metavar="MODEL_DIR", help="folder of a SavedModel")],
    json: AsJson = False,
) -> None:
    """Shows the signatures, size, parameters, operations and measured latency of an export."""
    with quiet.work():
        from pipelines.inspection import inspect as look

        answer = look(model)
    if json:
        print_json(answer)
    else:
        _print_inspection(answer)


def print_scores(metrics: dict[str, float], floors: dict[str, dict[str, float]]) -> None:
    """A row a metric: the model, then each floor."""
    print_table(
        ("metric", "model", *floors),
        [[name, value, *(f.get(name) for f in floors.values())] for name, value in metrics.items()],
    )


def _load(run: str) -> Run:
    from pipelines.run import Run

    return Run.load(run)


def _typed(run: Run, texts: list[str]) -> list[Record]:
    from pipelines.task import Typed

    if not isinstance(run.task, Typed):
        raise UserError(
            f"{run.task.name} reads files, not words. Use: rnnkit predict {run.path} --input FILE"
        )
    return run.task.typed(texts)


def _print_inspection(found: dict[str, Any]) -> None:
    from pipelines.saved_graph import lines

    print(f"{found['path']}: {found['size_bytes']:,} bytes, {found['parameters']:,} parameters")
    print_table(("tensor", "type and shape"), lines(found["signatures"]).items())
    print_table(
        ("signature", "median ms", "rows", "runs"),
        [[name, *measured.values()] for name, measured in found["latency"].items()],
    )
    counts = ", ".join(f"{name} {count}" for name, count in found["operations"].items())
    print(f"operations: {counts}")
