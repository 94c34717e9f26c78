"""`rnnkit compare TASK` and `rnnkit compare --study NAME`: which cell is better, and how surely."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines import TASKS
from pipelines.cli import quiet
from pipelines.cli.answers import print_json, print_table
from pipelines.cli.data import Source, Test, Valid
from pipelines.cli.failures import resumable
from pipelines.cli.flags import settings_class, with_settings
from pipelines.cli.names import Tasks
from pipelines.cli.tables import AsJson
from pipelines.errors import UserError, require

if TYPE_CHECKING:
    from tuning.results import Comparison

DEFAULT_CELLS = "vanilla,lstm,gru"
DECIDED = ("cell", "units")  # settings that a comparison decides
Repeats = Annotated[int, typer.Option(help="runs a cell, each with another seed")]
Folder = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="of the comparison; runs/compare-<task>-<hash> by default"),
]

compare_app = typer.Typer(
    cls=Tasks,
    no_args_is_help=True,
    invoke_without_command=True,
    subcommand_metavar="[TASK]",
    help="Trains cells with equal budgets, data and seeds, and says what is more than noise; the "
    "same command again resumes it.",
)


@compare_app.callback()
def _study(
    context: typer.Context,
    study: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="a comparison of the literature: chung2014, greff2015"),
    ] = None,
    data: Source = None,
    repeats: Repeats = 5,
    epochs: Annotated[
        int | None, typer.Option(help="most passes over the training part", show_default=False)
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="epochs without a better validation score before it stops"),
    ] = None,
    seed: Annotated[int, typer.Option(help="of the first repeat")] = 0,
    folder: Folder = None,
    json: AsJson = False,
) -> None:
    if (task := context.invoked_subcommand) is not None:
        for name in context.params:
            source = context.get_parameter_source(name)
            if source is not None and source.name == "COMMANDLINE":
                raise UserError(
                    f"--{name} stands before the task {task}, where options are those of a study. "
                    f"Use either --study NAME, or: rnnkit compare {task} [OPTIONS]"
                )
        return
    if study is None:
        raise UserError("expected a task or --study NAME. Example: rnnkit compare music")
    given = {"epochs": epochs, "patience": patience, "seed": seed}
    settings = {name: value for name, value in given.items() if value is not None}
    _show(
        lambda tuning: tuning.compare_study(
            study, data, repeats=repeats, folder=folder, say=_say, **settings
        ),
        json,
    )


def _compare(task: str) -> Callable[..., None]:
    def compare(
        *,
        cells: Annotated[
            str, typer.Option(help="names with commas between, of `rnnkit cells` or module:Class")
        ] = DEFAULT_CELLS,
        repeats: Repeats = 5,
        parameters: Annotated[
            int | None, typer.Option(help="weights each cell gets, as near as whole units allow")
        ] = None,
        parameters_of: Annotated[
            str,
            typer.Option(metavar="<whole|recurrent>", help="which weights --parameters counts"),
        ] = "whole",
        units: Annotated[
            int | None,
            typer.Option(help="width of each recurrent layer; the task's own by default"),
        ] = None,
        seconds: Annotated[
            float | None, typer.Option(help="of training a run, in place of --epochs")
        ] = None,
        directions: Annotated[
            str,
            typer.Option(
                metavar="<one,both>",
                help="compares each cell reading forwards, and in both directions, too; of tasks "
                "with --bidirectional, in place of it",
                show_default=False,
            ),
        ] = "",
        baseline: Annotated[
            str | None,
            typer.Option(help="a cell, or as lstm-both: only differences from it are tested"),
        ] = None,
        data: Source = None,
        valid: Valid = None,
        test: Test = None,
        folder: Folder = None,
        json: AsJson = False,
        **settings: Any,
    ) -> None:
        settings_class(task)(**settings)  # a value out of range is told at once
        _show(
            lambda tuning: tuning.compare(
                task,
                cells.split(","),
                data,
                repeats=repeats,
                parameters=parameters,
                parameters_of=parameters_of,
                units=units,
                seconds=seconds,
                directions=directions.split(","),
                baseline=baseline,
                valid=valid,
                test=test,
                folder=folder,
                say=_say,
                **settings,
            ),
            json,
        )

    compare.__doc__ = f"Compares cells on {task}: {TASKS[task].metric}."
    return compare


def _show(work: Callable[[Any], Comparison], json: bool) -> None:
    with resumable("comparison"), quiet.work():
        require("scipy", "tuning")
        from tuning import comparison, comparison_report

        found = work(comparison)
        paths = comparison_report.write(found)
    if json:
        print_json(found.to_json())
        return
    print(f"{found.task}, {found.data}, {found.budget}; {found.selection}, lower is better")
    print_table(comparison_report.header(found), comparison_report.table(found))
    for remark in found.remarks:
        print(f"{remark}.")
    for path in paths:
        print(path)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


for _task in TASKS:
    compare_app.command(_task)(with_settings(_compare(_task), _task, without=DECIDED))
