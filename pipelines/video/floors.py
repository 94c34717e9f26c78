"""What is reached without order: the same frames, thrown together."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pipelines.logistic import fit_logistic, logistic
from pipelines.video.scores import scores

ROWS, COLUMNS = 9, 16  # of a small picture
MOST = 20_000  # clips, or frames with labels, that a floor is fitted on
PENALTY = 0.01  # inverse of the L2 penalty, as C of scikit-learn

Arrays = dict[str, np.ndarray]


def describe_frames(frames: np.ndarray) -> np.ndarray:
    """(T, n): each frame by itself, a picture scaled down to about 16 x 9."""
    if frames.ndim == 2:
        return frames.astype(np.float64)
    steps, height, width, colours = frames.shape
    tall, wide = max(1, height // ROWS), max(1, width // COLUMNS)
    cut = frames[:, : height // tall * tall, : width // wide * wide].astype(np.float64)
    blocks = cut.reshape(steps, height // tall, tall, width // wide, wide, colours)
    return blocks.mean((2, 4)).reshape(steps, -1)


def describe_clip(frames: np.ndarray) -> np.ndarray:
    """(4 n,): mean, standard deviation, least and most over time of `describe_frames`.

    The frames are sorted first, number by number: two orders of the same frames give the same
    description to the last bit.
    """
    values = np.sort(describe_frames(frames), axis=0)
    return np.concatenate([values.mean(0), values.std(0), values[0], values[-1]])


def fit(described: np.ndarray, truth: np.ndarray, labels: int) -> Arrays:
    """Multinomial logistic regression on standardized descriptions, by scikit-learn; and the shares
    of the labels.

    Args:
        described: (n, m), one row a clip, or a frame where frames have labels.
        truth: (n,) numbers of labels.
        labels: int, how many there are.

    Raises:
        UserError: scikit-learn is not installed.
    """
    if len(described) > MOST:
        chosen = np.linspace(0, len(described) - 1, MOST).astype(int)
        described, truth = described[chosen], truth[chosen]
    mean, spread = described.mean(0), described.std(0) + 1e-6
    weights, bias = fit_logistic(
        (described - mean) / spread, truth, labels, extra="video", C=PENALTY, max_iter=500
    )
    weights = weights / spread
    return {
        "weights": weights,
        "bias": bias - weights @ mean,
        "shares": np.bincount(truth, minlength=labels) / len(truth),
    }


def answers(fitted: Arrays, described: np.ndarray) -> np.ndarray:
    """Probabilities (n, labels) by a fitted model of frames without order."""
    return logistic(described, fitted["weights"], fitted["bias"])


def floor_scores(
    fitted: Arrays, described: Iterable[np.ndarray], truth: np.ndarray, groups: np.ndarray | None
) -> dict[str, dict[str, float]]:
    """`frames_without_order`, the model of `fit`; `majority`, the shares of the labels."""
    probabilities = answers(fitted, np.stack(list(described)))
    majority = np.tile(fitted["shares"], (len(truth), 1))
    return {
        "frames_without_order": scores(probabilities, truth, groups),
        "majority": scores(majority, truth),
    }
