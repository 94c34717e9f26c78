"""Cells on equal terms: the same budget, data, batches and seeds, in one folder that resumes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import Any

from pipelines import sources
from pipelines.errors import UserError, unknown_name
from pipelines.files import locked, write_json
from pipelines.run import task_class
from pipelines.settings import Settings
from pipelines.task import Task
from tuning.comparison_request import Entry, Request, checked, named
from tuning.comparison_run import epochs_within, run_once
from tuning.parameters import WHOLE, Count, count_of, solve_units
from tuning.plans import in_text, open_plan, read, same_data
from tuning.results import Comparison, Contender
from tuning.studies import STUDIES, Study
from tuning.workers import JobError, Runner, Worker

Say = Callable[[str], None]


def compare(
    task: str,
    cells: list[str],
    data: str | PathLike[str] | None = None,
    *,
    repeats: int = 5,
    parameters: int | None = None,
    parameters_of: str = WHOLE,
    units: int | None = None,
    seconds: float | None = None,
    directions: Sequence[str] = (),
    baseline: str | None = None,
    valid: str | PathLike[str] | None = None,
    test: str | PathLike[str] | None = None,
    folder: str | PathLike[str] | None = None,
    runner: Runner | None = None,
    say: Say = print,
    **settings: Any,
) -> Comparison:
    """Trains each cell with the same seeds, and says which differences are more than noise.

    Every run is an ordinary one (`pipelines.train`) in the folder of the comparison: stopped and
    called again, it goes on where it was, and finished runs are taken as they are. The k-th
    repeats of all cells have the same seed, data and batches.

    Args:
        task: a name of `pipelines.TASKS`.
        cells: names of cells; see `pipelines.cells.recurrent_layer`.
        data, valid, test: as for `pipelines.train`.
        repeats: seeds a cell. Five tell a difference of two standard deviations from noise; one
            tests nothing.
        parameters: weights, as near as a whole number of units allows, in what `parameters_of`
            says: "whole" (the model) or "recurrent" (its recurrent layers).
        units: the same width for all, in place of the same size; the task's own by default.
        seconds: of training a run, in place of epochs. The epochs that fit are measured on each
            cell's first run, so that every run stays one that resumes.
        directions: "one", "both" or the two of them: each cell is compared in each, in place of
            the task's setting `bidirectional`. A contender is called `lstm-both` then.
        baseline: one of the contenders: only differences from it are tested.
        folder: by default `runs/compare-<task>-<hash>`.
        runner: where the runs are trained; a process of its own by default.
        say: is told what happens, a line at a time.
        settings: of the task, for all cells; `seed` is that of the first repeat.

    Raises:
        UserError: an unknown cell or setting, a budget no net fits, a folder with something else.

    Example:

    >>> found = tuning.compare("music", ["lstm", "gru"], "chorales.json", parameters=50_000)
    >>> found.tests[0].verdict
    """
    if "cell" in settings:
        raise UserError("--cell: a comparison has --cells.")
    if parameters is not None and units is not None:
        raise UserError("expected either --parameters or --units. Received: both.")
    request = Request(
        task=task,
        entries=named(cells, units, directions),
        settings=settings,
        repeats=repeats,
        data=in_text(data),
        valid=in_text(valid),
        test=in_text(test),
        parameters=parameters,
        parameters_of=parameters_of,
        seconds=seconds,
        baseline=baseline,
        folder=in_text(folder),
    )
    return carry_out(request, runner, say)


def compare_study(
    name: str,
    data: str | PathLike[str] | None = None,
    *,
    repeats: int = 5,
    folder: str | PathLike[str] | None = None,
    runner: Runner | None = None,
    say: Say = print,
    **settings: Any,
) -> Comparison:
    """A comparison of the literature, with its cells and sizes, beside the published figures.

    Args:
        name: of `tuning.studies.STUDIES`.
        data: what the paper used, such as JSB_Chorales.mat; the task's own data by default, on
            which the published figures say nothing.
        repeats, folder, runner, say: as of `compare`.
        settings: of the task, in place of the study's.

    Raises:
        UserError: an unknown study, or as of `compare`.
    """
    if name not in STUDIES:
        raise unknown_name("study", name, STUDIES)
    study: Study = STUDIES[name]
    request = Request(
        task=study.task,
        entries={label: Entry(each.cell, each.units) for label, each in study.entries.items()},
        settings={**study.settings, **settings},
        repeats=repeats,
        data=in_text(data),
        valid=None,
        test=None,
        parameters=None,
        parameters_of=WHOLE,
        seconds=None,
        baseline=study.baseline,
        folder=in_text(folder),
        study=name,
    )
    return carry_out(request, runner, say)


def carry_out(request: Request, runner: Runner | None, say: Say) -> Comparison:
    """Plans, trains what is missing, and gathers the rows."""
    problem = checked(request)
    planned = (request.path / "plan.json").exists()  # else: what cannot be leaves no folder behind
    fingerprint, solved = (None, []) if planned else _solved(problem, request, say)
    with locked(request.path, "--folder"), ExitStack() as stack:
        plan = open_plan(request.path, "comparison", request.identity)
        same_data(plan, request.path, fingerprint or _read(problem, request, say).fingerprint)
        runner = runner or stack.enter_context(Worker())
        contenders = [Contender(**each) for each in plan.get("contenders", ())] or solved
        plan["contenders"] = [dataclasses.asdict(each) for each in contenders]
        write_json(request.path / "plan.json", plan)
        if request.seconds is not None and any(each.epochs is None for each in contenders):
            contenders = _timed(request, contenders, runner, say)
            plan["contenders"] = [dataclasses.asdict(each) for each in contenders]
            write_json(request.path / "plan.json", plan)
        rows = _train_all(request, contenders, runner, say)
    return Comparison(
        task=request.task,
        selection=task_class(request.task).selection,
        data=request.data or "embedded default",
        folder=request.path,
        budget=request.budget,
        settings=_differing(problem.settings),
        contenders=contenders,
        rows=rows,
        baseline=request.baseline,
        study=request.study,
    )


def _differing(settings: Settings) -> dict[str, Any]:
    defaults = type(settings)().to_dict()
    return {name: value for name, value in settings.to_dict().items() if value != defaults[name]}


# --- before anything is trained ------------------------------------------------------------------


def _read(problem: Task, request: Request, say: Say) -> sources.Data:
    loaded = sources.load(problem, request.data, request.valid, request.test)
    sources.tell(loaded, say)
    if not loaded.parts["train"]:
        raise UserError(f"{request.data or 'embedded data'}: the training part is empty.")
    return loaded


def _solved(problem: Task, request: Request, say: Say) -> tuple[str, list[Contender]]:
    """The fingerprint of the data, and each cell with its units, by the budget."""
    loaded = _read(problem, request, say)
    problem.learn(loaded.parts["train"])
    found = []
    for name, entry in request.entries.items():
        settings = dataclasses.replace(problem.settings, **entry.settings)
        task = type(problem)(settings, problem.learnt)
        if request.parameters is not None:
            units, count = solve_units(task, entry.cell, request.parameters, request.parameters_of)
        else:
            units = entry.units if entry.units is not None else settings.units
            count = count_of(task, entry.cell, units)
        found.append(Contender(name, entry.cell, units, count.whole, count.recurrent))
        say(_described(name, units, count))
    return loaded.fingerprint, found


def _described(name: str, units: int, count: Count) -> str:
    return (
        f"{name}: {units} units, {count.whole:,} parameters, {count.recurrent:,} of them recurrent"
    )


def _timed(
    request: Request, contenders: list[Contender], runner: Runner, say: Say
) -> list[Contender]:
    """Each cell with the epochs that fit into the seconds."""
    timed = []
    for each in contenders:
        try:
            epochs = _twice(runner, epochs_within, request.arguments(each, 0), request.seconds)
        except JobError as error:
            raise UserError(f"{each.name}: its epochs cannot be timed: {error}.") from None
        say(f"{each.name}: {epochs} epochs fit into {request.seconds:g} s")
        timed.append(dataclasses.replace(each, epochs=epochs))
    return timed


# --- training ------------------------------------------------------------------------------------


def _train_all(
    request: Request, contenders: list[Contender], runner: Runner, say: Say
) -> dict[str, list[dict[str, Any]]]:
    """The rows of all runs, by cell. One repeat of every cell comes before the next repeat of any:
    what is there when it is stopped is balanced."""
    rows: dict[str, list[dict[str, Any]]] = {each.name: [] for each in contenders}
    total, done, trained, started = request.repeats * len(contenders), 0, 0, time.monotonic()
    for repeat in range(request.repeats):
        for each in contenders:
            arguments = request.arguments(each, repeat)
            path = Path(f"{arguments['run']}.json")
            done += 1
            if (row := read(path)) is not None:
                rows[each.name].append(row)
                continue
            try:
                row = _twice(runner, run_once, arguments, str(path))
            except JobError as error:
                row = {"seed": arguments["seed"], "failed": str(error)}
                write_json(path, row)
            rows[each.name].append(row)
            trained += 1
            left = (time.monotonic() - started) / trained * (total - done)
            say(f"{done} of {total}: {each.name}, {_outcome(row)}; about {left / 60:.0f} min left")
    return rows


def _twice(runner: Runner, function: Callable[..., Any], *arguments: Any) -> Any:
    """Of a job whose process was killed what was trained is there, so it goes on once."""
    try:
        return runner.run(function, *arguments)
    except JobError:
        return runner.run(function, *arguments)


def _outcome(row: dict[str, Any]) -> str:
    if "failed" in row:
        return f"seed {row['seed']}: failed, {row['failed']}"
    return (
        f"seed {row['seed']}: {row['score']:.4g} at epoch {row['best_epoch']} of {row['epochs']}, "
        f"{row['seconds']:.0f} s"
    )
