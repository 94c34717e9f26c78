"""Cells that are linear in their state, and so run over all steps at once."""

from __future__ import annotations

import abc
from typing import Any

import keras
from keras import ops

from rnnkit.arguments import number
from rnnkit.cells.base import OneStateCell, States, Tensor
from rnnkit.cells.scan import linear_scan
from rnnkit.precision import exact


class LinearCell(OneStateCell):
    """A cell whose new state is linear in the old one, unit by unit: parallel over time.

        a_t, b_t = coefficients(p_t)            from the input alone
        h_t = a_t * h_{t-1} + b_t
        y_t = h_t

    Nothing but this one line waits for the step before, and two steps in a row are again such a
    step: (a, b) then (a', b') is (a' a, a' b + b'). So the gates of all steps are computed together
    and `linear_scan` joins them; `RNN` runs these cells that way by itself (and in its loop where
    `truncate_gradient` cuts the gradient). A concrete cell writes its `coefficients`. State: [h].

    Args:
        units: positive int, the width n of h.
        kernel_initializer, kernel_regularizer: see `rnnkit.cells.Cell`. There are no recurrent
            weights; `recurrent_initializer` and `recurrent_regularizer` have nothing to act on.

    Example:

    >>> class Leaky(rnnkit.LinearCell):
    ...     gates, paper = ("b",), "a mean over the last ten steps or so"
    ...
    ...     def coefficients(self, projected):
    ...         return keras.ops.full_like(projected, 0.9), 0.1 * projected
    >>> layer = rnnkit.RNN(Leaky(16), return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 5, 16])

    Reference: E. Martin and C. Cundy, Parallelizing Linear Recurrent Neural Nets Over Sequence
    Length, ICLR 2018.
    """

    @abc.abstractmethod
    def coefficients(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        """`p_t -> (a_t, b_t)`: (..., gates * n) to two (..., n), for any leading shape."""

    def build_recurrent(self) -> None:
        """There are no recurrent weights."""

    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        (h,) = states
        a, b = self.coefficients(projected)
        h = a * h + b
        return h, [h]

    def over_time(
        self, projected: Tensor, states: States, mask: Tensor | None = None
    ) -> tuple[Tensor, States]:
        """All steps at once.

        Args:
            projected: p_1..p_T, (time, batch, gates * n).
            states: [h_0], (batch, n).
            mask: (time, batch, 1) bool; a step that is not real keeps the state, a = 1 and b = 0.

        Returns:
            `(h_1..h_T, [h_T])`, the first (time, batch, n). Computed in float32 at least, because a
            sum over thousands of steps is lost on half precision.
        """
        a, b = self.coefficients(exact(projected))  # 1 - z has 3 digits in bfloat16
        if mask is not None:
            a, b = ops.where(mask, a, 1), ops.where(mask, b, 0)
        hs = ops.cast(linear_scan(a, b, exact(states[0])), projected.dtype)
        return hs, [hs[-1]]


@keras.saving.register_keras_serializable("rnnkit")
class MinGRUCell(LinearCell):
    """minGRU: a gated recurrent unit whose gate and candidate do not look back.

        z_t = sigmoid(x_t W_z + b_z)                    how much to renew
        g_t = x_t W_g + b_g                             the candidate
        h_t = (1 - z_t) * h_{t-1} + z_t * g_t
        y_t = h_t

    The GRU without U and without tanh: linear in the state, it trains in parallel over time, 2 m n
    weights in all. One layer decides what to keep by the input of the step alone; a second one,
    whose inputs have a past, decides by the past as well: stack two or more. State: [h].

    The paper trains in log space, where h must be positive, and bends g to make it so. Nothing here
    needs that: `linear_scan` multiplies the numbers 1 - z in (0, 1) and never divides, so that what
    underflows is memory that has truly faded, and g stays linear as in the paper's main text.

    Args:
        units: positive int, the width n of h.
        kernel_initializer, kernel_regularizer: see `rnnkit.cells.Cell`. There are no recurrent
            weights; `recurrent_initializer` and `recurrent_regularizer` have nothing to act on.

    Example:

    >>> layer = rnnkit.RNN([rnnkit.MinGRUCell(16), rnnkit.MinGRUCell(16)], return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 5, 16])

    Reference: L. Feng, F. Tung, M. O. Ahmed, Y. Bengio and H. Hajimirsadeghi, Were RNNs All We
    Needed?, arXiv:2410.01201, 2024.
    """

    gates = ("z", "g")
    paper = "Feng 2024"

    def coefficients(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        z, g = ops.split(projected, 2, axis=-1)
        z = ops.sigmoid(z)
        return 1 - z, z * g


@keras.saving.register_keras_serializable("rnnkit")
class MinLSTMCell(LinearCell):
    """minLSTM: a long short-term memory whose gates and candidate do not look back.

        f_t = sigmoid(x_t W_f + b_f)                    what to keep
        i_t = sigmoid(x_t W_i + b_i)                    what to store
        g_t = x_t W_g + b_g                             the candidate
        h_t = (f_t * h_{t-1} + i_t * g_t) / (f_t + i_t)
        y_t = h_t

    The LSTM without U, tanh and output gate, its two gates scaled to sum to one so that h neither
    grows nor fades with t. f / (f + i) is computed as sigmoid(log f - log i): where both gates
    underflow their quotient is still right. State: [h].

    Args:
        units: positive int, the width n of h.
        forget_bias: float, where b_f starts; see `LSTMCell`. With 1 the memory keeps 0.59 of itself
            a step.
        kernel_initializer, kernel_regularizer: see `rnnkit.cells.Cell`. There are no recurrent
            weights; `recurrent_initializer` and `recurrent_regularizer` have nothing to act on.

    Example:

    >>> layer = rnnkit.RNN([rnnkit.MinLSTMCell(16), rnnkit.MinLSTMCell(16)], return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 5, 16])

    Reference: L. Feng, F. Tung, M. O. Ahmed, Y. Bengio and H. Hajimirsadeghi, Were RNNs All We
    Needed?, arXiv:2410.01201, 2024.
    """

    gates = ("f", "i", "g")
    paper = "Feng 2024"

    def __init__(self, units: int, *, forget_bias: float = 1.0, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        example = f"{type(self).__name__}(64, forget_bias=1.0)"
        self.forget_bias = number("forget_bias", forget_bias, "a float", example)

    def initial_bias(self, gate: str) -> float:
        return self.forget_bias if gate == "f" else 0.0

    def coefficients(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        f, i, g = ops.split(projected, 3, axis=-1)
        f = ops.sigmoid(ops.log_sigmoid(f) - ops.log_sigmoid(i))
        return f, (1 - f) * g

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "forget_bias": self.forget_bias}
