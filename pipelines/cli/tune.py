"""`rnnkit tune TASK`: the settings with which a task does best."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines import TASKS
from pipelines.cli import quiet
from pipelines.cli.answers import print_json
from pipelines.cli.data import Source, Test, Valid
from pipelines.cli.failures import resumable
from pipelines.cli.names import Tasks
from pipelines.cli.tables import AsJson
from pipelines.cluster import WAIT
from pipelines.errors import require

if TYPE_CHECKING:
    from tuning.search_results import Request, Search
    from tuning.seats import Seat

tune_app = typer.Typer(
    cls=Tasks,
    no_args_is_help=True,
    subcommand_metavar="TASK",
    help="Searches the settings of a task with keras-tuner; the same command again resumes it.",
)


def _tune(task: str) -> Callable[..., None]:
    def tune(
        *,
        method: Annotated[
            str,
            typer.Option(metavar="<random|bayesian|hyperband|grid>", help="how trials are chosen"),
        ] = "random",
        trials: Annotated[
            int | None,
            typer.Option(
                help="most trials besides the task's own settings; 30 for random and bayesian, all "
                "of hyperband and grid by default"
            ),
        ] = None,
        fix: Annotated[
            list[str] | None,
            typer.Option(metavar="NAME=VALUE", help="keeps a setting, as units=128; repeatable"),
        ] = None,
        choose: Annotated[
            list[str] | None,
            typer.Option(
                metavar="NAME=A,B", help="searches these values, as cell=gru,lstm; repeatable"
            ),
        ] = None,
        range: Annotated[
            list[str] | None,
            typer.Option(
                metavar="NAME=LOW:HIGH[:log]",
                help="searches between, as learning_rate=1e-4:1e-2:log; repeatable",
            ),
        ] = None,
        seed: Annotated[int, typer.Option(help="of the search and of every trial")] = 0,
        train_best: Annotated[
            bool, typer.Option("--train-best", help="trains a run of the best settings at the end")
        ] = False,
        data: Source = None,
        valid: Valid = None,
        test: Test = None,
        folder: Annotated[
            str | None,
            typer.Option(metavar="DIR", help="of the search; runs/tune-<task>-<hash> by default"),
        ] = None,
        distributed: Annotated[
            str | None,
            typer.Option(
                metavar="<chief|worker>",
                help="this process's part in a search on several machines; by default what "
                "KERASTUNER_TUNER_ID says",
            ),
        ] = None,
        at: Annotated[
            str | None,
            typer.Option(
                metavar="HOST:PORT",
                help="of the chief; KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT by default",
            ),
        ] = None,
        wait: Annotated[
            float, typer.Option(min=0, help="seconds that a worker waits for a silent chief")
        ] = WAIT,
        json: AsJson = False,
    ) -> None:
        with resumable("search"), quiet.work():
            require("keras_tuner", "tuning")
            from tuning import search, search_report, seats

            taken = seats.seat(distributed, at)
            asked = search.request(
                task,
                data,
                method=method,
                trials=trials,
                fix=fix or (),
                choose=choose or (),
                ranges=range or (),
                seed=seed,
                valid=valid,
                test=test,
                folder=folder,
            )
            if taken is not None and taken.role == "worker":
                print(_follow(asked, taken, wait), file=sys.stderr)
                return
            found = _carry_out(asked, taken, train_best)
            paths = search_report.write(found)
            remarks = search_report.remarks(found)
            commands = search_report.next_commands(found)
        if json:
            print_json(found.to_json())
        else:
            for line in [*remarks, *paths, f"{found.request.path} holds the search. Next:"]:
                print(line)
            for command in commands:
                print(f"  {command}")

    tune.__doc__ = f"Searches the settings of {task}: {TASKS[task].metric}."
    return tune


def _carry_out(asked: Request, taken: Seat | None, train_best: bool) -> Search:
    from pipelines.run import task_class
    from tuning import search
    from tuning.board import ConsoleBoard

    lead = None
    if taken is not None:
        from tuning.chief import Chief

        lead = Chief(taken.address)
    with ConsoleBoard(task_class(asked.task).selection, asked.most) as board:
        return search.carry_out(asked, None, board, train_best, lead)


def _follow(asked: Request, taken: Seat, wait: float) -> str:
    from pipelines.run import task_class
    from tuning.board import ConsoleBoard
    from tuning.follower import follow
    from tuning.workers import Worker

    with Worker() as runner, ConsoleBoard(task_class(asked.task).selection, None) as board:
        count = follow(asked, taken, runner, board, wait)
    return f"{count} trials trained here; the chief at {taken.address} holds the search"


for _task in TASKS:
    tune_app.command(_task)(_tune(_task))
