"""One trial of a search: a run that is only a candidate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from pipelines import sources
from pipelines.errors import UnavailableError, UserError
from pipelines.files import write_json
from pipelines.run import Run, task_class
from pipelines.training import train


def run_trial(arguments: dict[str, Any], row: dict[str, Any], row_path: str) -> dict[str, Any]:
    """Trains, or goes on training, the run that the arguments of `train` name, and writes its row.

    A configuration that cannot be trained is a result too: the row keeps the reason.

    Args:
        arguments: of `pipelines.train`; the test part is left alone.
        row: what the row says besides: the trial's name, its settings.
        row_path: the file.

    Returns:
        `row` with `status` "done", `score`, `best_epoch`, `epochs`, `seconds` and `parameters`; or
        with `status` "failed" and `reason`.

    Raises:
        UserError: the disk is full or not writable, another process trains there, the data or a
            package are not there: nothing that the configuration is to blame for.
    """
    try:
        run = train(**arguments, candidate=True, progress=keras.callbacks.Callback())
    except Exception as error:
        if isinstance(error.__cause__ or error.__context__ or error, OSError):
            raise
        if isinstance(error, UnavailableError) and not _make_unreadable(row["settings"], arguments):
            raise
        words = str(error).strip().splitlines() or [""]
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        return failed(row, kind + words[0], row_path)
    history, metrics = run.history, run.metrics
    return _written(
        {
            **row,
            "status": "done",
            "score": run.scores[metrics["best_epoch"] - 1],
            "best_epoch": metrics["best_epoch"],
            "epochs": len(history),
            "seconds": sum(epoch["seconds"] for epoch in history),
            "parameters": metrics["parameters"],
            "reason": "",
        },
        row_path,
    )


def _make_unreadable(settings: dict[str, Any], arguments: dict[str, Any]) -> bool:
    """Whether data cannot be read with these settings, and can without them."""
    others = {name: value for name, value in arguments.items() if name not in settings}
    return _readable(**others) and not _readable(**arguments)


def _readable(
    task: str, data: str | None, valid: str | None, test: str | None, run: str, **settings: Any
) -> bool:
    cls = task_class(task)
    try:
        sources.load(cls(cls.Settings.from_dict(settings)), data, valid, test)
    except UserError:
        return False
    return True


def failed(row: dict[str, Any], reason: str, row_path: str) -> dict[str, Any]:
    """Writes the row of a trial without a score."""
    missing = dict.fromkeys(("score", "best_epoch", "epochs", "seconds", "parameters"))
    return _written({**row, "status": "failed", **missing, "reason": reason}, row_path)


def _written(row: dict[str, Any], path: str) -> dict[str, Any]:
    write_json(Path(path), row)
    return row


def train_fully(arguments: dict[str, Any]) -> dict[str, Any]:
    """An ordinary run with the arguments of `train`; its validation and test metrics."""
    run = train(**arguments)
    return _metrics(run.metrics)


def score_test(run_path: str) -> dict[str, Any]:
    """The validation metrics of a candidate, and those of its test part, scored here."""
    run = Run.load(run_path)
    found = dict(run.metrics)
    if records := run.data().parts["test"]:
        found["test"] = run.score(records)
    return _metrics(found)


def _metrics(found: dict[str, Any]) -> dict[str, Any]:
    return {part: found[part]["metrics"] for part in ("valid", "test") if part in found}
