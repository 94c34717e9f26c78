"""`rnnkit check TASK` and `rnnkit train TASK`: from data to a run."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines import TASKS
from pipelines.cli import quiet
from pipelines.cli.answers import print_json, print_table
from pipelines.cli.failures import resumable
from pipelines.cli.flags import settings_class, with_settings
from pipelines.cli.names import Tasks
from pipelines.cli.runs import print_scores
from pipelines.cli.tables import AsJson
from pipelines.cluster import WAIT
from pipelines.strategies import STRATEGIES, open_devices

_DATA = "a path or tfds:NAME; the task's own data by default"
if TYPE_CHECKING:
    from pipelines.run import Run

Source = Annotated[str | None, typer.Option(help=_DATA, show_default=False)]
Valid = Annotated[
    str | None, typer.Option(help="records for validation; a tenth of the data by default")
]
Test = Annotated[
    str | None, typer.Option(help="records for the test; a tenth of the data by default")
]
RunFolder = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="folder of the run; runs/<task>-<cell>-<hash of settings and data> by default",
    ),
]
Strategy = Annotated[
    str | None,
    typer.Option(
        metavar=f"<{'|'.join(STRATEGIES)}>",
        help="one model on several devices: the GPUs of this machine, or all machines of TF_CONFIG",
    ),
]
Wait = Annotated[float, typer.Option(min=0, help="seconds that other machines may take to start")]
Init = Annotated[
    str | None, typer.Option(metavar="RUN", help="an earlier run whose weights it starts from")
]

check_app = typer.Typer(
    cls=Tasks,
    no_args_is_help=True,
    subcommand_metavar="TASK",
    help="Validates data before anything is spent: counts, lengths, what is dropped, leaks.",
)
train_app = typer.Typer(
    cls=Tasks,
    no_args_is_help=True,
    subcommand_metavar="TASK",
    help="Trains a model into a run folder; the same command again resumes it.",
)


def _check(task: str) -> Callable[..., None]:
    def check(
        *,
        data: Source = None,
        valid: Valid = None,
        test: Test = None,
        json: AsJson = False,
        **settings: Any,
    ) -> None:
        chosen = settings_class(task)(**settings)
        with quiet.work():
            from pipelines.run import task_class
            from pipelines.sources import load

            problem = task_class(task)(chosen)
            found = load(problem, data, valid, test)
            answer = {
                "task": task,
                "data": found.source,
                "description": found.description,
                "fingerprint": found.fingerprint,
                "parts": {
                    part: {"records": len(records)} | (problem.describe(records) if records else {})
                    for part, records in found.parts.items()
                },
                "dropped": [dataclasses.asdict(dropped) for dropped in found.dropped],
                "remarks": found.remarks,
                "leaks": found.leaks,
            }
        if json:
            print_json(answer)
        else:
            _print_check(answer)

    check.__doc__ = f"Validates data for {task}: {TASKS[task].input}."
    return check


def _print_check(answer: dict[str, Any]) -> None:
    print(answer["description"])
    counts = answer["parts"]
    rows = dict.fromkeys(name for part in counts.values() for name in part if name != "records")
    print_table(
        ("", *counts), [[name, *(part.get(name) for part in counts.values())] for name in rows]
    )
    for title in ("dropped", "remarks", "leaks"):
        found = answer[title]
        print(f"{title}: {len(found) or 'none'}")
        for item in found:
            words = f"{item['place']}: {item['reason']}" if isinstance(item, dict) else item
            print(f"  {words}")


def _train(task: str) -> Callable[..., None]:
    def train(
        *,
        data: Source = None,
        valid: Valid = None,
        test: Test = None,
        run: RunFolder = None,
        init: Init = None,
        strategy: Strategy = None,
        wait: Wait = WAIT,
        **settings: Any,
    ) -> None:
        settings_class(task)(**settings)  # a value out of range is told at once
        with resumable("run"):
            devices = None if strategy is None else open_devices(strategy, wait)
            with quiet.work():
                from pipelines.training import train

                places = {"valid": valid, "test": test, "run": run, "init": init}
                given: dict[str, Any] = {**places, **settings}
                finished = train(task, data, devices=devices, **given)
        if devices is None or devices.chief:
            _print_run(finished)
        else:
            print("trained along; the chief holds the run", file=sys.stderr)

    train.__doc__ = f"Trains {task}: {TASKS[task].input} -> {TASKS[task].output}."
    return train


def _print_run(run: Run) -> None:
    from pipelines.report import next_commands

    part = "test" if "test" in run.metrics else "valid"
    print(run.config["data"]["description"])
    print(f"best epoch {run.metrics['best_epoch']}, scored on the {part} part")
    print_scores(**run.metrics[part])
    print(f"{run.path} holds the run. Next:")
    for command in next_commands(run):
        print(f"  {command}")


for _task in TASKS:
    check_app.command(_task)(with_settings(_check(_task), _task, reading=True))
    train_app.command(_task)(with_settings(_train(_task), _task))
