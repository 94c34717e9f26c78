"""What a comparison found: a line a cell, a test a pair."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.files import Row, read_rows
from tuning.statistics import PairedTest, paired_tests
from tuning.studies import STUDIES, Published


@dataclass(frozen=True)
class Contender:
    """A cell of a comparison, with the size that its budget gives it."""

    name: str  # in tables, and of its folder
    cell: str
    units: int
    parameters: int  # of the whole model
    recurrent_parameters: int  # of its recurrent layers
    epochs: int | None = None  # where the budget is time


@dataclass(frozen=True)
class Line:
    """A cell, and what its runs reached. Scores are of the validation part, lower is better."""

    contender: Contender
    rows: list[dict[str, Any]]  # of the runs that finished; see `tuning.comparison_run.run_once`
    failed: dict[int, str]  # seed -> why a run did not

    @property
    def scores(self) -> dict[int, float]:
        """The best score of each seed."""
        return {row["seed"]: row["score"] for row in self.rows}

    def mean_of(self, key: str) -> float | None:
        """Mean of a number over the runs; None where none has it."""
        values = [row[key] for row in self.rows if row.get(key) is not None]
        return statistics.fmean(values) if values else None

    def metrics(self, part: str) -> dict[str, dict[str, float | None]]:
        """`{metric: {"mean", "std"}}` over the runs, of the part "valid" or "test"."""
        found: dict[str, list[float]] = {}
        for row in self.rows:
            for name, value in row.get(part, {}).items():
                found.setdefault(name, []).append(value)
        return {name: {"mean": _mean(each), "std": _std(each)} for name, each in found.items()}

    def to_json(self) -> dict[str, Any]:
        """The cell's object in `rnnkit compare --json`."""
        scores = list(self.scores.values())
        each = self.contender
        gradients = [row["gradient_first_step"] for row in self.rows]
        return {
            "cell": each.name,
            "name": each.cell,
            "units": each.units,
            "parameters": each.parameters,
            "recurrent_parameters": each.recurrent_parameters,
            "mean": _mean(scores),
            "std": _std(scores),
            "best": min(scores, default=None),
            "scores": self.scores,
            "valid": self.metrics("valid"),
            "test": self.metrics("test"),
            "seconds_per_epoch": self.mean_of("seconds_per_epoch"),
            "seconds": self.mean_of("seconds"),
            "epochs_to_best": self.mean_of("best_epoch"),
            "gradient_first_step": _middle([g for g in gradients if g is not None]),
            "failed": self.failed,
        }


@dataclass(frozen=True)
class Comparison:
    """Cells on equal terms."""

    task: str
    selection: str  # the score: a column of metrics.csv, lower is better
    data: str
    folder: Path
    budget: str  # in words
    settings: dict[str, Any]  # of all, where they are not the task's defaults
    contenders: list[Contender]
    rows: dict[str, list[dict[str, Any]]]
    baseline: str | None = None
    study: str | None = None

    @functools.cached_property
    def lines(self) -> list[Line]:
        """A line a cell, the best mean first; those without a finished run last."""
        lines = [
            Line(
                each,
                [row for row in self.rows[each.name] if "failed" not in row],
                {row["seed"]: row["failed"] for row in self.rows[each.name] if "failed" in row},
            )
            for each in self.contenders
        ]
        return sorted(lines, key=lambda line: (not line.rows, line.mean_of("score") or 0.0))

    @functools.cached_property
    def tests(self) -> list[PairedTest]:
        """A paired t test a pair of cells, on the validation scores."""
        return paired_tests(
            {line.contender.name: line.scores for line in self.lines}, self.baseline
        )

    @property
    def remarks(self) -> list[str]:
        """What can be said, and what cannot."""
        most = max((len(line.rows) for line in self.lines), default=0)
        remarks = [test.verdict for test in self.tests]
        if most < 2:
            remarks.append(
                "one run a cell: nothing can be said of noise. Add --repeats 5 to the command"
            )
        elif most == 2:
            remarks.append(
                "two runs a cell: two differences that happen to be alike look certain. Add "
                "--repeats 5 to the command"
            )
        if self.study and not any(self.published(each.name) for each in self.contenders):
            remarks.append(
                f"the published figures are of other data than {self.data}, so none stands beside "
                f"these. Name the paper's: --data {STUDIES[self.study].data}"
            )
        for line in self.lines:
            for seed, reason in line.failed.items():
                remarks.append(f"{line.contender.name}, seed {seed}, is left out: {reason}")
        return remarks

    def published(self, name: str) -> list[Published]:
        """The figures of the study's paper for a cell on these data."""
        if self.study is None:
            return []
        entry = STUDIES[self.study].entries[name]
        return [figure for figure in entry.published if figure.data.lower() in self.data.lower()]

    def curves(self, name: str) -> list[list[Row]]:
        """The histories of a cell's finished runs."""
        seeds = [row["seed"] for row in self.rows[name] if "failed" not in row]
        return [read_rows(self.folder / name / f"seed-{seed}" / "metrics.csv") for seed in seeds]

    def to_json(self) -> dict[str, Any]:
        """The object that `rnnkit compare --json` prints."""
        return {
            "task": self.task,
            "data": self.data,
            "score": self.selection,
            "budget": self.budget,
            "settings": self.settings,
            "study": self.study,
            "folder": str(self.folder),
            "cells": [
                line.to_json()
                | (
                    {"published": [asdict(p) for p in self.published(line.contender.name)]}
                    if self.study
                    else {}
                )
                for line in self.lines
            ],
            "tests": [
                asdict(test) | {"significant": test.significant, "verdict": test.verdict}
                for test in self.tests
            ],
        }


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _std(values: Sequence[float]) -> float | None:
    """Of the sample; None for a single value."""
    return statistics.stdev(values) if len(values) > 1 else None


def _middle(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None
