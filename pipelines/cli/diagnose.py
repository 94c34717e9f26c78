"""`rnnkit diagnose RUN` and `rnnkit diagnose TASK`: gradients through time, gates and spectra."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines import TASKS
from pipelines.cli import quiet
from pipelines.cli.answers import print_table
from pipelines.errors import UserError, unknown_name

if TYPE_CHECKING:
    from pipelines.diagnosis import Diagnosis

DEFAULT_CELLS = "vanilla,lstm,gru"


def diagnose(
    subject: Annotated[str, typer.Argument(metavar="RUN|TASK", help="folder of a run, or a task")],
    cells: Annotated[
        str | None,
        typer.Option(
            help=f"of a task: cells to set side by side, untrained [default: {DEFAULT_CELLS}]"
        ),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(help="steps of a sequence; those of the longest ones by default"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="a path or tfds:NAME; the run's or the task's own data by default. Of a run: all "
            "of it counts, and the gates are drawn over its first sequence"
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="folder of the pictures; RUN/plots or plots/TASK by default"
        ),
    ] = None,
) -> None:
    """Draws what becomes of gradients through time, the gates and the spectra of a model."""
    is_task = subject in TASKS
    if not is_task and not Path(subject).exists() and "/" not in subject:
        raise unknown_name("run or task", subject, TASKS)
    if not is_task and cells is not None:
        raise UserError("--cells goes with a task. A run has one cell, that of its training.")
    if length is not None and length < 2:
        raise UserError(f"--length must be at least 2. Received: {length}.")
    names = list(dict.fromkeys(filter(None, (cells or DEFAULT_CELLS).replace(" ", "").split(","))))
    if not names:
        raise UserError(f"--cells must name cells. Received: {cells!r}. Example: {DEFAULT_CELLS}")
    with quiet.work():
        from pipelines import diagnosis, diagnosis_plots

        if is_task:
            found = diagnosis.diagnose_task(subject, names, length, data)
            folder = Path(out or f"plots/{subject}")
        else:
            from pipelines.run import Run

            run = Run.load(subject)
            found = diagnosis.diagnose_run(run, data, length)
            folder = Path(out) if out else run.path / "plots"
        paths = diagnosis_plots.draw(found, folder)
    _print(found)
    for path in paths:
        print(path)


def _print(found: Diagnosis) -> None:
    """A row a recurrent layer: what is left of the gradient at the other end, and why."""
    if found.remark:
        print(f"note: {found.remark}", file=sys.stderr)
    rows = []
    for heading, flows in found.columns.items():
        for label, flow in flows.items():
            for layer in flow.layers:
                norms = next(iter(layer.maps.values()))[-1]
                kept = None if layer.kept is None else float(layer.kept[layer.real].mean())
                radius = max(layer.spectral_radius.values(), default=None)
                first, last = f"{norms[0]:.2g}", f"{norms[-1]:.2g}"
                rows.append(
                    (heading, label, layer.name, first, last, f"{flow.norm:.2g}", radius, kept)
                )
    print_table(
        (
            found.title,
            "cell",
            "layer",
            "|dL_T/dh_1|",
            "|dL_T/dh_T|",
            "gradient norm",
            "radius",
            "kept",
        ),
        rows,
    )
