"""The simple recurrent net in plain NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnkit.reference.over_time import Array, Gradients, Step, Weights, products_backward


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
    dx, dh_prev, dweights = products_backward(da, x, h_prev, weights)
    return dx, [dh_prev], dweights
