"""Scores of probabilities: accuracy, correlation, areas under curves, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESAMPLES = 200  # of the bootstrap: the ends of a 95 % interval are its 5th lowest and highest
CONFIDENCE = (2.5, 97.5)  # percentiles
LEADING = ("accuracy", "mcc", "roc_auc", "pr_auc", "nll")


class Ranking:
    """Records by falling score, sorted once for the areas under any weights of theirs.

    Equal scores are one point of a curve, so that their order does not matter.

    Args:
        positive: (n,) bool.
        score: (n,), higher for what is taken for positive.
    """

    def __init__(self, positive: np.ndarray, score: np.ndarray) -> None:
        self.order = np.argsort(-score, kind="stable")
        self.positive = positive[self.order].astype(np.float64)
        falling = score[self.order]
        self.last_of_equals = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))

    def counts(self, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """True and false positives if all down to a score are taken for positive, a score a place;
        both begin with the 0 of taking none."""
        weight = 1.0 if weights is None else weights[self.order]
        hits = np.cumsum(self.positive * weight)[self.last_of_equals]
        misses = np.cumsum((1 - self.positive) * weight)[self.last_of_equals]
        return np.append(0, hits), np.append(0, misses)

    def areas(self, weights: np.ndarray | None = None) -> tuple[float, float]:
        """The area under the ROC curve, and the average precision:

            ROC-AUC = sum of (fpr_k - fpr_{k-1}) (tpr_k + tpr_{k-1}) / 2
            PR-AUC  = sum of (recall_k - recall_{k-1}) precision_k

        NaN where there are no positives, or nothing else.
        """
        hits, misses = self.counts(weights)
        if not hits[-1] or not misses[-1]:
            return np.nan, np.nan
        steps = np.diff(hits)
        roc = float(np.sum(np.diff(misses) * (hits[1:] + hits[:-1]) / 2) / hits[-1] / misses[-1])
        taken = hits[1:] + misses[1:]
        precision = np.divide(hits[1:], taken, out=np.zeros_like(taken), where=taken > 0)
        return roc, float(np.sum(steps * precision) / hits[-1])


def label_scores(
    probabilities: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    units: np.ndarray | None = None,
    *,
    intervals: bool = True,
    seed: int = 0,
) -> dict[str, float]:
    """All scores of answers.

    `accuracy`, `mcc`, `roc_auc`, `pr_auc` (means over the labels, one against the rest) and `nll`
    in nats; with `intervals` the areas of each label, and `_low` and `_high` of 95 % bootstrap
    intervals.

    Args:
        probabilities: (n, labels).
        labels: (n,) numbers of the true labels.
        names: of the labels.
        units: (n,) what is resampled together, letters of one sequence say; each record by itself
            by default.
        intervals: bool.
        seed: int, of the bootstrap.

    Reference: J. Gorodkin, Comparing two K-category assignments by a K-category correlation
    coefficient, Computational Biology and Chemistry 28, 2004, for `mcc`.
    """
    rankings = [Ranking(labels == k, probabilities[:, k]) for k in range(len(names))]
    given = probabilities.argmax(1)
    right = given == labels
    areas = np.array([ranking.areas() for ranking in rankings])
    scores = {
        "accuracy": float(right.mean()),
        "mcc": matthews(labels, given, len(names)),
        "roc_auc": _mean(areas[:, 0]),
        "pr_auc": _mean(areas[:, 1]),
        "nll": float(
            -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean()
        ),
    }
    if not intervals:
        return scores
    units = np.arange(len(labels)) if units is None else units
    count = int(units.max()) + 1
    random = np.random.default_rng(seed)
    accuracies, correlations, resampled = [], [], []
    for _ in range(RESAMPLES):
        weights = np.bincount(random.integers(count, size=count), minlength=count)[units]
        accuracies.append(np.average(right, weights=weights))
        correlations.append(matthews(labels, given, len(names), weights))
        resampled.append([ranking.areas(weights) for ranking in rankings])
    drawn = np.array(resampled)  # (resamples, labels, 2)
    samples = {"accuracy": np.array(accuracies), "mcc": np.array(correlations)}
    for column, area in enumerate(("roc_auc", "pr_auc")):
        samples[area] = np.array([_mean(row) for row in drawn[:, :, column]])
        for k, name in enumerate(names):
            scores[f"{area}_{name}"] = float(areas[k, column])
            samples[f"{area}_{name}"] = drawn[:, k, column]
    for name, values in samples.items():
        known = values[~np.isnan(values)]
        low, high = np.percentile(known, CONFIDENCE) if len(known) else (np.nan, np.nan)
        scores[f"{name}_low"], scores[f"{name}_high"] = float(low), float(high)
    return scores


def matthews(
    labels: np.ndarray, answers: np.ndarray, count: int, weights: np.ndarray | None = None
) -> float:
    """The correlation of labels and answers: 1 all right, 0 no better than chance."""
    cells = np.bincount(labels * count + answers, weights, minlength=count * count)
    table = cells.reshape(count, count).astype(np.float64)
    total, right = table.sum(), np.trace(table)
    true, given = table.sum(1), table.sum(0)
    below = np.sqrt((total**2 - true @ true) * (total**2 - given @ given))
    return float((right * total - true @ given) / below) if below else 0.0


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
