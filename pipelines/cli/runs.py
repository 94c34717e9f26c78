"""What is done with a run: evaluate, generate, export; and with an export: inspect."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipelines.cli import quiet
from pipelines.cli.answers import print_json, print_table
from pipelines.cli.tables import AsJson
from pipelines.errors import UserError

if TYPE_CHECKING:
    from pipelines.run import Run

_YES = {True: "yes", False: "no", None: "?"}

RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="folder of a run")]


def evaluate(
    run: RunFolder,
    data: Annotated[
        str | None,
        typer.Option(help="other data, scored as a whole; the run's own test part by default"),
    ] = None,
    plots: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="folder of the pictures; RUN/plots/<data> by default"),
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUN",
            help="another run of the task, scored on the same records; may be given several times",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Scores a run, beside what a model without recurrence reaches on the same records."""
    place = plots or str(Path(run) / "plots" / (Path(data).stem if data else "test"))
    with quiet.work():
        loaded = load(run)
        answer = loaded.evaluate(data, plots=place, beside=beside or ())
    if loaded.has_plots:
        print(f"pictures in {place}", file=sys.stderr)
    if json:
        print_json(answer)
    else:
        print(f"{answer['task']}, part {answer['part']} of {answer['data']}")
        others = {**answer.get("beside", {}), **answer["floors"]}
        print_scores(answer["metrics"], others, answer.get("signatures"))


def generate(
    run: RunFolder,
    length: Annotated[
        int | None, typer.Option(help="steps, the primer included; the task's own by default")
    ] = None,
    temperature: Annotated[
        float,
        typer.Option(
            help="below 1 likelier, above 1 more surprising; 0, of texts, always the likeliest"
        ),
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

        loaded = load(run)
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
        previews = [text for text in map(task.preview, records) if text is not None]
    for text in previews:
        print(text)
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
    weights: Annotated[
        Literal["float32", "float16"],
        typer.Option(help="how they are stored; float16 halves the size and says what it costs"),
    ] = "float32",
    onnx: Annotated[
        bool, typer.Option("--onnx", help="the numeric core as core.onnx too; extra onnx")
    ] = False,
) -> None:
    """Writes the model as a SavedModel that is served without our code."""
    print("exporting: traced, reloaded without our code, compared ...", file=sys.stderr)
    with quiet.work():
        opened = load(run)
        lost = opened.compare_float16() if weights == "float16" else {}
        folder = opened.export(name=name, root=root, force=force, weights=weights, onnx=onnx)
    print(folder)
    if lost:
        print_table(("metric", "float32", "float16"), [[name, *two] for name, two in lost.items()])


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


def print_scores(
    metrics: dict[str, float],
    floors: dict[str, dict[str, float]],
    signatures: dict[str, str] | None = None,
) -> None:
    """A row a metric: the model, then runs beside it and floors; then how metrics are computed."""
    print_table(
        ("metric", "model", *floors),
        [[name, value, *(f.get(name) for f in floors.values())] for name, value in metrics.items()],
    )
    for name, text in (signatures or {}).items():
        print(f"{name}: {text}")


def load(run: str) -> Run:
    """Opens a run, and Keras with it."""
    from pipelines.run import Run

    return Run.load(run)


def _print_inspection(found: dict[str, Any]) -> None:
    from pipelines.saved_graph import lines

    print(f"{found['path']}: {found['size_bytes']:,} bytes, {found['parameters']:,} parameters")
    print_table(("tensor", "type and shape"), lines(found["signatures"]).items())
    print_table(
        ("signature", "median ms", "rows", "runs"),
        [[name, *measured.values()] for name, measured in found["latency"].items()],
    )
    print_table(
        ("operation", "count", "in the core", "CPU", "GPU", "XLA"),
        [
            [name, count, *(_YES[where] for where in found["kernels"][name].values())]
            for name, count in found["operations"].items()
        ],
    )
