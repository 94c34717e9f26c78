"""Which settings mattered in a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

LEAST = 8  # trials below which nothing is said
TREES = 200


@dataclass(frozen=True)
class Importance:
    """What a random forest that predicts the rank of a trial makes of its settings."""

    names: list[str]  # the most important first
    means: np.ndarray  # by how much its R^2 falls when this setting is shuffled among the trials
    spreads: np.ndarray  # the standard deviation of that over shuffles
    explained: float  # its R^2 on trials that a tree has not seen; near or below 0: trust nothing


def importance(settings: Sequence[dict[str, Any]], scores: Sequence[float]) -> Importance | None:
    """Permutation importance of each setting; None with fewer than eight trials.

    The forest predicts ranks, not scores, so that one trial that went astray does not outweigh all.

    Args:
        settings: of each trial, all with the same names.
        scores: lower is better.

    Reference: L. Breiman, Random Forests, Machine Learning 45, 2001.
    """
    if len(scores) < LEAST:
        return None
    names = [name for name in settings[0] if len({str(each[name]) for each in settings}) > 1]
    if not names:
        return None
    table = np.array([[each[name] for name in names] for each in settings], dtype=object)
    words = [k for k, n in enumerate(names) if any(isinstance(s[n], str) for s in settings)]
    encoded = ColumnTransformer(
        [("words", OneHotEncoder(sparse_output=False), words)], remainder="passthrough"
    )
    forest = RandomForestRegressor(TREES, min_samples_leaf=2, oob_score=True, random_state=0)
    model = make_pipeline(encoded, forest)
    ranks = np.argsort(np.argsort(scores)) / (len(scores) - 1)
    model.fit(table, ranks)
    found = permutation_importance(model, table, ranks, n_repeats=20, random_state=0)
    order = np.argsort(-found.importances_mean, kind="stable")
    return Importance(
        names=[names[k] for k in order],
        means=found.importances_mean[order],
        spreads=found.importances_std[order],
        explained=float(forest.oob_score_),
    )
