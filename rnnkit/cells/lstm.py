"""The long short-term memory and its peepholes."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from rnnkit.arguments import number
from rnnkit.cells.base import Cell, States, Tensor
from rnnkit.cells.initializers import PerGate


class _LSTMFamily(Cell):
    """What every LSTM here shares: two states h and c, gates i, f, g, o, and the forget bias."""

    gates: tuple[str, ...] = ("i", "f", "g", "o")

    def __init__(self, units: int, *, forget_bias: float = 1.0, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        example = f"{type(self).__name__}(64, forget_bias=1.0)"
        self.forget_bias = number("forget_bias", forget_bias, "a float", example)

    @property
    def state_size(self) -> list[int]:
        return [self.units, self.units]

    @property
    def output_size(self) -> int:
        return self.units

    def initial_bias(self, gate: str) -> float:
        return self.forget_bias if gate == "f" else 0.0

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "forget_bias": self.forget_bias}


@keras.saving.register_keras_serializable("rnnkit")
class LSTMCell(_LSTMFamily):
    """Long short-term memory with a forget gate.

        i_t = sigmoid(x_t W_i + h_{t-1} U_i + b_i)      what to store
        f_t = sigmoid(x_t W_f + h_{t-1} U_f + b_f)      what to keep
        g_t = tanh   (x_t W_g + h_{t-1} U_g + b_g)      the candidate
        o_t = sigmoid(x_t W_o + h_{t-1} U_o + b_o)      what to show
        c_t = f_t * c_{t-1} + i_t * g_t
        h_t = o_t * tanh(c_t)
        y_t = h_t

    Along c the gradient is multiplied by f_t alone: with f_t near 1 it flows back unchanged, the
    constant error flow that lets the net learn across long gaps. States: [h, c]. The blocks of the
    kernels stand in the order i, f, g, o, which is also Keras's (i, f, c, o) and PyTorch's.

    Args:
        units: positive int, the width n of h and c.
        forget_bias: float, where b_f starts. At 1 the gate is open (0.73) before anything is
            learnt, so early gradients reach far back (Gers et al. 2000; Jozefowicz et al. 2015).
        kernel_initializer, recurrent_initializer, kernel_regularizer, recurrent_regularizer: see
            `rnnkit.cells.Cell`.

    Example:

    >>> layer = rnnkit.RNN(rnnkit.LSTMCell(16), return_state=True)
    >>> y, h, c = layer(keras.ops.zeros((2, 5, 3)))
    >>> y.shape, c.shape
    (TensorShape([2, 16]), TensorShape([2, 16]))

    Reference: S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, Neural Computation 9, 1997;
    F. Gers, J. Schmidhuber and F. Cummins, Learning to Forget, Neural Computation 12, 2000.
    """

    paper = "Hochreiter 1997, Gers 2000"

    def build_recurrent(self) -> None:
        self.recurrent_kernel = self.add_recurrent_kernel("recurrent_kernel", gates=4)

    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        h, c = states
        i, f, g, o = ops.split(projected + self.dot(h, self.recurrent_kernel), 4, axis=-1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h, [h, c]


class _Peepholes(_LSTMFamily):
    """An LSTM whose gates see c, through weights that start at `peephole_initializer`."""

    def __init__(self, units: int, *, peephole_initializer: Any = "zeros", **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.peephole_initializer = keras.initializers.get(peephole_initializer)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "peephole_initializer": keras.initializers.serialize(self.peephole_initializer),
        }


@keras.saving.register_keras_serializable("rnnkit")
class PeepholeLSTMCell(_Peepholes):
    """LSTM whose gates look at the memory, each unit at its own cell.

        i_t = sigmoid(x_t W_i + h_{t-1} U_i + p_i * c_{t-1} + b_i)
        f_t = sigmoid(x_t W_f + h_{t-1} U_f + p_f * c_{t-1} + b_f)
        g_t = tanh   (x_t W_g + h_{t-1} U_g + b_g)
        c_t = f_t * c_{t-1} + i_t * g_t
        o_t = sigmoid(x_t W_o + h_{t-1} U_o + p_o * c_t + b_o)
        h_t = o_t * tanh(c_t)
        y_t = h_t

    A closed output gate hides c from the plain LSTM's gates; the peepholes p (a vector of n weights
    a gate) show it to them, so that the net can count and time precisely. The output gate sees the
    new c_t, the other two the old one. States: [h, c].

    Args:
        units: positive int, the width n of h and c.
        forget_bias: float, where b_f starts; see `LSTMCell`.
        peephole_initializer: for p_i, p_f, p_o, each (n,). With zeros the cell starts as an
            `LSTMCell` and learns how far to look.
        kernel_initializer, recurrent_initializer, kernel_regularizer, recurrent_regularizer: see
            `rnnkit.cells.Cell`.

    Example:

    >>> layer = rnnkit.RNN(rnnkit.PeepholeLSTMCell(16), return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 5, 16])

    Reference: F. Gers, N. Schraudolph and J. Schmidhuber, Learning Precise Timing with LSTM
    Recurrent Networks, JMLR 3, 2002.
    """

    paper = "Gers 2002"

    def build_recurrent(self) -> None:
        self.recurrent_kernel = self.add_recurrent_kernel("recurrent_kernel", gates=4)
        self.peephole_i, self.peephole_f, self.peephole_o = (
            self.add_weight(
                name=f"peephole_{gate}", shape=(self.units,), initializer=self.peephole_initializer
            )
            for gate in "ifo"
        )

    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        h, c = states
        i, f, g, o = ops.split(projected + self.dot(h, self.recurrent_kernel), 4, axis=-1)
        i = ops.sigmoid(i + self.scale(c, self.peephole_i))
        f = ops.sigmoid(f + self.scale(c, self.peephole_f))
        c = f * c + i * ops.tanh(g)
        o = ops.sigmoid(o + self.scale(c, self.peephole_o))
        h = o * ops.tanh(c)
        return h, [h, c]


@keras.saving.register_keras_serializable("rnnkit")
class FullPeepholeLSTMCell(_Peepholes):
    """LSTM whose gates look at the whole memory, through a matrix a gate.

        i_t = sigmoid(x_t W_i + h_{t-1} U_i + c_{t-1} P_i + b_i)
        f_t = sigmoid(x_t W_f + h_{t-1} U_f + c_{t-1} P_f + b_f)
        g_t = tanh   (x_t W_g + h_{t-1} U_g + b_g)
        c_t = f_t * c_{t-1} + i_t * g_t
        o_t = sigmoid(x_t W_o + h_{t-1} U_o + c_t P_o + b_o)
        h_t = o_t * tanh(c_t)
        y_t = h_t

    The form in which lectures write peepholes, f = sigmoid(W_cf^T c_{t-1} + W_xf^T x_t + W_hf^T
    h_{t-1} + b_f); libraries, and the paper, keep only the diagonals (`PeepholeLSTMCell`). It costs
    3 n^2 weights more. States: [h, c].

    Args:
        units: positive int, the width n of h and c.
        forget_bias: float, where b_f starts; see `LSTMCell`.
        peephole_initializer: for P, each gate's (n, n) block by itself. With zeros the cell starts
            as an `LSTMCell`.
        kernel_initializer, recurrent_initializer, kernel_regularizer, recurrent_regularizer: see
            `rnnkit.cells.Cell`.

    Example:

    >>> layer = rnnkit.RNN(rnnkit.FullPeepholeLSTMCell(16), return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 5, 16])

    Reference: F. Gers and J. Schmidhuber, Recurrent Nets that Time and Count, IJCNN 2000; with
    matrices, A. Graves, Generating Sequences With Recurrent Neural Networks, arXiv:1308.0850, 2013,
    before it makes them diagonal.
    """

    paper = "Gers 2000, matrix form"

    def build_recurrent(self) -> None:
        self.recurrent_kernel = self.add_recurrent_kernel("recurrent_kernel", gates=4)
        self.peephole_if = self._add_peephole("peephole_if", gates=2)
        self.peephole_o = self._add_peephole("peephole_o", gates=1, first=2)

    def _add_peephole(self, name: str, gates: int, first: int = 0) -> Any:
        return self.add_weight(
            name=name,
            shape=(self.units, gates * self.units),
            initializer=PerGate(self.peephole_initializer, gates, first),
            regularizer=self.recurrent_regularizer,
        )

    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        h, c = states
        i, f, g, o = ops.split(projected + self.dot(h, self.recurrent_kernel), 4, axis=-1)
        peephole_i, peephole_f = ops.split(self.dot(c, self.peephole_if), 2, axis=-1)
        c = ops.sigmoid(f + peephole_f) * c + ops.sigmoid(i + peephole_i) * ops.tanh(g)
        h = ops.sigmoid(o + self.dot(c, self.peephole_o)) * ops.tanh(c)
        return h, [h, c]
