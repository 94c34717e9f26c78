"""What every cell's reference is made of, and backpropagation through time over any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray
Weights = Mapping[str, Array]
Step = tuple[Array, list[Array], tuple[Any, ...]]
Gradients = tuple[Array, list[Array], dict[str, Array]]
Forward = Callable[[Array, Sequence[Array], Weights], Step]
Backward = Callable[[Array, Sequence[Array], tuple[Any, ...]], Gradients]


def sigmoid(a: Array) -> Array:
    """1 / (1 + e^-a)."""
    return 1 / (1 + np.exp(-a))


def run_forward(
    forward: Forward, xs: Array, states: Sequence[Array], weights: Weights
) -> tuple[Array, list[Array], list[tuple[Any, ...]]]:
    """A cell over a sequence xs, (batch, T, m): `(ys, last states, a cache for each step)`."""
    ys, caches, states = [], [], list(states)
    for t in range(xs.shape[1]):
        y, states, cache = forward(xs[:, t], states, weights)
        ys.append(y)
        caches.append(cache)
    return np.stack(ys, axis=1), states, caches


def run_backward(
    backward: Backward, dys: Array, dstates: Sequence[Array], caches: Sequence[tuple[Any, ...]]
) -> Gradients:
    """Backpropagation through time, the last step first.

    Args:
        dys: gradients of y_1..y_T, (batch, T, n).
        dstates: gradients of the last states.
        caches: as `run_forward` gave them.

    Returns:
        `(dxs, gradients of the initial states, gradients of the weights)`. All steps share their
        weights, so the gradients of the weights are sums over the steps.
    """
    dxs, dstates = [], list(dstates)
    totals: dict[str, Array] = {}
    for t in reversed(range(len(caches))):
        dx, dstates, dweights = backward(dys[:, t], dstates, caches[t])
        dxs.append(dx)
        totals = {name: totals.get(name, 0) + dw for name, dw in dweights.items()}
    return np.stack(dxs[::-1], axis=1), dstates, totals


def products_backward(
    da: Array, x: Array, h_prev: Array, weights: Weights
) -> tuple[Array, Array, dict[str, Array]]:
    """a = x W + h_prev U + b, backwards: `(dx, dh_prev, {dW, dU, db})`."""
    return (
        da @ weights["kernel"].T,
        da @ weights["recurrent_kernel"].T,
        {"kernel": x.T @ da, "recurrent_kernel": h_prev.T @ da, "bias": da.sum(axis=0)},
    )
