"""The layer-normalised LSTM."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from rnnkit.arguments import number
from rnnkit.cells.base import States, Tensor
from rnnkit.cells.lstm import _LSTMFamily
from rnnkit.precision import exact


class _LayerNormFamily(_LSTMFamily):
    """An LSTM that normalises x W and h U by themselves, each with a gain of its own."""

    def __init__(self, units: int, *, epsilon: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        example = f"{type(self).__name__}(64, epsilon=1e-3)"
        self.epsilon = number("epsilon", epsilon, "a float above 0", example, lambda e: e > 0)

    def build_recurrent(self) -> None:
        n = self.units
        self.recurrent_kernel = self.add_recurrent_kernel("recurrent_kernel", gates=4)
        self.input_gain = self.add_weight(name="input_gain", shape=(4 * n,), initializer="ones")
        self.recurrent_gain = self.add_weight(
            name="recurrent_gain", shape=(4 * n,), initializer="ones"
        )
        self.memory_gain = self.add_weight(name="memory_gain", shape=(n,), initializer="ones")
        self.memory_bias = self.add_weight(name="memory_bias", shape=(n,), initializer="zeros")

    def project(self, inputs: Tensor) -> Tensor:
        """alpha * N(x W) + b: (..., m) -> (..., 4 n)."""
        return self.input_gain * self.normalised(ops.matmul(inputs, self.kernel)) + self.bias

    def normalised(self, a: Tensor) -> Tensor:
        """N(a): each row of a with mean 0 and variance 1."""
        precise = exact(a)
        mean, variance = ops.moments(precise, axes=[-1], keepdims=True)
        return ops.cast((precise - mean) * ops.rsqrt(variance + self.epsilon), a.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("rnnkit")
class LayerNormLSTMCell(_LayerNormFamily):
    """LSTM that normalises its pre-activations, each row by itself.

        N(a) = (a - mean(a)) / sqrt(variance(a) + epsilon)
        a_i, a_f, a_g, a_o = alpha * N(x_t W) + beta * N(h_{t-1} U) + b     all 4 n values at once
        i_t = sigmoid(a_i)
        f_t = sigmoid(a_f)
        g_t = tanh(a_g)
        o_t = sigmoid(a_o)
        c_t = f_t * c_{t-1} + i_t * g_t
        h_t = o_t * tanh(gamma * N(c_t) + delta)
        y_t = h_t

    The gates' inputs keep their size however large x, h or the weights grow, which makes training
    faster and less sensitive to the rate of learning. The memory is normalised for the output only:
    c_t itself is stored as it is, so the gradient along it is still multiplied by f_t alone
    (TensorFlow Addons stored the normalised c, and lost that). Means and variances are over the 4 n
    values of a row, as in the paper, and computed in float32 at least. States: [h, c].

    Args:
        units: positive int, the width n of h and c.
        forget_bias: float, where b_f starts; see `LSTMCell`.
        epsilon: positive float. h_0 = 0 has no variance, so that at the first step epsilon alone
            bounds N's gradient, by 1 / sqrt(epsilon): 32 at the default 1e-3, Keras's own.
        kernel_initializer, recurrent_initializer, kernel_regularizer, recurrent_regularizer: see
            `rnnkit.cells.Cell`. The gains alpha, beta (4 n each) and gamma (n) start at 1, as in
            the paper; delta (n) at 0.

    Raises:
        ValueError: `units` is not a positive int, `epsilon` is not above 0.

    Example:

    >>> layer = rnnkit.RNN(rnnkit.LayerNormLSTMCell(16), return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 5, 16])

    Reference: J. L. Ba, J. R. Kiros and G. E. Hinton, Layer Normalization, arXiv:1607.06450, 2016.
    """

    paper = "Ba 2016"

    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        h, c = states
        past = self.normalised(self.dot(h, self.recurrent_kernel))
        i, f, g, o = ops.split(projected + self.scale(past, self.recurrent_gain), 4, axis=-1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        shown = self.shift(self.scale(self.normalised(c), self.memory_gain), self.memory_bias)
        h = ops.sigmoid(o) * ops.tanh(shown)
        return h, [h, c]
