"""How a classifier of texts is scored, from its probabilities alone."""

from __future__ import annotations

import numpy as np

BINS = 10  # of confidence


def scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """All metrics.

    - `accuracy`: share of texts whose likeliest label is theirs.
    - `macro_f1`: mean of the classes' F1 = 2 TP / (2 TP + FP + FN), over the classes that stand in
      the labels or in the answers.
    - `roc_auc`: chance that a text of a class gets a higher probability of it than one of another
      class, ties counting half; the mean over classes, with two classes that of both. Left out
      when there is one class only.
    - `nll`: mean of -log p(label), in nats.
    - `calibration_error`: mean over texts of |accuracy - confidence| of their bin of confidence
      (expected calibration error, 10 bins of equal width, Guo et al. 2017).

    Args:
        labels: (n,) ints.
        probabilities: (n, classes), rows that sum to 1.
    """
    decided = probabilities.argmax(1)
    found = {
        "accuracy": float((decided == labels).mean()),
        "macro_f1": macro_f1(labels, decided),
        "roc_auc": roc_auc(labels, probabilities),
        "nll": float(
            -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean()
        ),
        "calibration_error": calibration_error(labels, probabilities),
    }
    return {name: value for name, value in found.items() if not np.isnan(value)}


def macro_f1(labels: np.ndarray, decided: np.ndarray) -> float:
    """The mean of the classes' F1."""
    values = []
    for k in np.union1d(labels, decided):
        hits = ((labels == k) & (decided == k)).sum()
        values.append(2 * hits / ((labels == k).sum() + (decided == k).sum()))
    return float(np.mean(values))


def roc_auc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The mean over classes of the area under the curve of one against the others; nan when no
    class has texts of its own and of others."""
    areas = []
    for k in range(probabilities.shape[1]):
        own = labels == k
        if own.any() and not own.all():
            areas.append(_area(probabilities[own, k], probabilities[~own, k]))
    return float(np.mean(areas)) if areas else float("nan")


def _area(own: np.ndarray, others: np.ndarray) -> float:
    ordered = np.sort(others)
    below = np.searchsorted(ordered, own, "left")
    up_to = np.searchsorted(ordered, own, "right")
    return float((below + up_to).sum() / (2 * len(own) * len(others)))


def reliability(
    labels: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of 10 bins of confidence: its texts, their accuracy, their mean confidence. Empty
    bins have nan."""
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == labels
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    with np.errstate(invalid="ignore"):
        accuracy = np.bincount(place, right, BINS) / counts
        mean = np.bincount(place, confidence, BINS) / counts
    return counts, accuracy, mean


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The expected calibration error: 0 where a confidence of 0.8 is right in 8 cases of 10."""
    counts, accuracy, confidence = reliability(labels, probabilities)
    return float(np.nansum(counts * np.abs(accuracy - confidence)) / counts.sum())
