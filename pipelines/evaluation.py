"""Scores beside the floors that give them a meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from pipelines.batches import Batches, cover
from pipelines.task import Record, Task


def score(
    task: Task,
    model: keras.Model,
    fitted: dict[str, np.ndarray],
    records: Sequence[Record],
    boundaries: Sequence[int],
) -> dict[str, dict[str, Any]]:
    """What the model and the models without recurrence reach on the same records.

    Args:
        task: whose `scores` and `floors` are used.
        model: of that task.
        fitted: what `task.fit_floors` gave for the training part.
        records: at least one.
        boundaries: lengths to pad to; one is added where a record is longer than all.

    Returns:
        `{"metrics": {name: value}, "floors": {floor: {name: value}}}`, and `"signatures"` by
        metric of a task that has them.
    """
    batches = Batches(task, records)
    found = task.scores(model, batches.once(cover(boundaries, batches.lengths)))
    floors = {name: _plain(values) for name, values in task.floors(fitted, records).items()}
    metrics = _plain(found)
    metrics |= _plain(task.relate(metrics, floors))
    answer: dict[str, dict[str, Any]] = {"metrics": metrics, "floors": floors}
    return {**answer, "signatures": task.signatures} if task.signatures else answer


def _plain(values: dict[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
