"""Every cell in plain NumPy: one step forward, and the same step backward, derived by hand.

The listing for learners, and the oracle of the tests: float64, no framework, nothing clever. Every
cell is a pair of functions,

    y_t, states, cache = forward(x_t, states, weights)
    dx_t, dstates, dweights = backward(dy_t, dstates, cache)

where `weights` maps the names of the Keras cell's weights to arrays, and `d...` is the gradient of
one scalar loss L with respect to it. `run_forward` and `run_backward` carry any pair over a
sequence: backpropagation through time.

    x (batch, m)    h, c, y (batch, n)    kernel (m, gates * n)    recurrent_kernel (n, gates * n)

A name such as `a_f` is what stands inside the sigmoid or tanh of gate f (its pre-activation), and
sigmoid' = s (1 - s), tanh' = 1 - tanh^2, so `da_f = df * f * (1 - f)`.
"""

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


# --- over time ------------------------------------------------------------------------------------


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


def _products_backward(
    da: Array, x: Array, h_prev: Array, weights: Weights
) -> tuple[Array, Array, dict[str, Array]]:
    """a = x W + h_prev U + b, backwards: `(dx, dh_prev, {dW, dU, db})`."""
    return (
        da @ weights["kernel"].T,
        da @ weights["recurrent_kernel"].T,
        {"kernel": x.T @ da, "recurrent_kernel": h_prev.T @ da, "bias": da.sum(axis=0)},
    )


# --- the simple recurrent net ---------------------------------------------------------------------


def vanilla_forward(x: Array, states: Sequence[Array], weights: Weights) -> Step:
    """h_t = tanh(x_t W + h_{t-1} U + b)."""
    (h_prev,) = states
    h = np.tanh(x @ weights["kernel"] + h_prev @ weights["recurrent_kernel"] + weights["bias"])
    return h, [h], (x, h_prev, h, weights)


def vanilla_backward(dy: Array, dstates: Sequence[Array], cache: tuple[Any, ...]) -> Gradients:
    """Each step multiplies dh by diag(1 - h^2) U^T: the product that vanishes or explodes."""
    x, h_prev, h, weights = cache
    (dh,) = dstates
    dh = dh + dy  # h leaves the step twice, as the state and as the output
    da = dh * (1 - h**2)
    dx, dh_prev, dweights = _products_backward(da, x, h_prev, weights)
    return dx, [dh_prev], dweights


# --- long short-term memory -----------------------------------------------------------------------


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
    dx, dh_prev, dweights = _products_backward(da, x, h_prev, weights)
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
    dx, dh_prev, dweights = _products_backward(da, x, h_prev, weights)
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
    dx, dh_prev, dweights = _products_backward(da, x, h_prev, weights)
    dweights["peephole_if"] = c_prev.T @ np.concatenate([da_i, da_f], axis=1)
    dweights["peephole_o"] = c.T @ da_o
    return dx, [dh_prev, dc_prev], dweights


# --- gated recurrent unit -------------------------------------------------------------------------


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


REFERENCE: dict[str, tuple[Forward, Backward]] = {
    "vanilla": (vanilla_forward, vanilla_backward),
    "lstm": (lstm_forward, lstm_backward),
    "peephole_lstm": (peephole_lstm_forward, peephole_lstm_backward),
    "full_peephole_lstm": (full_peephole_lstm_forward, full_peephole_lstm_backward),
    "gru": (gru_forward, gru_backward),
    "gru_reset_after": (gru_reset_after_forward, gru_reset_after_backward),
}
