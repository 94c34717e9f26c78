"""Scores and their intervals, from probabilities alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pipelines.errors import UserError

DRAWS = 1000  # of the bootstrap
TOP = 5


def scores(
    probabilities: np.ndarray, truth: np.ndarray, groups: np.ndarray | None = None
) -> dict[str, float]:
    """All metrics.

    - `top1`: share of clips (or frames) whose likeliest label is theirs.
    - `top5`: share whose label is among the five likeliest, where there are more than five.
    - `mean_class_accuracy`: mean over classes of the share of theirs that are right.
    - `nll`: mean of -log p(label), in nats.
    - with groups, `top1_low` and `top1_high`: 95 % of what whole groups, drawn with replacement
      1000 times, give; clips of a group are alike, and count less than as many others.
      Where groups have several, `mean_group_accuracy` and `worst_group_accuracy` of their own
      shares.

    Args:
        probabilities: (n, labels).
        truth: (n,) numbers of labels.
        groups: (n,) what group each belongs to; None leaves the last four out.

    Raises:
        UserError: labels are not known.
    """
    if (truth < 0).any():
        raise UserError(
            f"{int((truth < 0).sum())} of {len(truth)} answers have no label to be scored by. "
            "Expected labels, as in training; `rnnkit predict` needs none."
        )
    right = probabilities.argmax(1) == truth
    found = {"top1": right.mean()}
    if probabilities.shape[1] > TOP:
        own = probabilities[np.arange(len(truth)), truth][:, None]
        found["top5"] = ((probabilities > own).sum(1) < TOP).mean()
    found["mean_class_accuracy"] = shares(right, truth)[1].mean()
    own = probabilities[np.arange(len(truth)), truth]
    found["nll"] = -np.log(np.maximum(own, 1e-12)).mean()
    if groups is not None:
        sizes, accuracies = shares(right, groups)
        if len(sizes) > 1:
            found["top1_low"], found["top1_high"] = _interval(sizes, accuracies)
        if 1 < len(sizes) < len(truth):
            found["mean_group_accuracy"] = accuracies.mean()
            found["worst_group_accuracy"] = accuracies.min()
    return {name: float(value) for name, value in found.items()}


def shares(right: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many there are of each key, and which share of them is right, in the order of keys."""
    _, places = np.unique(keys, return_inverse=True)
    sizes = np.bincount(places)
    return sizes, np.bincount(places, right) / sizes


def by_group(right: np.ndarray, groups: Sequence[str]) -> list[tuple[str, int, float]]:
    """(group, clips, share that is right), the worst first."""
    names = np.array(groups)
    sizes, accuracies = shares(right, names)
    rows = zip(np.unique(names).tolist(), sizes.tolist(), accuracies.tolist(), strict=True)
    return sorted(rows, key=lambda row: (row[2], -row[1], row[0]))


def joined(parts: Iterable[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    """Batches of arrays as one array each."""
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def _interval(sizes: np.ndarray, accuracies: np.ndarray) -> tuple[float, float]:
    draws = np.random.default_rng(0).integers(0, len(sizes), (DRAWS, len(sizes)))
    found = (sizes * accuracies)[draws].sum(1) / sizes[draws].sum(1)
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)
