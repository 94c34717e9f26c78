"""A search over the settings of a task, that can be killed at any moment and resumed."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from os import PathLike
from typing import Any, Protocol

from pipelines import sources
from pipelines.errors import UserError, unknown_name
from pipelines.files import locked, write_json
from pipelines.run import task_class
from tuning import narrowing, trial
from tuning.ledger import Ledger, Proposal
from tuning.oracles import GRID_TRIALS, METHODS, default_trials
from tuning.plans import in_text, open_plan, read, same_data
from tuning.search_results import Request, Row, Search
from tuning.spaces import space_of
from tuning.workers import JobError, Runner, Worker


class Board(Protocol):
    """Is told how a search goes on."""

    def say(self, line: str) -> None:
        """Something worth a line."""

    def begin(self, name: str) -> None:
        """A trial is being trained."""

    def end(self, row: Row) -> None:
        """A trial has ended, now or in an earlier life of the search."""


class Lead(Protocol):
    """Has the trials of a search trained."""

    def __call__(self, ledger: Ledger, plan: dict[str, Any], board: Board) -> None:
        """Until the ledger is finished. `plan` is what the folder was made for."""


def tune(
    task: str,
    data: str | PathLike[str] | None = None,
    *,
    train_best: bool = False,
    runner: Runner | None = None,
    board: Board | None = None,
    lead: Lead | None = None,
    **asked: Any,
) -> Search:
    """Looks for the settings with which a task reaches the best validation score.

    The first trial has the task's own settings, so that the search tells what it gained. Every
    trial is a run in the folder of the search, trained in a process that is renewed, and ended
    early by the task's patience. The test part is scored once, for the best.

    Args:
        task, data, asked: of `request`.
        train_best: trains an ordinary run of the best settings into `best-<trial>` of the folder.
        runner: where trials are trained; a process of its own by default.
        board: is told how it goes on.
        lead: who has the trials trained: `runner`, one after the other, by default, or a
            `tuning.chief.Chief`.

    Raises:
        UserError: an unknown name, a value out of range, an empty range, a folder with something
            else, or trial after trial that fails.

    Example:

    >>> found = tuning.search.tune("music", "chorales.json", trials=20, choose=["cell=gru,lstm"])
    >>> found.best["settings"]
    """
    return carry_out(request(task, data, **asked), runner, board or Silent(), train_best, lead)


def request(
    task: str,
    data: str | PathLike[str] | None = None,
    *,
    method: str = "random",
    trials: int | None = None,
    fix: Sequence[str] = (),
    choose: Sequence[str] = (),
    ranges: Sequence[str] = (),
    seed: int = 0,
    valid: str | PathLike[str] | None = None,
    test: str | PathLike[str] | None = None,
    folder: str | PathLike[str] | None = None,
) -> Request:
    """What is asked of a search.

    Args:
        task: a name of `pipelines.TASKS`.
        data, valid, test: as for `pipelines.train`.
        method: "random", "bayesian" (a Gaussian process over the trials so far), "hyperband" (many
            short trials, the best go on) or "grid" (every combination; of a
            range at most ten values, its ends among them).
        trials: most trials besides the default; 30 for random and bayesian, all that hyperband and
            grid take by themselves. A finished search may be given more.
        fix, choose, ranges: what narrows the space, as `"units=128"`, `"cell=gru,lstm"` and
            `"learning_rate=1e-4:1e-2:log"`. Settings outside of the task's space
            (`tuning.spaces`) may be named too.
        seed: of the search, and of every trial.
        folder: by default `runs/tune-<task>-<hash>`.

    Raises:
        UserError: an unknown name, a value out of range, an empty range, or a grid of more than
            a thousand combinations without a number of trials.
    """
    cls = task_class(task)
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    if trials is not None and trials < 1:
        raise UserError(f"--trials must be at least 1. Received: {trials}.")
    said = narrowing.parse(cls.Settings, fix, choose, ranges)
    if "seed" in said.fixed | said.choices | said.ranges:
        raise UserError("seed: a search has one for itself and every trial. Use --seed N.")
    defaults = cls.Settings.from_dict({"seed": seed, **said.fixed})
    asked = Request(
        task=task,
        method=method,
        trials=trials if trials is not None else default_trials(method),
        narrowing=said,
        seed=seed,
        data=in_text(data),
        valid=in_text(valid),
        test=in_text(test),
        folder=in_text(folder),
        space=narrowing.narrowed(space_of(task, cls.Settings()), said, defaults),
        defaults=defaults,
    )
    if method == "grid" and trials is None and asked.most > GRID_TRIALS:
        raise UserError(
            f"--method grid: {asked.most:,} trials. Leave fewer to try, with --fix, "
            "--choose and --range, or name a number, with --trials."
        )
    return asked


class Silent:
    """A board that shows nothing."""

    def say(self, line: str) -> None:
        """Says nothing."""

    def begin(self, name: str) -> None:
        """Shows nothing."""

    def end(self, row: Row) -> None:
        """Shows nothing."""


def carry_out(
    request: Request, runner: Runner | None, board: Board, train_best: bool, lead: Lead | None
) -> Search:
    """Trains the trials that are missing, and what comes at the end."""
    planned = (request.path / "plan.json").exists()  # else: bad data leave no folder behind
    fingerprint = None if planned else fingerprint_of(request, board)
    with locked(request.path, "--folder"), ExitStack() as stack:
        plan = open_plan(request.path, "search", request.identity)
        same_data(plan, request.path, fingerprint or fingerprint_of(request, board))
        space = " ".join(narrowing.space_in_words(request.space))
        board.say(f"searched, in at most {request.most:,} trials: {space}")
        plan.setdefault("id", uuid.uuid4().hex)
        write_json(request.path / "plan.json", plan)
        runner = runner or stack.enter_context(Worker())
        ledger = Ledger(request, stack.enter_context(tempfile.TemporaryDirectory()), board.end)
        if lead is not None:
            lead(ledger, plan, board)
        else:
            while (proposed := ledger.next()) is not None:
                board.begin(proposed.trial)
                carry_out_trial(request, proposed, runner)
                ledger.end(proposed.trial)
        found = Search(request, ledger.rows)
        if not found.done:
            raise UserError(f"{request.path}: no trial has a score. {found.rows[-1]['reason']}")
        return _finished(found, runner, board, train_best)


def fingerprint_of(request: Request, board: Board) -> str:
    """Of the data, which are read and told.

    Raises:
        UserError: they cannot be read.
    """
    problem = task_class(request.task)(request.defaults)
    loaded = sources.load(problem, request.data, request.valid, request.test)
    sources.tell(loaded, board.say)
    return loaded.fingerprint


def carry_out_trial(request: Request, proposed: Proposal, runner: Runner) -> Row:
    """Trains a trial, or goes on training it, and writes its row."""
    arguments, row = proposed.arguments(request), {**vars(proposed)}
    path = str(proposed.row_path(request))
    try:
        return runner.run(trial.run_trial, arguments, row, path)
    except JobError:  # its process was killed: what was trained is there, so it goes on once
        try:
            return runner.run(trial.run_trial, arguments, row, path)
        except JobError as error:
            return trial.failed(row, str(error), path)


def _finished(found: Search, runner: Runner, board: Board, train_best: bool) -> Search:
    """With the metrics of the best. They are kept: the test part is scored once."""
    request, best = found.request, found.best
    path, run = request.path / "best.json", request.path / f"best-{best['trial']}"
    kept = read(path, {"trial": None})
    if kept["trial"] != best["trial"] or (train_best and not kept["trained"]):
        if train_best:
            board.say(f"training the best, trial {best['trial']}, into {run}")
            arguments = request.arguments(best["settings"], run)
            metrics = runner.run(trial.train_fully, arguments)
        else:
            metrics = runner.run(trial.score_test, str(request.path / "trials" / best["run"]))
        kept = {"trial": best["trial"], "trained": train_best, "metrics": metrics}
        write_json(path, kept)
    return Search(request, found.rows, kept["metrics"], run if kept["trained"] else None)
