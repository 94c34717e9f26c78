"""One run of a comparison: training, and what is kept of it."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import keras

from pipelines import schedule
from pipelines.batches import Batches
from pipelines.diagnosis import first_batch
from pipelines.errors import UserError
from pipelines.files import write_json
from pipelines.run import Run
from pipelines.task import Record, Task
from pipelines.training import train
from rnnkit import gradient_flow

RECORDS = 256  # of the training part, among which those for the gradient are looked for


def run_once(arguments: dict[str, Any], row_path: str) -> dict[str, Any]:
    """Trains, or goes on training, the run that the arguments of `train` name, and writes its row.

    Returns:
        The row: `score` (best by validation), `best_epoch`, `epochs`, `updates_per_epoch`,
        `seconds`, `seconds_per_epoch` (median without the first, which compiles),
        `gradient_first_step`, and the metrics of `valid` and `test`; or `failed`, the reason.
    """
    row: dict[str, Any] = {"seed": arguments["seed"]}
    try:
        run = train(**arguments, progress=keras.callbacks.Callback())
    except UserError as error:
        if not _diverged(Path(arguments["run"])):
            raise
        row["failed"] = str(error)
    else:
        row |= _measured(run)
    write_json(Path(row_path), row)
    return row


def epochs_within(arguments: dict[str, Any], seconds: float) -> int:
    """Whole epochs of a run that fit into a time, measured on its first two, which it keeps.

    Raises:
        UserError: not even those two fit.
    """
    run = train(**{**arguments, "epochs": 2}, progress=keras.callbacks.Callback())
    first, second = (row["seconds"] for row in run.history[:2])
    if first + second > seconds:
        raise UserError(
            f"--seconds {seconds:g}: two epochs of {run.settings.cell} take "
            f"{first + second:.1f} s. Raise it."
        )
    return 2 + math.floor((seconds - first - second) / max(second, 1e-3))


def _diverged(folder: Path) -> bool:
    """Whether a run ended because not one of its epochs has a score."""
    if not (folder / "metrics.csv").exists():
        return False
    scores = Run.load(folder).scores
    return bool(scores) and schedule.best_epoch(scores) is None


def _measured(run: Run) -> dict[str, Any]:
    history, metrics = run.history, run.metrics
    records = run.data().parts["train"]
    seconds = [row["seconds"] for row in history]
    best = metrics["best_epoch"]
    return {
        "score": run.scores[best - 1],
        "best_epoch": best,
        "epochs": len(history),
        "updates_per_epoch": Batches(run.task, records).steps(run.config["boundaries"]),
        "seconds": sum(seconds),
        "seconds_per_epoch": statistics.median(seconds[1:] or seconds),
        "gradient_first_step": first_step_gradient(run.task, records),
        **{part: metrics[part]["metrics"] for part in ("valid", "test") if part in metrics},
    }


def first_step_gradient(task: Task, records: list[Record]) -> float | None:
    """The norm of dL_T/dh_1 of an untrained model: what of the loss at the last step reaches the
    first one, in the first recurrent layer that runs over the sequence itself. None where there is
    none that can be followed step by step."""
    keras.utils.set_random_seed(task.settings.seed)
    model = task.model()
    x, y, weight = first_batch(task, records[:RECORDS], None)[0]
    last = weight.shape[1] - 1 if len(weight.shape) > 1 else 0
    loss = task.compile_arguments()["loss"]
    try:
        flow = gradient_flow(model, (x, y, weight), loss, steps=[last])
    except ValueError:  # none is there, or its loss is not one value a step
        return None
    rows = weight.shape[0]  # a reader of a word's characters has a row a word
    layers = (layer for layer in flow.layers if layer.real.shape[0] == rows)
    first = next(layers, None)
    return None if first is None else float(next(iter(first.maps.values()))[-1][0])
