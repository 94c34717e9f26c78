"""The gated recurrent unit, in its two forms."""

from __future__ import annotations

import keras
from keras import ops

from rnnkit.cells.base import OneStateCell, States, Tensor


@keras.saving.register_keras_serializable("rnnkit")
class GRUCell(OneStateCell):
    """Gated recurrent unit, the reset before the product.

        z_t = sigmoid(x_t W_z + h_{t-1} U_z + b_z)              how much to renew
        r_t = sigmoid(x_t W_r + h_{t-1} U_r + b_r)              how much of the past to use
        g_t = tanh   (x_t W_g + (r_t * h_{t-1}) U_g + b_g)      the candidate
        h_t = (1 - z_t) * h_{t-1} + z_t * g_t
        y_t = h_t

    The mixing is that of Chung et al. 2014 and of the lectures: z = 1 takes the candidate. Cho et
    al. 2014 and Keras swap z and 1 - z, h_t = z * h_{t-1} + (1 - z) * g_t: the same family of
    functions with z's weights negated, and `rnnkit.convert` negates them. State: [h].

    Args:
        units: positive int, the width n of h.
        kernel_initializer, recurrent_initializer, kernel_regularizer, recurrent_regularizer: see
            `rnnkit.cells.Cell`.

    Example:

    >>> layer = rnnkit.RNN(rnnkit.GRUCell(16), return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 5, 16])

    Reference: K. Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014;
    J. Chung et al., Empirical Evaluation of Gated Recurrent Neural Networks on Sequence Modeling,
    arXiv:1412.3555, 2014.
    """

    gates = ("z", "r", "g")
    paper = "Cho 2014, Chung 2014"

    def build_recurrent(self) -> None:
        self.recurrent_kernel = self.add_recurrent_kernel("recurrent_kernel", gates=2)
        self.candidate_kernel = self.add_recurrent_kernel("candidate_kernel", gates=1, first=2)

    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        (h,) = states
        n = self.units
        zr = ops.sigmoid(projected[..., : 2 * n] + self.dot(h, self.recurrent_kernel))
        z, r = ops.split(zr, 2, axis=-1)
        g = ops.tanh(projected[..., 2 * n :] + self.dot(r * h, self.candidate_kernel))
        h = (1 - z) * h + z * g
        return h, [h]


@keras.saving.register_keras_serializable("rnnkit")
class ResetAfterGRUCell(OneStateCell):
    """Gated recurrent unit, the reset after the product: cuDNN's form and Keras's default.

        z_t = sigmoid(x_t W_z + h_{t-1} U_z + b_z)
        r_t = sigmoid(x_t W_r + h_{t-1} U_r + b_r)
        g_t = tanh   (x_t W_g + b_g + r_t * (h_{t-1} U_g + b'))
        h_t = (1 - z_t) * g_t + z_t * h_{t-1}
        y_t = h_t

    One product a step instead of two. With b' = 0 it is the lectures' form. Here z = 1 keeps the
    past, as in Cho et al. 2014, Keras and PyTorch (`GRUCell` mixes the other way round). Keras and
    PyTorch also carry second biases for z and r; they only add to b_z and b_r. State: [h].

    Args:
        units: positive int, the width n of h.
        kernel_initializer, recurrent_initializer, kernel_regularizer, recurrent_regularizer: see
            `rnnkit.cells.Cell`.

    Example:

    >>> layer = rnnkit.RNN(rnnkit.ResetAfterGRUCell(16), return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 5, 16])

    Reference: K. Cho et al., EMNLP 2014; the order is that of cuDNN (J. Appleyard et al.,
    Optimizing Performance of Recurrent Neural Networks on GPUs, arXiv:1604.01946, 2016).
    """

    gates = ("z", "r", "g")
    paper = "Cho 2014, cuDNN"

    def build_recurrent(self) -> None:
        self.recurrent_kernel = self.add_recurrent_kernel("recurrent_kernel", gates=3)
        self.recurrent_bias = self.add_weight(
            name="recurrent_bias", shape=(self.units,), initializer="zeros"
        )

    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        (h,) = states
        x_z, x_r, x_g = ops.split(projected, 3, axis=-1)
        h_z, h_r, h_g = ops.split(self.dot(h, self.recurrent_kernel), 3, axis=-1)
        z = ops.sigmoid(x_z + h_z)
        r = ops.sigmoid(x_r + h_r)
        g = ops.tanh(x_g + r * self.shift(h_g, self.recurrent_bias))
        h = (1 - z) * g + z * h
        return h, [h]
