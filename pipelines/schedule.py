"""What follows from the scores so far: the best epoch, the step size, the end.

Pure functions of the validation scores (lower is better), so that a resumed run decides as the
uninterrupted one does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def best_epoch(scores: Sequence[float]) -> int | None:
    """The first epoch (from 1) with the lowest score; None when no score is a number."""
    finite = [(score, epoch) for epoch, score in enumerate(scores, 1) if math.isfinite(score)]
    return min(finite)[1] if finite else None


def learning_rate(
    start: float, scores: Sequence[float], patience: int, decay: float = 1.0
) -> float:
    """The step size of the next epoch: `decay` times the last one, and halved each time that half
    of `patience` epochs in a row bring nothing better, so that a plateau gets one finer search
    before training stops on it.

    >>> learning_rate(0.1, [3.0, 2.0, 2.5, 2.5], patience=4)
    0.05
    """
    rate, best, waited = start * decay ** len(scores), math.inf, 0
    for score in scores:
        waited = 0 if score < best else waited + 1
        best = min(best, score) if math.isfinite(score) else best
        if waited >= max(1, patience // 2):
            rate, waited = rate / 2, 0
    return rate


def stop_reason(scores: Sequence[float], epochs: int, patience: int) -> str | None:
    """Why no epoch follows: "patience", "epochs" or "diverged"; None when one does."""
    if scores and not math.isfinite(scores[-1]):
        return "diverged"
    if len(scores) - (best_epoch(scores) or 0) >= patience:
        return "patience"
    return "epochs" if len(scores) >= epochs else None
