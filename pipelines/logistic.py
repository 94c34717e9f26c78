"""Logistic regression, the floor of classifiers: fitted by scikit-learn, kept as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipelines.errors import require


def fit_logistic(
    features: Any, labels: np.ndarray, classes: int, *, extra: str, **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (classes, m) and bias (classes,); the bias of a class without examples is -inf.

    Args:
        features: (n, m), dense or sparse.
        labels: (n,) ints.
        classes: int.
        extra: the extra of the task, for the message where scikit-learn is not installed.
        options: of scikit-learn's LogisticRegression.

    Raises:
        UserError: scikit-learn is not installed.
    """
    linear = require("sklearn.linear_model", extra)
    model = linear.LogisticRegression(**options).fit(features, labels)
    weights = np.zeros((classes, features.shape[1]))
    bias = np.full(classes, -np.inf)
    if len(model.classes_) == 2:  # scikit-learn keeps the difference of the two alone
        weights[model.classes_[1]] = model.coef_[0]
        bias[model.classes_] = 0.0, model.intercept_[0]
    else:
        weights[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    return weights, bias


def logistic(features: Any, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The probabilities (n, classes) by what `fit_logistic` gave."""
    logits = features @ weights.T + bias
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)
