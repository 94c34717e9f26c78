"""The trials of a search in their order: what an oracle was asked for, and what it was told.

The oracles of keras-tuner are pure functions of their seed and of what they are asked and told. So
a search that is resumed begins anew: its oracle is asked and told the same in the same order, and
names the same trials. Nothing but that order and the trials' own files, each written whole or not
at all, has to survive, however many workers train them and whichever of them is killed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import UserError
from pipelines.files import write_json
from pipelines.run import task_class
from tuning import trial
from tuning.oracles import FAILURES, METHODS, Method
from tuning.plans import read
from tuning.search_results import DEFAULT, Request, Row

LOST_TWICE = "its worker was lost, twice"  # why such a trial counts as failed


@dataclass(frozen=True)
class Proposal:
    """A trial, before it is trained."""

    trial: str  # its name
    settings: dict[str, Any]
    limit: int | None  # epochs, where hyperband says
    run: str  # folder of its run: hyperband goes on where an earlier trial ended

    def row_path(self, request: Request) -> Path:
        """The file that says how it ended."""
        return request.path / "trials" / f"{self.trial}.json"

    def arguments(self, request: Request) -> dict[str, Any]:
        """Of `pipelines.train`."""
        arguments = request.arguments(self.settings, request.path / "trials" / self.run)
        return arguments if self.limit is None else {**arguments, "epochs": self.limit}


class Ledger:
    """What is left to try, for any number of workers.

    Args:
        request: of the search.
        scratch: a folder for the files that an oracle writes and nobody reads.
        ended: is told of each trial that has ended, now or in an earlier life.

    Raises:
        UserError: the folder's trials are those of another version of keras-tuner.
    """

    def __init__(self, request: Request, scratch: str, ended: Callable[[Row], None]) -> None:
        self._request, self._ended = request, ended
        self._asked: dict[str, Proposal] = {}
        self._rows: dict[str, Row] = {}
        self._trials: dict[str, Any] = {}  # keras-tuner's; the default is none of them
        self._waiting: list[str] = []  # asked for, and in nobody's hands
        self._lost: set[str] = set()
        self._twins: list[str] = []  # proposals of the task's own settings, which have a trial
        self._selection = task_class(request.task).selection
        method = Method(
            seed=request.seed,
            trials=request.trials,
            epochs=request.defaults.epochs,
            space=request.space,
            selection=self._selection,
            known=self._known,
        )
        self._oracle = METHODS[request.method](method)
        self._oracle.verbose = 0
        self._oracle._set_project_dir(scratch, "oracle")
        self._path = request.path / "order.json"
        self._order: list[list[str]] = []
        before = read(self._path, [])
        self._written = len(before)
        for word, name in before:
            self._replay(word, name)

    def _replay(self, word: str, name: str) -> None:
        if word == "ended":
            if name in self._asked:
                self._end(name)
            return
        proposed = self._ask()  # none where --trials was lowered
        if proposed is not None:
            if proposed.trial != name:
                raise self._other_version(name)
            if name not in self._twins:
                self._waiting.append(name)

    # --- asking ---------------------------------------------------------------------------------

    def next(self) -> Proposal | None:
        """A trial to train: one that is waiting, or a new one. None when there is nothing to do,
        or nothing before a trial that is being trained has ended: see `finished`."""
        while (proposed := self._first_waiting() or self._ask()) is not None:
            if proposed.trial in self._twins:
                continue
            if self._kept(proposed.trial) is None:
                break
            self._end(proposed.trial)
        self._save()
        return proposed

    @property
    def finished(self) -> bool:
        """After `next` has given None: whether there is nothing to come."""
        return len(self._rows) == len(self._asked)

    @property
    def waiting(self) -> list[str]:
        """Trials that were begun in an earlier life and have not ended."""
        return list(self._waiting)

    def take(self, name: str) -> None:
        """One of those is being trained."""
        self._waiting.remove(name)

    def give_back(self, name: str) -> None:
        """A trial whose worker is gone: another one goes on with its run. Twice is a failure."""
        proposed = self._asked[name]
        if name in self._lost and self._kept(name) is None:
            row = {**vars(proposed)}
            trial.failed(row, LOST_TWICE, str(proposed.row_path(self._request)))
        self._lost.add(name)
        self._waiting.append(name)

    def proposal(self, name: str) -> Proposal:
        """The trial of that name."""
        return self._asked[name]

    def _first_waiting(self) -> Proposal | None:
        return self._asked[self._waiting.pop(0)] if self._waiting else None

    def _ask(self) -> Proposal | None:
        """What the oracle wants; first of all the task's own settings."""
        if not self._asked:
            return self._noted(Proposal(DEFAULT, {}, None, DEFAULT))
        proposed = self._oracle.create_trial(f"asked {len(self._asked)}")
        if proposed.status != "RUNNING":
            return None
        values = dict(proposed.hyperparameters.values)
        name = f"{int(proposed.trial_id):04d}"
        self._trials[name] = proposed
        start = values.get("tuner/trial_id")
        noted = self._noted(
            Proposal(
                trial=name,
                settings={k: value for k, value in values.items() if not k.startswith("tuner/")},
                limit=values.get("tuner/epochs"),
                run=name if start is None else self._asked[f"{int(start):04d}"].run,
            )
        )
        if self._is_default(noted):
            self._twins.append(name)
            if DEFAULT in self._rows:
                self._end(name)
        return noted

    def _is_default(self, proposed: Proposal) -> bool:
        """Whether it would be the trial of the task's own settings once more."""
        if proposed.limit is not None or self._kept(proposed.trial) is not None:
            return False
        own = self._request.defaults
        return all(getattr(own, name) == value for name, value in proposed.settings.items())

    def _noted(self, proposed: Proposal) -> Proposal:
        kept = self._kept(proposed.trial)
        if kept is not None and any(kept[key] != value for key, value in vars(proposed).items()):
            raise self._other_version(proposed.trial)
        self._asked[proposed.trial] = proposed
        self._order.append(["asked", proposed.trial])
        return proposed

    # --- telling --------------------------------------------------------------------------------

    def end(self, name: str) -> bool:
        """Tells the oracle how a trial ended. False where its row is not there.

        Raises:
            UserError: one trial after the other fails.
        """
        if self._kept(name) is None:
            return False
        self._end(name)
        self._save()
        return True

    def _end(self, name: str) -> None:
        row = self._rows.get(DEFAULT) if name in self._twins else self._kept(name)
        if row is None or name in self._rows:  # two workers may tell the same
            return
        if name in self._waiting:
            self._waiting.remove(name)
        self._rows[name] = row
        self._order.append(["ended", name])
        if name not in self._twins:
            self._ended(row)
        if name == DEFAULT:
            for twin in self._twins:
                self._end(twin)
            return
        told = self._trials[name]
        if row["status"] == "done":
            self._oracle.update_trial(told.trial_id, {self._selection: row["score"]})
            told.status = "COMPLETED"
        else:
            told.status, told.message = "FAILED", row["reason"]
        try:
            self._oracle.end_trial(told)
        except RuntimeError as error:
            raise UserError(
                f"{self._request.path}: {FAILURES} trials in a row failed, the last one so: "
                f"{row['reason']} Narrow the search, with --folder NEW."
            ) from error

    @property
    def rows(self) -> list[Row]:
        """How trials ended, in the order in which they were asked for."""
        own = [name for name in self._asked if name not in self._twins]
        return [self._rows[name] for name in own if name in self._rows]

    # --- files ----------------------------------------------------------------------------------

    def _kept(self, name: str) -> Row | None:
        return read(self._request.path / "trials" / f"{name}.json")

    def _known(self, number: int) -> dict[str, Any] | None:
        """For the oracle: the settings of a trial that has ended."""
        kept = self._kept(f"{number:04d}")
        return None if kept is None else dict(kept["settings"])

    def _save(self) -> None:
        if len(self._order) != self._written:
            write_json(self._path, self._order)
            self._written = len(self._order)

    def _other_version(self, name: str) -> UserError:
        return UserError(
            f"{self._request.path / 'trials' / name}.json: the search would now try other settings "
            "than it did then, so another version of keras-tuner made it. Use --folder NEW."
        )
