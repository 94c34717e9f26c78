"""The long short-term memory and its peepholes in plain NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnkit.reference.over_time import Array, Gradients, Step, Weights, products_backward, sigmoid


def lstm_forward(x: Array, states: Sequence[Array], weights: Weights) -> Step:
    """c_t = f * c_{t-1} + i * g, h_t = o * tanh(c_t)."""
    h_prev, c_prev = states
    a = x @ weights["kernel"] + h_prev @ weights["recurrent_kernel"] + weights["bias"]
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
    c = f * c_prev + i * g
    h = o * np.tanh(c)
    return h, [h, c], (x, h_prev, c_prev, i, f, g, o, c, weights)


def lstm_backward(dy: Array, dstates: Sequence[Array], cache: tuple[Any, ...]) -> Gradients:
    """Along c the gradient is multiplied by f alone: the constant error flow."""
    x, h_prev, c_prev, i, f, g, o, c, weights = cache
    dh, dc = dstates
    dh = dh + dy
    da_o = dh * np.tanh(c) * o * (1 - o)
    dc = dc + dh * o * (1 - np.tanh(c) ** 2)
    da_i = dc * g * i * (1 - i)
    da_f = dc * c_prev * f * (1 - f)
    da_g = dc * i * (1 - g**2)
    da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)
    dx, dh_prev, dweights = products_backward(da, x, h_prev, weights)
    return dx, [dh_prev, dc * f], dweights


def peephole_lstm_forward(x: Array, states: Sequence[Array], weights: Weights) -> Step:
    """i and f see c_{t-1}, o sees c_t, each through a vector."""
    h_prev, c_prev = states
    a = x @ weights["kernel"] + h_prev @ weights["recurrent_kernel"] + weights["bias"]
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
    i = sigmoid(a_i + weights["peephole_i"] * c_prev)
    f = sigmoid(a_f + weights["peephole_f"] * c_prev)
    g = np.tanh(a_g)
    c = f * c_prev + i * g
    o = sigmoid(a_o + weights["peephole_o"] * c)
    h = o * np.tanh(c)
    return h, [h, c], (x, h_prev, c_prev, i, f, g, o, c, weights)


def peephole_lstm_backward(
    dy: Array, dstates: Sequence[Array], cache: tuple[Any, ...]
) -> Gradients:
    """c is reached twice more: c_t through the peephole of o, c_{t-1} through those of i and f."""
    x, h_prev, c_prev, i, f, g, o, c, weights = cache
    dh, dc = dstates
    dh = dh + dy
    da_o = dh * np.tanh(c) * o * (1 - o)
    dc = dc + dh * o * (1 - np.tanh(c) ** 2) + da_o * weights["peephole_o"]
    da_i = dc * g * i * (1 - i)
    da_f = dc * c_prev * f * (1 - f)
    da_g = dc * i * (1 - g**2)
    dc_prev = dc * f + da_i * weights["peephole_i"] + da_f * weights["peephole_f"]
    da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)
    dx, dh_prev, dweights = products_backward(da, x, h_prev, weights)
    dweights["peephole_i"] = (da_i * c_prev).sum(axis=0)
    dweights["peephole_f"] = (da_f * c_prev).sum(axis=0)
    dweights["peephole_o"] = (da_o * c).sum(axis=0)
    return dx, [dh_prev, dc_prev], dweights


def full_peephole_lstm_forward(x: Array, states: Sequence[Array], weights: Weights) -> Step:
    """i and f see c_{t-1}, o sees c_t, each through a matrix."""
    h_prev, c_prev = states
    a = x @ weights["kernel"] + h_prev @ weights["recurrent_kernel"] + weights["bias"]
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
    P_i, P_f = np.split(weights["peephole_if"], 2, axis=1)
    i = sigmoid(a_i + c_prev @ P_i)
    f = sigmoid(a_f + c_prev @ P_f)
    g = np.tanh(a_g)
    c = f * c_prev + i * g
    o = sigmoid(a_o + c @ weights["peephole_o"])
    h = o * np.tanh(c)
    return h, [h, c], (x, h_prev, c_prev, i, f, g, o, c, weights)


def full_peephole_lstm_backward(
    dy: Array, dstates: Sequence[Array], cache: tuple[Any, ...]
) -> Gradients:
    """As with vectors, w * becoming W^T: every unit of c is reached from every gate."""
    x, h_prev, c_prev, i, f, g, o, c, weights = cache
    P_i, P_f = np.split(weights["peephole_if"], 2, axis=1)
    dh, dc = dstates
    dh = dh + dy
    da_o = dh * np.tanh(c) * o * (1 - o)
    dc = dc + dh * o * (1 - np.tanh(c) ** 2) + da_o @ weights["peephole_o"].T
    da_i = dc * g * i * (1 - i)
    da_f = dc * c_prev * f * (1 - f)
    da_g = dc * i * (1 - g**2)
    dc_prev = dc * f + da_i @ P_i.T + da_f @ P_f.T
    da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)
    dx, dh_prev, dweights = products_backward(da, x, h_prev, weights)
    dweights["peephole_if"] = c_prev.T @ np.concatenate([da_i, da_f], axis=1)
    dweights["peephole_o"] = c.T @ da_o
    return dx, [dh_prev, dc_prev], dweights
