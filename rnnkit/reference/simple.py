"""One gate, one vector, or the output as the state: the small nets in plain NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnkit.reference.over_time import Array, Gradients, Step, Weights, products_backward, sigmoid


def mgu_forward(x: Array, states: Sequence[Array], weights: Weights) -> Step:
    """One gate f both resets and mixes; h_t = (1 - f) * h_{t-1} + f * g."""
    (h_prev,) = states
    x_f, x_g = np.split(x @ weights["kernel"] + weights["bias"], 2, axis=1)
    f = sigmoid(x_f + h_prev @ weights["recurrent_kernel"])
    g = np.tanh(x_g + (f * h_prev) @ weights["candidate_kernel"])
    h = (1 - f) * h_prev + f * g
    return h, [h], (x, h_prev, f, g, weights)


def mgu_backward(dy: Array, dstates: Sequence[Array], cache: tuple[Any, ...]) -> Gradients:
    """f is reached twice: through the mixing and through the reset."""
    x, h_prev, f, g, weights = cache
    (dh,) = dstates
    dh = dh + dy
    da_g = dh * f * (1 - g**2)
    dreset = da_g @ weights["candidate_kernel"].T  # of the product f * h_{t-1}
    da_f = (dh * (g - h_prev) + dreset * h_prev) * f * (1 - f)
    dh_prev = dh * (1 - f) + dreset * f + da_f @ weights["recurrent_kernel"].T
    da = np.concatenate([da_f, da_g], axis=1)
    dweights = {
        "kernel": x.T @ da,
        "bias": da.sum(axis=0),
        "recurrent_kernel": h_prev.T @ da_f,
        "candidate_kernel": (f * h_prev).T @ da_g,
    }
    return da @ weights["kernel"].T, [dh_prev], dweights


def indrnn_forward(x: Array, states: Sequence[Array], weights: Weights) -> Step:
    """h_t = relu(x_t W + u * h_{t-1} + b)."""
    (h_prev,) = states
    a = x @ weights["kernel"] + weights["recurrent_kernel"] * h_prev + weights["bias"]
    h = np.maximum(a, 0)
    return h, [h], (x, h_prev, h, weights)


def indrnn_backward(dy: Array, dstates: Sequence[Array], cache: tuple[Any, ...]) -> Gradients:
    """While a unit is on, a step multiplies its gradient by its own u: no matrix, no mixing."""
    x, h_prev, h, weights = cache
    (dh,) = dstates
    dh = dh + dy
    da = dh * (h > 0)
    dweights = {
        "kernel": x.T @ da,
        "recurrent_kernel": (h_prev * da).sum(axis=0),
        "bias": da.sum(axis=0),
    }
    return da @ weights["kernel"].T, [da * weights["recurrent_kernel"]], dweights


def output_recurrent_forward(x: Array, states: Sequence[Array], weights: Weights) -> Step:
    """h_t = tanh(x_t W + y_{t-1} U + b), y_t = tanh(h_t V + b_y)."""
    (y_prev,) = states
    h = np.tanh(x @ weights["kernel"] + y_prev @ weights["recurrent_kernel"] + weights["bias"])
    y = np.tanh(h @ weights["output_kernel"] + weights["output_bias"])
    return y, [y], (x, y_prev, h, y, weights)


def output_recurrent_backward(
    dy: Array, dstates: Sequence[Array], cache: tuple[Any, ...]
) -> Gradients:
    """What flows back in time passes V and U in turn, and is lost where a target replaces y."""
    x, y_prev, h, y, weights = cache
    (dy_next,) = dstates
    da_y = (dy + dy_next) * (1 - y**2)
    da = (da_y @ weights["output_kernel"].T) * (1 - h**2)
    dx, dy_prev, dweights = products_backward(da, x, y_prev, weights)
    dweights["output_kernel"] = h.T @ da_y
    dweights["output_bias"] = da_y.sum(axis=0)
    return dx, [dy_prev], dweights
