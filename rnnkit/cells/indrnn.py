"""The independently recurrent net."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from rnnkit.cells.base import OneStateCell, States, Tensor


@keras.saving.register_keras_serializable("rnnkit")
class IndRNNCell(OneStateCell):
    """Independently recurrent net: each unit sees its own past and no other's.

        h_t = relu(x_t W + u * h_{t-1} + b)
        y_t = h_t

    The recurrent weight is a vector u of n weights. A unit that is on multiplies its gradient by
    its own u at each step, so what vanishes or explodes is decided unit by unit, in the open: |u|
    near 1 remembers long, |u| near 0 briefly. Units meet only in the layer above: stack two or
    more. State: [h].

    Args:
        units: positive int, the width n of h.
        recurrent_initializer: for u (n,). Uniform in [0, 1) by default, as in the paper: units that
            forget at once beside units that hardly do, and none that explodes.
        recurrent_constraint: what u goes through after every update, a Keras constraint, a function
            or None (the default). The paper's keeps |u| at 2^(1/T) or below for sequences of T
            steps, over which no gradient then grows by more than 2.
        kernel_initializer, kernel_regularizer, recurrent_regularizer: see `rnnkit.cells.Cell`.

    Example:

    >>> layer = rnnkit.RNN([rnnkit.IndRNNCell(16), rnnkit.IndRNNCell(16)], return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 5, 16])

    With the paper's bound for sequences of 100 steps:

    >>> @keras.saving.register_keras_serializable("example")
    ... class Bound(keras.constraints.Constraint):
    ...     def __call__(self, u):
    ...         return keras.ops.clip(u, -(2 ** (1 / 100)), 2 ** (1 / 100))
    >>> cell = rnnkit.IndRNNCell(16, recurrent_constraint=Bound())

    Reference: S. Li, W. Li, C. Cook, C. Zhu and Y. Gao, Independently Recurrent Neural Network
    (IndRNN): Building A Longer and Deeper RNN, CVPR 2018.
    """

    gates = ("h",)
    paper = "Li 2018"

    def __init__(
        self,
        units: int,
        *,
        recurrent_initializer: Any = None,
        recurrent_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        if recurrent_initializer is None:
            recurrent_initializer = keras.initializers.RandomUniform(0, 1)
        super().__init__(units, recurrent_initializer=recurrent_initializer, **kwargs)
        self.recurrent_constraint = keras.constraints.get(recurrent_constraint)

    def build_recurrent(self) -> None:
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units,),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )

    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        (h,) = states
        h = ops.relu(projected + self.scale(h, self.recurrent_kernel))
        return h, [h]

    def get_config(self) -> dict[str, Any]:
        constraint = keras.constraints.serialize(self.recurrent_constraint)
        return {**super().get_config(), "recurrent_constraint": constraint}
