"""The LSTM with one thing taken away or added at a time: the cells of Greff et al. 2015.

Each is `rnnkit.PeepholeLSTMCell`, the paper's "vanilla" LSTM, but for the lines that its docstring
shows. Two more of the paper's variants are cells of `rnnkit.CELLS`: the vanilla LSTM itself,
`peephole_lstm`, and the one without peepholes, `lstm`.

Reference: K. Greff, R. Srivastava, J. Koutnik, B. Steunebrink and J. Schmidhuber, LSTM: A Search
Space Odyssey, IEEE Transactions on Neural Networks and Learning Systems 28, 2017 (arXiv:1503.04069,
2015).
"""

from __future__ import annotations

import abc

import keras
from keras import ops

import rnnkit
from rnnkit.cells.base import States, Tensor


class _Ablated(rnnkit.Cell):
    """States h and c, a recurrent kernel for all gates, peepholes p for those of i, f and o."""

    paper = "Greff 2015"

    @property
    def state_size(self) -> list[int]:
        return [self.units, self.units]

    @property
    def output_size(self) -> int:
        return self.units

    def initial_bias(self, gate: str) -> float:
        """1 for the forget gate, as of `rnnkit.LSTMCell`."""
        return 1.0 if gate == "f" else 0.0

    def build_recurrent(self) -> None:
        self.recurrent_kernel = self.add_recurrent_kernel("recurrent_kernel", len(self.gates))
        self.peepholes = {
            gate: self.add_weight(name=f"peephole_{gate}", shape=(self.units,), initializer="zeros")
            for gate in self.gates
            if gate in "ifo"
        }

    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        h, c = states
        blocks = ops.split(projected + self.dot(h, self.recurrent_kernel), len(self.gates), axis=-1)
        h, c = self.remember_and_show(dict(zip(self.gates, blocks, strict=True)), c)
        return h, [h, c]

    @abc.abstractmethod
    def remember_and_show(self, a: dict[str, Tensor], c: Tensor) -> tuple[Tensor, Tensor]:
        """h_t and c_t from the gates' inputs x_t W + h_{t-1} U + b, and c_{t-1}."""

    def gate(self, name: str, a: dict[str, Tensor], c: Tensor) -> Tensor:
        """sigmoid(a + p * c)."""
        return ops.sigmoid(a[name] + self.scale(c, self.peepholes[name]))


@keras.saving.register_keras_serializable("rnnkit")
class NoInputGateCell(_Ablated):
    """NIG: everything is stored.

    c_t = f_t * c_{t-1} + g_t
    """

    gates = ("f", "g", "o")

    def remember_and_show(self, a: dict[str, Tensor], c: Tensor) -> tuple[Tensor, Tensor]:
        c = self.gate("f", a, c) * c + ops.tanh(a["g"])
        return self.gate("o", a, c) * ops.tanh(c), c


@keras.saving.register_keras_serializable("rnnkit")
class NoForgetGateCell(_Ablated):
    """NFG: nothing is forgotten, as in the LSTM of 1997.

    c_t = c_{t-1} + i_t * g_t
    """

    gates = ("i", "g", "o")

    def remember_and_show(self, a: dict[str, Tensor], c: Tensor) -> tuple[Tensor, Tensor]:
        c = c + self.gate("i", a, c) * ops.tanh(a["g"])
        return self.gate("o", a, c) * ops.tanh(c), c


@keras.saving.register_keras_serializable("rnnkit")
class NoOutputGateCell(_Ablated):
    """NOG: everything is shown.

    h_t = tanh(c_t)
    """

    gates = ("i", "f", "g")

    def remember_and_show(self, a: dict[str, Tensor], c: Tensor) -> tuple[Tensor, Tensor]:
        c = self.gate("f", a, c) * c + self.gate("i", a, c) * ops.tanh(a["g"])
        return ops.tanh(c), c


@keras.saving.register_keras_serializable("rnnkit")
class NoInputActivationCell(_Ablated):
    """NIAF: the candidate is not squashed.

    g_t = x_t W_g + h_{t-1} U_g + b_g
    """

    gates = ("i", "f", "g", "o")

    def remember_and_show(self, a: dict[str, Tensor], c: Tensor) -> tuple[Tensor, Tensor]:
        c = self.gate("f", a, c) * c + self.gate("i", a, c) * a["g"]
        return self.gate("o", a, c) * ops.tanh(c), c


@keras.saving.register_keras_serializable("rnnkit")
class NoOutputActivationCell(_Ablated):
    """NOAF: the memory is shown as it is, without bound.

    h_t = o_t * c_t
    """

    gates = ("i", "f", "g", "o")

    def remember_and_show(self, a: dict[str, Tensor], c: Tensor) -> tuple[Tensor, Tensor]:
        c = self.gate("f", a, c) * c + self.gate("i", a, c) * ops.tanh(a["g"])
        return self.gate("o", a, c) * c, c


@keras.saving.register_keras_serializable("rnnkit")
class CoupledGatesCell(_Ablated):
    """CIFG: what is forgotten is what is stored; `coupled_lstm` with peepholes.

    c_t = f_t * c_{t-1} + (1 - f_t) * g_t
    """

    gates = ("f", "g", "o")

    def remember_and_show(self, a: dict[str, Tensor], c: Tensor) -> tuple[Tensor, Tensor]:
        f = self.gate("f", a, c)
        c = f * c + (1 - f) * ops.tanh(a["g"])
        return self.gate("o", a, c) * ops.tanh(c), c


@keras.saving.register_keras_serializable("rnnkit")
class FullGateRecurrenceCell(rnnkit.Cell):
    """FGR: the gates see what all gates were a step before, as in the LSTM of 1997.

    a_t = x_t W + h_{t-1} U + [i, f, o]_{t-1} R + b     R: (3 n, 3 n), added to i, f and o

    States: [h, c, i, f, o].
    """

    paper = "Greff 2015"
    gates = ("i", "f", "o", "g")

    @property
    def state_size(self) -> list[int]:
        return [self.units] * 5

    @property
    def output_size(self) -> int:
        return self.units

    def initial_bias(self, gate: str) -> float:
        """1 for the forget gate, as of `rnnkit.LSTMCell`."""
        return 1.0 if gate == "f" else 0.0

    def build_recurrent(self) -> None:
        self.recurrent_kernel = self.add_recurrent_kernel("recurrent_kernel", 4)
        self.gate_kernels = [
            self.add_recurrent_kernel(f"gate_kernel_{gate}", 3, first=4 + 3 * k)
            for k, gate in enumerate("ifo")
        ]
        self.peepholes = [
            self.add_weight(name=f"peephole_{gate}", shape=(self.units,), initializer="zeros")
            for gate in "ifo"
        ]

    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        h, c, *before = states
        seen = projected + self.dot(h, self.recurrent_kernel)
        *a, g = ops.split(seen, 4, axis=-1)
        for gate, kernel in zip(before, self.gate_kernels, strict=True):
            a = [x + y for x, y in zip(a, ops.split(self.dot(gate, kernel), 3, -1), strict=True)]
        p_i, p_f, p_o = self.peepholes
        i = ops.sigmoid(a[0] + self.scale(c, p_i))
        f = ops.sigmoid(a[1] + self.scale(c, p_f))
        c = f * c + i * ops.tanh(g)
        o = ops.sigmoid(a[2] + self.scale(c, p_o))
        h = o * ops.tanh(c)
        return h, [h, c, i, f, o]
