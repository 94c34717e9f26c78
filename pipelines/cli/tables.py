"""`rnnkit tasks` and `rnnkit cells`."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from pipelines import TASKS
from pipelines.cli import quiet
from pipelines.cli.answers import print_json, print_table

AsJson = Annotated[bool, typer.Option("--json", help="one JSON object on stdout")]


def tasks(json: AsJson = False) -> None:
    """The tasks: what goes in, what comes out, how it is scored."""
    columns = ("shape", "input", "output", "metric", "data")
    rows = [
        {"task": name} | {key: dataclasses.asdict(row)[key] for key in columns}
        for name, row in TASKS.items()
    ]
    if json:
        print_json({"tasks": rows})
    else:
        print_table(("task", *columns[:-1], "default data"), [list(row.values()) for row in rows])


def cells(json: AsJson = False) -> None:
    """The recurrent cells: paper, states, number of weights, parallel in time or not."""
    with quiet.work():
        from pipelines.cli.formulas import describe_cells

        rows = describe_cells()
    if json:
        print_json({"cells": rows})
    else:
        header = ("cell", "class", "paper", "states", "parameters (m inputs, n units)", "parallel")
        print_table(header, [list(row.values()) for row in rows])
