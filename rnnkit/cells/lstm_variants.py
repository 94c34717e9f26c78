"""The LSTM with coupled gates, and with a projection."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from rnnkit.arguments import positive_int
from rnnkit.cells.base import States, Tensor
from rnnkit.cells.initializers import PerGate
from rnnkit.cells.lstm import _LSTMFamily


@keras.saving.register_keras_serializable("rnnkit")
class CoupledLSTMCell(_LSTMFamily):
    """LSTM that stores exactly as much as it forgets: i = 1 - f.

        f_t = sigmoid(x_t W_f + h_{t-1} U_f + b_f)      what to keep
        g_t = tanh   (x_t W_g + h_{t-1} U_g + b_g)      the candidate
        o_t = sigmoid(x_t W_o + h_{t-1} U_o + b_o)      what to show
        c_t = f_t * c_{t-1} + (1 - f_t) * g_t
        h_t = o_t * tanh(c_t)
        y_t = h_t

    Three quarters of an LSTM's weights and work. c_t is a mean of what was and what comes, so it
    stays in (-1, 1) and cannot count without bound, as an LSTM's can. In the comparison of Greff et
    al. it is no worse than the LSTM on any of three tasks. States: [h, c].

    Args:
        units: positive int, the width n of h and c.
        forget_bias: float, where b_f starts; see `LSTMCell`. At 1 a step renews a quarter.
        kernel_initializer, recurrent_initializer, kernel_regularizer, recurrent_regularizer: see
            `rnnkit.cells.Cell`.

    Example:

    >>> layer = rnnkit.RNN(rnnkit.CoupledLSTMCell(16), return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 5, 16])

    Reference: K. Greff, R. Srivastava, J. Koutnik, B. Steunebrink and J. Schmidhuber, LSTM: A
    Search Space Odyssey, IEEE Transactions on Neural Networks and Learning Systems 28, 2017.
    """

    gates = ("f", "g", "o")
    paper = "Greff 2015"

    def build_recurrent(self) -> None:
        self.recurrent_kernel = self.add_recurrent_kernel("recurrent_kernel", gates=3)

    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        h, c = states
        f, g, o = ops.split(projected + self.dot(h, self.recurrent_kernel), 3, axis=-1)
        f = ops.sigmoid(f)
        c = f * c + (1 - f) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h, [h, c]


@keras.saving.register_keras_serializable("rnnkit")
class ProjectedLSTMCell(_LSTMFamily):
    """LSTM whose output is a narrow linear projection of a wide memory.

        i_t = sigmoid(x_t W_i + h_{t-1} U_i + b_i)
        f_t = sigmoid(x_t W_f + h_{t-1} U_f + b_f)
        g_t = tanh   (x_t W_g + h_{t-1} U_g + b_g)
        o_t = sigmoid(x_t W_o + h_{t-1} U_o + b_o)
        c_t = f_t * c_{t-1} + i_t * g_t                 (batch, n)
        h_t = (o_t * tanh(c_t)) P                       (batch, p)
        y_t = h_t

    U has p rows instead of n, and so has the kernel of the next layer: 4 n p + n p recurrent
    weights for the LSTM's 4 n^2. Nothing squashes h_t. PyTorch's `nn.LSTM(proj_size=p)` is the
    same. States: [h, c], of widths p and n.

    Args:
        units: positive int, the width n of c.
        projection: positive int, the width p of h; half of `units`, rounded up, by default. The
            paper narrows to a quarter and less, at 1024 to 2048 units; with the tens or hundreds of
            units for which this library is made, that leaves too little. A half costs 2.5 n^2
            recurrent weights.
        forget_bias: float, where b_f starts; see `LSTMCell`.
        kernel_initializer, recurrent_initializer, kernel_regularizer, recurrent_regularizer: see
            `rnnkit.cells.Cell`; P, which stands between h_{t-1} and h_t, is a recurrent weight.

    Raises:
        ValueError: `units` or `projection` is not a positive int.

    Example:

    >>> layer = rnnkit.RNN(rnnkit.ProjectedLSTMCell(16, projection=6), return_state=True)
    >>> y, h, c = layer(keras.ops.zeros((2, 5, 3)))
    >>> y.shape, c.shape
    (TensorShape([2, 6]), TensorShape([2, 16]))

    Reference: H. Sak, A. Senior and F. Beaufays, Long Short-Term Memory Recurrent Neural Network
    Architectures for Large Scale Acoustic Modeling, Interspeech 2014.
    """

    paper = "Sak 2014"

    def __init__(self, units: int, *, projection: int | None = None, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        if projection is None:
            projection = (self.units + 1) // 2
        example = "ProjectedLSTMCell(64, projection=32)"
        self.projection = positive_int("projection", projection, example)

    @property
    def state_size(self) -> list[int]:
        return [self.projection, self.units]

    @property
    def output_size(self) -> int:
        return self.projection

    def build_recurrent(self) -> None:
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.projection, 4 * self.units),
            initializer=PerGate(self.recurrent_initializer, 4),
            regularizer=self.recurrent_regularizer,
        )
        self.projection_kernel = self.add_weight(
            name="projection_kernel",
            shape=(self.units, self.projection),
            initializer=PerGate(self.recurrent_initializer, 1, first=4),
            regularizer=self.recurrent_regularizer,
        )

    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        h, c = states
        i, f, g, o = ops.split(projected + self.dot(h, self.recurrent_kernel), 4, axis=-1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        h = self.dot(ops.sigmoid(o) * ops.tanh(c), self.projection_kernel)
        return h, [h, c]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "projection": self.projection}
