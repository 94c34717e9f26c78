"""The coupled, projected and layer-normalised LSTM in plain NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnkit.reference.over_time import Array, Gradients, Step, Weights, products_backward, sigmoid

EPSILON = 1e-3  # as in LayerNormLSTMCell


def coupled_lstm_forward(x: Array, states: Sequence[Array], weights: Weights) -> Step:
    """c_t = f * c_{t-1} + (1 - f) * g."""
    h_prev, c_prev = states
    a = x @ weights["kernel"] + h_prev @ weights["recurrent_kernel"] + weights["bias"]
    a_f, a_g, a_o = np.split(a, 3, axis=1)
    f, g, o = sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
    c = f * c_prev + (1 - f) * g
    h = o * np.tanh(c)
    return h, [h, c], (x, h_prev, c_prev, f, g, o, c, weights)


def coupled_lstm_backward(dy: Array, dstates: Sequence[Array], cache: tuple[Any, ...]) -> Gradients:
    """f is reached twice, with opposite signs: by what it keeps and by what it shuts out."""
    x, h_prev, c_prev, f, g, o, c, weights = cache
    dh, dc = dstates
    dh = dh + dy
    da_o = dh * np.tanh(c) * o * (1 - o)
    dc = dc + dh * o * (1 - np.tanh(c) ** 2)
    da_f = dc * (c_prev - g) * f * (1 - f)
    da_g = dc * (1 - f) * (1 - g**2)
    da = np.concatenate([da_f, da_g, da_o], axis=1)
    dx, dh_prev, dweights = products_backward(da, x, h_prev, weights)
    return dx, [dh_prev, dc * f], dweights


def projected_lstm_forward(x: Array, states: Sequence[Array], weights: Weights) -> Step:
    """h_t = (o * tanh(c_t)) P."""
    h_prev, c_prev = states
    a = x @ weights["kernel"] + h_prev @ weights["recurrent_kernel"] + weights["bias"]
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
    c = f * c_prev + i * g
    h = (o * np.tanh(c)) @ weights["projection_kernel"]
    return h, [h, c], (x, h_prev, c_prev, i, f, g, o, c, weights)


def projected_lstm_backward(
    dy: Array, dstates: Sequence[Array], cache: tuple[Any, ...]
) -> Gradients:
    """The LSTM's, with dh carried back through P first."""
    x, h_prev, c_prev, i, f, g, o, c, weights = cache
    dh, dc = dstates
    dh = dh + dy
    dm = dh @ weights["projection_kernel"].T  # of o * tanh(c), before the projection
    da_o = dm * np.tanh(c) * o * (1 - o)
    dc = dc + dm * o * (1 - np.tanh(c) ** 2)
    da_i = dc * g * i * (1 - i)
    da_f = dc * c_prev * f * (1 - f)
    da_g = dc * i * (1 - g**2)
    da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)
    dx, dh_prev, dweights = products_backward(da, x, h_prev, weights)
    dweights["projection_kernel"] = (o * np.tanh(c)).T @ dh
    return dx, [dh_prev, dc * f], dweights


def normalised(a: Array) -> tuple[Array, Array]:
    """Each row of a to mean 0 and variance 1, and 1 / its standard deviation (batch, 1)."""
    scale = 1 / np.sqrt(a.var(axis=1, keepdims=True) + EPSILON)
    return (a - a.mean(axis=1, keepdims=True)) * scale, scale


def normalised_backward(dn: Array, n: Array, scale: Array) -> Array:
    """What a row has in common, and what points along n itself, cannot change n: both fall out."""
    common = dn.mean(axis=1, keepdims=True)
    along = (dn * n).mean(axis=1, keepdims=True)
    return scale * (dn - common - n * along)


def layer_norm_lstm_forward(x: Array, states: Sequence[Array], weights: Weights) -> Step:
    """x W and h U are normalised, and c for the output; the c that is stored is not."""
    h_prev, c_prev = states
    from_x, from_h = (
        normalised(product)
        for product in (x @ weights["kernel"], h_prev @ weights["recurrent_kernel"])
    )
    a = weights["input_gain"] * from_x[0] + weights["bias"] + weights["recurrent_gain"] * from_h[0]
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
    c = f * c_prev + i * g
    from_c = normalised(c)
    shown = np.tanh(weights["memory_gain"] * from_c[0] + weights["memory_bias"])
    h = o * shown
    return h, [h, c], (x, h_prev, c_prev, i, f, g, o, shown, from_x, from_h, from_c, weights)


def layer_norm_lstm_backward(
    dy: Array, dstates: Sequence[Array], cache: tuple[Any, ...]
) -> Gradients:
    """The LSTM's, through three normalisations; dc still flows back multiplied by f alone."""
    x, h_prev, c_prev, i, f, g, o, shown, from_x, from_h, from_c, weights = cache
    dh, dc = dstates
    dh = dh + dy
    da_o = dh * shown * o * (1 - o)
    da_c = dh * o * (1 - shown**2)
    dc = dc + normalised_backward(da_c * weights["memory_gain"], *from_c)
    da_i = dc * g * i * (1 - i)
    da_f = dc * c_prev * f * (1 - f)
    da_g = dc * i * (1 - g**2)
    da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)
    dx_product = normalised_backward(da * weights["input_gain"], *from_x)
    dh_product = normalised_backward(da * weights["recurrent_gain"], *from_h)
    dweights = {
        "kernel": x.T @ dx_product,
        "recurrent_kernel": h_prev.T @ dh_product,
        "bias": da.sum(axis=0),
        "input_gain": (da * from_x[0]).sum(axis=0),
        "recurrent_gain": (da * from_h[0]).sum(axis=0),
        "memory_gain": (da_c * from_c[0]).sum(axis=0),
        "memory_bias": da_c.sum(axis=0),
    }
    dh_prev = dh_product @ weights["recurrent_kernel"].T
    return dx_product @ weights["kernel"].T, [dh_prev, dc * f], dweights
