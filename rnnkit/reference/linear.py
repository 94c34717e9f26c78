"""minGRU and minLSTM, linear in their state, in plain NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnkit.reference.over_time import Array, Gradients, Step, Weights, sigmoid


def min_gru_forward(x: Array, states: Sequence[Array], weights: Weights) -> Step:
    """h_t = (1 - z) * h_{t-1} + z * g, where z and g have not seen the past."""
    (h_prev,) = states
    a_z, g = np.split(x @ weights["kernel"] + weights["bias"], 2, axis=1)
    z = sigmoid(a_z)
    h = (1 - z) * h_prev + z * g
    return h, [h], (x, h_prev, z, g, weights)


def min_gru_backward(dy: Array, dstates: Sequence[Array], cache: tuple[Any, ...]) -> Gradients:
    """Going back a step multiplies by 1 - z_t and no more: the backward pass is linear too."""
    x, h_prev, z, g, weights = cache
    (dh,) = dstates
    dh = dh + dy
    da_z = dh * (g - h_prev) * z * (1 - z)
    da = np.concatenate([da_z, dh * z], axis=1)
    dweights = {"kernel": x.T @ da, "bias": da.sum(axis=0)}
    return da @ weights["kernel"].T, [dh * (1 - z)], dweights


def min_lstm_forward(x: Array, states: Sequence[Array], weights: Weights) -> Step:
    """h_t = (f * h_{t-1} + i * g) / (f + i), where f, i and g have not seen the past."""
    (h_prev,) = states
    a_f, a_i, g = np.split(x @ weights["kernel"] + weights["bias"], 3, axis=1)
    f, i = sigmoid(a_f), sigmoid(a_i)
    h = (f * h_prev + i * g) / (f + i)
    return h, [h], (x, h_prev, f, i, g, h, weights)


def min_lstm_backward(dy: Array, dstates: Sequence[Array], cache: tuple[Any, ...]) -> Gradients:
    """h is the mean of h_{t-1} and g with weights f and i: a weight moves it by what it pulls."""
    x, h_prev, f, i, g, h, weights = cache
    (dh,) = dstates
    dnumerator = (dh + dy) / (f + i)
    da_f = dnumerator * (h_prev - h) * f * (1 - f)
    da_i = dnumerator * (g - h) * i * (1 - i)
    da = np.concatenate([da_f, da_i, dnumerator * i], axis=1)
    dweights = {"kernel": x.T @ da, "bias": da.sum(axis=0)}
    return da @ weights["kernel"].T, [dnumerator * f], dweights
