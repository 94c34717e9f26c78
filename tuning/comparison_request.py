"""What is asked of a comparison."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.cells import recurrent_layer, short_name
from pipelines.errors import UserError, unknown_name
from pipelines.run import task_class
from pipelines.task import Task
from tuning.parameters import RECURRENT, WHOLE
from tuning.plans import absolute, folder_of
from tuning.results import Contender

MOST_REPEATS = 1000
MOST_PARAMETERS = 10**8  # nets are built to count their weights


DIRECTIONS = {"one": False, "both": True}  # the setting `bidirectional`, where a task has it


@dataclass(frozen=True)
class Entry:
    """What a contender is, before the budget gives it a size."""

    cell: str
    units: int | None  # where they are given
    bidirectional: bool | None = None  # where directions are compared, too

    @property
    def settings(self) -> dict[str, Any]:
        """Those of the task that only this contender has, besides cell and units."""
        return {} if self.bidirectional is None else {"bidirectional": self.bidirectional}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked of a comparison."""

    task: str
    entries: Mapping[str, Entry]  # by name
    settings: Mapping[str, Any]
    repeats: int
    data: str | None
    valid: str | None
    test: str | None
    parameters: int | None
    parameters_of: str
    seconds: float | None
    baseline: str | None
    folder: str | None
    study: str | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two comparisons the same one; repeats may be added."""
        return {
            "task": self.task,
            "study": self.study,
            "cells": {
                name: [each.cell, each.units, *each.settings.values()]
                for name, each in self.entries.items()
            },
            "settings": dict(self.settings),
            "parameters": self.parameters,
            "parameters-of": self.parameters_of,
            "seconds": self.seconds,
            "data": absolute(self.data),
            "valid": absolute(self.valid),
            "test": absolute(self.test),
        }

    @property
    def path(self) -> Path:
        """The folder: the one asked for, or one whose name depends on what was asked."""
        return folder_of(self.folder, f"compare-{self.study or self.task}", self.identity)

    @property
    def budget(self) -> str:
        """In words."""
        words = "" if self.seconds is None else f", {self.seconds:g} s of training each"
        if self.study is not None:
            return f"the sizes of the study{words}"
        if self.parameters is None:
            return f"equal units{words}"
        part = "recurrent parameters" if self.parameters_of == RECURRENT else "parameters"
        return f"{self.parameters:,} {part}{words}"

    def arguments(self, contender: Contender, repeat: int) -> dict[str, Any]:
        """Of `pipelines.train`, for the repeat of that number, from 0."""
        seed = self.settings.get("seed", 0) + repeat
        epochs = {} if contender.epochs is None else {"epochs": contender.epochs}
        return {
            **self.settings,
            **epochs,
            **self.entries[contender.name].settings,
            "task": self.task,
            "data": self.data,
            "valid": self.valid,
            "test": self.test,
            "run": str(self.path / contender.name / f"seed-{seed}"),
            "cell": contender.cell,
            "units": contender.units,
            "seed": seed,
        }


def named(
    cells: Sequence[str], units: int | None, directions: Sequence[str] = ()
) -> dict[str, Entry]:
    """The contenders by the names that tables and folders call them by: each cell, or each cell in
    each of the directions.

    Raises:
        UserError: there is none, or a direction is unknown.
    """
    names = list(dict.fromkeys(cell.strip() for cell in cells if cell.strip()))
    if not names:
        raise UserError("--cells must name cells. Received: none. Example: vanilla,lstm,gru")
    labels = [short_name(name) for name in names]
    found = {
        (label if labels.count(label) == 1 else name.replace(":", ".")): name
        for label, name in zip(labels, names, strict=True)
    }
    ways = list(dict.fromkeys(way.strip() for way in directions if way.strip()))
    for way in ways:
        if way not in DIRECTIONS:
            raise unknown_name("direction", way, DIRECTIONS)
    if not ways:
        return {label: Entry(name, units) for label, name in found.items()}
    return {
        f"{label}-{way}": Entry(name, units, DIRECTIONS[way])
        for label, name in found.items()
        for way in ways
    }


def checked(request: Request) -> Task:
    """The task with its settings.

    Raises:
        UserError: whatever can be told without data.
    """
    cls = task_class(request.task)
    if not 1 <= request.repeats <= MOST_REPEATS:
        raise UserError(f"--repeats must be from 1 to {MOST_REPEATS}. Received: {request.repeats}.")
    if request.parameters is not None and not 1 <= request.parameters <= MOST_PARAMETERS:
        raise UserError(
            f"--parameters must be from 1 to {MOST_PARAMETERS:,}. Received: {request.parameters}."
        )
    if request.parameters_of not in (WHOLE, RECURRENT):
        raise unknown_name("part", request.parameters_of, (WHOLE, RECURRENT))
    if request.parameters_of != WHOLE and request.parameters is None:
        raise UserError(f"--parameters-of {request.parameters_of}: expected --parameters N, too.")
    if request.seconds is not None and not request.seconds > 0:
        raise UserError(f"--seconds must be above 0. Received: {request.seconds}.")
    if request.baseline is not None and request.baseline not in request.entries:
        raise unknown_name("baseline", request.baseline, request.entries)
    settings = cls.Settings.from_dict(dict(request.settings))
    for entry in request.entries.values():
        recurrent_layer(entry.cell, 1, truncate_gradient=settings.bptt_steps)
        if entry.units is not None:
            dataclasses.replace(settings, units=entry.units)
        if not entry.settings.keys() <= settings.to_dict().keys():
            raise UserError(
                f"--directions: the nets of {request.task} read in the direction that the task "
                "has. Expected a task with the setting bidirectional, such as sentiment."
            )
    return cls(settings)
