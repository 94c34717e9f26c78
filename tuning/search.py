"""A search over the settings of a task, that can be killed at any moment and resumed.

The oracles of keras-tuner are pure functions of their seed and of the scores they were told. So a
search that is resumed begins anew, and tells its oracle the scores of the trials that are there:
the oracle asks for the same trials, and the first one without a score is trained. Nothing but the
trials' own files, each written whole or not at all, has to survive.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from os import PathLike
from typing import Any, Protocol

from pipelines import sources
from pipelines.errors import UserError, unknown_name
from pipelines.files import locked, write_json
from pipelines.run import task_class
from tuning import narrowing, trial
from tuning.oracles import FAILURES, METHODS, Method, default_trials
from tuning.plans import open_plan
from tuning.search_results import DEFAULT, Request, Row, Search
from tuning.spaces import space_of
from tuning.workers import JobError, Runner, Worker

HERE = "here"  # the one tuner that an oracle knows


class Board(Protocol):
    """Is told how a search goes on."""

    def say(self, line: str) -> None:
        """Something worth a line."""

    def begin(self, name: str, settings: dict[str, Any], kept: bool) -> None:
        """A trial begins; `kept` says that its score is there already."""

    def end(self, row: Row) -> None:
        """It has ended."""


def tune(
    task: str,
    data: str | PathLike[str] | None = None,
    *,
    method: str = "random",
    trials: int | None = None,
    fix: Sequence[str] = (),
    choose: Sequence[str] = (),
    ranges: Sequence[str] = (),
    seed: int = 0,
    train_best: bool = False,
    valid: str | PathLike[str] | None = None,
    test: str | PathLike[str] | None = None,
    folder: str | PathLike[str] | None = None,
    runner: Runner | None = None,
    board: Board | None = None,
) -> Search:
    """Looks for the settings with which a task reaches the best validation score.

    The first trial has the task's own settings, so that the search tells what it gained. Every
    trial is a run in the folder of the search, trained in a process that is renewed, and ended
    early by the task's patience. The test part is scored once, for the best.

    Args:
        task: a name of `pipelines.TASKS`.
        data, valid, test: as for `pipelines.train`.
        method: "random", "bayesian" (a Gaussian process over the trials so far), "hyperband" (many
            short trials, the best go on) or "grid" (every combination; ten values of a range).
        trials: most trials besides the default; 30 for random and bayesian, all that hyperband and
            grid take by themselves. A finished search may be given more.
        fix, choose, ranges: what narrows the space, as `"units=128"`, `"cell=gru,lstm"` and
            `"learning_rate=1e-4:1e-2:log"`. Settings outside of the task's space
            (`tuning.spaces`) may be named too.
        seed: of the search, and of every trial.
        train_best: trains an ordinary run of the best settings into `best-<trial>` of the folder.
        folder: by default `runs/tune-<task>-<hash>`.
        runner: where trials are trained; a process of its own by default.
        board: is told how it goes on.

    Raises:
        UserError: an unknown name, a value out of range, an empty range, a folder with something
            else, or trial after trial that fails.

    Example:

    >>> found = tuning.search.tune("music", "chorales.json", trials=20, choose=["cell=gru,lstm"])
    >>> found.best["settings"]
    """
    cls = task_class(task)
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    if trials is not None and trials < 1:
        raise UserError(f"--trials must be at least 1. Received: {trials}.")
    said = narrowing.parse(cls.Settings, fix, choose, ranges)
    defaults = cls.Settings.from_dict({"seed": seed, **said.fixed})
    request = Request(
        task=task,
        method=method,
        trials=trials if trials is not None else default_trials(method),
        narrowing=said,
        seed=seed,
        data=_text(data),
        valid=_text(valid),
        test=_text(test),
        folder=_text(folder),
        space=narrowing.narrowed(space_of(task, cls.Settings()), said, defaults),
        defaults=defaults,
    )
    return carry_out(request, runner, board or Silent(), train_best)


class Silent:
    """A board that shows nothing."""

    def say(self, line: str) -> None:
        """Says nothing."""

    def begin(self, name: str, settings: dict[str, Any], kept: bool) -> None:
        """Shows nothing."""

    def end(self, row: Row) -> None:
        """Shows nothing."""


def carry_out(request: Request, runner: Runner | None, board: Board, train_best: bool) -> Search:
    """Trains the trials that are missing, and what comes at the end."""
    if not (request.path / "plan.json").exists():
        problem = task_class(request.task)(request.defaults)  # bad data leave no folder behind
        loaded = sources.load(problem, request.data, request.valid, request.test)
        board.say(loaded.description)
        sources.tell_dropped(loaded.dropped)
        for leak in loaded.leaks:
            board.say(f"leak: {leak}")
    with locked(request.path), ExitStack() as stack:
        write_json(request.path / "plan.json", open_plan(request.path, "search", request.identity))
        runner = runner or stack.enter_context(Worker())
        rows = list(_trials(request, runner, board))
        found = Search(request, rows, {})
        if not found.done:
            raise UserError(f"{request.path}: no trial has a score. {rows[-1]['reason']}")
        return Search(request, rows, _finish(found, runner, board, train_best))


def _trials(request: Request, runner: Runner, board: Board) -> Iterator[Row]:
    """Every trial, taken as it is or trained: first the default, then those of the oracle."""
    yield _trial(request, runner, board, DEFAULT, {}, None)
    epochs = request.defaults.epochs
    selection = task_class(request.task).selection

    def known(number: int) -> dict[str, Any] | None:
        kept = _kept(request, f"{number:04d}")
        return None if kept is None else dict(kept["settings"])

    method = Method(request.seed, request.trials, epochs, request.space, selection, known)
    oracle = METHODS[request.method](method)
    oracle.verbose = 0
    with tempfile.TemporaryDirectory() as scratch:  # an oracle writes files; nobody reads them
        oracle._set_project_dir(scratch, "oracle")
        while (proposed := oracle.create_trial(HERE)).status == "RUNNING":
            row = _proposed(request, runner, board, proposed)
            if row["status"] == "done":
                oracle.update_trial(proposed.trial_id, {selection: row["score"]})
                proposed.status = "COMPLETED"
            else:
                proposed.status, proposed.message = "FAILED", row["reason"]
            yield row
            try:
                oracle.end_trial(proposed)
            except RuntimeError as error:
                raise UserError(
                    f"{request.path}: {FAILURES} trials in a row failed, the last one so: "
                    f"{row['reason']} Narrow the search, with --folder NEW."
                ) from error


def _proposed(request: Request, runner: Runner, board: Board, proposed: Any) -> Row:
    values = dict(proposed.hyperparameters.values)
    name = f"{int(proposed.trial_id):04d}"
    settings = {key: value for key, value in values.items() if not key.startswith("tuner/")}
    epochs = values.get("tuner/epochs")
    start = values.get("tuner/trial_id")  # hyperband: it goes on where an earlier trial ended
    return _trial(
        request, runner, board, name, settings, epochs, None if start is None else int(start)
    )


def _trial(
    request: Request,
    runner: Runner,
    board: Board,
    name: str,
    settings: dict[str, Any],
    epochs: int | None,
    start: int | None = None,
) -> Row:
    """The row of a trial, trained if there is none yet."""
    folder = request.path / "trials"
    path = folder / f"{name}.json"
    kept = _kept(request, name)
    if kept is not None and (kept["settings"], kept["limit"]) != (settings, epochs):
        raise UserError(
            f"{path}: the search would now try other settings than it did then, so another version "
            "of keras-tuner made it. Use --folder NEW."
        )
    board.begin(name, settings, kept is not None)
    if kept is None:
        run = folder / name
        if start is not None and (before := _kept(request, f"{start:04d}")) is not None:
            run = folder / before["run"]
        arguments = request.arguments(settings, run)
        if epochs is not None:
            arguments["epochs"] = epochs
        row = {"trial": name, "settings": settings, "limit": epochs, "run": run.name}
        kept = _trained(runner, arguments, row, str(path))
    board.end(kept)
    return kept


def _kept(request: Request, name: str) -> Row | None:
    """The row of a trial that has ended."""
    path = request.path / "trials" / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def _trained(runner: Runner, arguments: dict[str, Any], row: Row, path: str) -> Row:
    try:
        return runner.run(trial.run_trial, arguments, row, path)
    except JobError:  # its process was killed: what was trained is there, so it goes on once
        try:
            return runner.run(trial.run_trial, arguments, row, path)
        except JobError as error:
            return trial.failed(row, str(error), path)


def _finish(found: Search, runner: Runner, board: Board, train_best: bool) -> dict[str, Any]:
    """The metrics of the best. They are kept: the test part is scored once."""
    request, best = found.request, found.best
    path = request.path / "best.json"
    if path.exists():
        kept = json.loads(path.read_text("utf-8"))
        if (kept["trial"], kept["trained"]) == (best["trial"], train_best):
            return kept["metrics"]
    if train_best:
        run = request.path / f"best-{best['trial']}"
        board.say(f"training the best, trial {best['trial']}, into {run}")
        arguments = request.arguments(best["settings"], run)
        metrics = runner.run(trial.train_fully, arguments)
    else:
        metrics = runner.run(trial.score_test, str(request.path / "trials" / best["run"]))
    kept = {"trial": best["trial"], "trained": train_best, "metrics": metrics}
    write_json(path, kept)
    return metrics


def _text(name: str | PathLike[str] | None) -> str | None:
    return None if name is None else str(name)
