"""The minimal gated unit."""

from __future__ import annotations

import keras
from keras import ops

from rnnkit.cells.base import OneStateCell, States, Tensor


@keras.saving.register_keras_serializable("rnnkit")
class MGUCell(OneStateCell):
    """Minimal gated unit: a gated recurrent unit with one gate for both of its gates' work.

        f_t = sigmoid(x_t W_f + h_{t-1} U_f + b_f)              how much to renew, and to use
        g_t = tanh   (x_t W_g + (f_t * h_{t-1}) U_g + b_g)      the candidate
        h_t = (1 - f_t) * h_{t-1} + f_t * g_t
        y_t = h_t

    It is `GRUCell` with z = r, two thirds of its weights and work. What is renewed is also what the
    candidate sees, so a unit that keeps its state (f = 0) keeps it from the candidate too. State:
    [h].

    Args:
        units: positive int, the width n of h.
        kernel_initializer, recurrent_initializer, kernel_regularizer, recurrent_regularizer: see
            `rnnkit.cells.Cell`. b_f starts at 0, as a GRU's z: f, which renews, is no forget gate
            in the LSTM's sense, and a bias of 1 would close the memory.

    Example:

    >>> layer = rnnkit.RNN(rnnkit.MGUCell(16), return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 5, 16])

    Reference: G.-B. Zhou, J. Wu, C.-L. Zhang and Z.-H. Zhou, Minimal Gated Unit for Recurrent
    Neural Networks, International Journal of Automation and Computing 13, 2016.
    """

    gates = ("f", "g")
    paper = "Zhou 2016"

    def build_recurrent(self) -> None:
        self.recurrent_kernel = self.add_recurrent_kernel("recurrent_kernel", gates=1)
        self.candidate_kernel = self.add_recurrent_kernel("candidate_kernel", gates=1, first=1)

    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        (h,) = states
        x_f, x_g = ops.split(projected, 2, axis=-1)
        f = ops.sigmoid(x_f + self.dot(h, self.recurrent_kernel))
        g = ops.tanh(x_g + self.dot(f * h, self.candidate_kernel))
        h = (1 - f) * h + f * g
        return h, [h]
