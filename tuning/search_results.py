"""What was asked of a search, and what it found."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras_tuner

from pipelines.run import task_class
from pipelines.settings import Settings
from tuning.narrowing import Narrowing
from tuning.oracles import most_trials
from tuning.plans import absolute, folder_of

DEFAULT = "default"  # the trial of the task's own settings
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked of a search."""

    task: str
    method: str
    trials: int | None
    narrowing: Narrowing
    seed: int
    data: str | None
    valid: str | None
    test: str | None
    folder: str | None
    space: keras_tuner.HyperParameters
    defaults: Settings  # with what is fixed

    @property
    def most(self) -> int:
        """Trials at most, the one of the task's own settings included."""
        return most_trials(self.method, self.trials, self.space, self.defaults)

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two searches the same one; trials may be added."""
        return {
            "task": self.task,
            "method": self.method,
            "space": {each["name"]: each for each in self._space},
            "searched": [each["name"] for each in self._space],
            "fixed": self.narrowing.fixed,
            "seed": self.seed,
            "data": absolute(self.data),
            "valid": absolute(self.valid),
            "test": absolute(self.test),
        }

    @property
    def _space(self) -> list[dict[str, Any]]:
        """What is searched, a dict a setting."""
        found = [each["config"] for each in self.space.get_config()["space"]]
        return [{name: each[name] for name in each if name != "conditions"} for each in found]

    @property
    def path(self) -> Path:
        """The folder: the one asked for, or one whose name depends on what was asked."""
        return folder_of(self.folder, f"tune-{self.task}", self.identity)

    def arguments(self, settings: dict[str, Any], run: Path) -> dict[str, Any]:
        """Of `pipelines.train`."""
        return {
            "seed": self.seed,
            **self.narrowing.fixed,
            **settings,
            "task": self.task,
            "data": self.data,
            "valid": self.valid,
            "test": self.test,
            "run": str(run),
        }


@dataclass(frozen=True)
class Search:
    """What a search found."""

    request: Request
    rows: list[Row]  # in their order; see `tuning.trial.run_trial`
    metrics: dict[str, Any] = field(default_factory=dict)  # of the best, by part; test once
    run: Path | None = None  # an ordinary one of the best settings, where it was asked for

    @property
    def selection(self) -> str:
        """The score: a column of metrics.csv, lower is better."""
        return task_class(self.request.task).selection

    @property
    def done(self) -> list[Row]:
        """The trials with a score."""
        return [row for row in self.rows if row["status"] == "done"]

    @property
    def best(self) -> Row:
        """The trial with the lowest score, the first of equals."""
        return min(self.done, key=lambda row: row["score"])

    @property
    def command(self) -> str:
        """What trains the best again, test part included."""
        request = self.request
        given: dict[str, Any] = {
            **{"data": request.data, "valid": request.valid, "test": request.test},
            "seed": request.seed,
            **request.narrowing.fixed,
            **self.best["settings"],
        }
        words = ["rnnkit", "train", request.task]
        for name, value in given.items():
            flag = name.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{flag}" if value else f"--no-{flag}")
            elif value is not None:
                words += [f"--{flag}", str(value)]
        return shlex.join(words)

    def to_json(self) -> dict[str, Any]:
        """The object that `rnnkit tune --json` prints."""
        return {
            "task": self.request.task,
            "data": self.request.data or "embedded default",
            "method": self.request.method,
            "score": self.selection,
            "folder": str(self.request.path),
            "best": {
                **self.best,
                "metrics": self.metrics,
                "command": self.command,
                "trained": None if self.run is None else str(self.run),
            },
            "trials": self.rows,
        }
