"""The two forms of the gated recurrent unit in plain NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnkit.reference.over_time import Array, Gradients, Step, Weights, sigmoid


def gru_forward(x: Array, states: Sequence[Array], weights: Weights) -> Step:
    """The reset before the product; h_t = (1 - z) * h_{t-1} + z * g."""
    (h_prev,) = states
    x_z, x_r, x_g = np.split(x @ weights["kernel"] + weights["bias"], 3, axis=1)
    U_z, U_r = np.split(weights["recurrent_kernel"], 2, axis=1)
    z = sigmoid(x_z + h_prev @ U_z)
    r = sigmoid(x_r + h_prev @ U_r)
    g = np.tanh(x_g + (r * h_prev) @ weights["candidate_kernel"])
    h = (1 - z) * h_prev + z * g
    return h, [h], (x, h_prev, z, r, g, weights)


def gru_backward(dy: Array, dstates: Sequence[Array], cache: tuple[Any, ...]) -> Gradients:
    """h_{t-1} is reached four times: through the mixing, z, r, and the candidate's product."""
    x, h_prev, z, r, g, weights = cache
    U_z, U_r = np.split(weights["recurrent_kernel"], 2, axis=1)
    (dh,) = dstates
    dh = dh + dy
    da_z = dh * (g - h_prev) * z * (1 - z)
    da_g = dh * z * (1 - g**2)
    dreset = da_g @ weights["candidate_kernel"].T  # of the product r * h_{t-1}
    da_r = dreset * h_prev * r * (1 - r)
    dh_prev = dh * (1 - z) + dreset * r + da_z @ U_z.T + da_r @ U_r.T
    da = np.concatenate([da_z, da_r, da_g], axis=1)
    dweights = {
        "kernel": x.T @ da,
        "bias": da.sum(axis=0),
        "recurrent_kernel": h_prev.T @ np.concatenate([da_z, da_r], axis=1),
        "candidate_kernel": (r * h_prev).T @ da_g,
    }
    return da @ weights["kernel"].T, [dh_prev], dweights


def gru_reset_after_forward(x: Array, states: Sequence[Array], weights: Weights) -> Step:
    """The reset after the product; h_t = (1 - z) * g + z * h_{t-1}."""
    (h_prev,) = states
    x_z, x_r, x_g = np.split(x @ weights["kernel"] + weights["bias"], 3, axis=1)
    h_z, h_r, h_g = np.split(h_prev @ weights["recurrent_kernel"], 3, axis=1)
    z = sigmoid(x_z + h_z)
    r = sigmoid(x_r + h_r)
    inner = h_g + weights["recurrent_bias"]
    g = np.tanh(x_g + r * inner)
    h = (1 - z) * g + z * h_prev
    return h, [h], (x, h_prev, z, r, g, inner, weights)


def gru_reset_after_backward(
    dy: Array, dstates: Sequence[Array], cache: tuple[Any, ...]
) -> Gradients:
    """One product each way: behind the reset, the candidate's gradient carries an r."""
    x, h_prev, z, r, g, inner, weights = cache
    (dh,) = dstates
    dh = dh + dy
    da_z = dh * (h_prev - g) * z * (1 - z)
    da_g = dh * (1 - z) * (1 - g**2)
    da_r = da_g * inner * r * (1 - r)
    da = np.concatenate([da_z, da_r, da_g], axis=1)
    dproduct = np.concatenate([da_z, da_r, da_g * r], axis=1)  # of h_{t-1} U
    dweights = {
        "kernel": x.T @ da,
        "bias": da.sum(axis=0),
        "recurrent_kernel": h_prev.T @ dproduct,
        "recurrent_bias": (da_g * r).sum(axis=0),
    }
    dh_prev = dh * z + dproduct @ weights["recurrent_kernel"].T
    return da @ weights["kernel"].T, [dh_prev], dweights
