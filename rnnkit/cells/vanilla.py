"""The simple recurrent net of Elman."""

from __future__ import annotations

from typing import Any

import keras

from rnnkit.cells.base import OneStateCell, States, Tensor


@keras.saving.register_keras_serializable("rnnkit")
class VanillaCell(OneStateCell):
    """Elman's simple recurrent net: the state is the hidden layer of the step before.

        h_t = tanh(x_t W + h_{t-1} U + b)
        y_t = h_t

    The gradient through t steps is a product of t Jacobians diag(1 - h^2) U^T: it vanishes or
    explodes geometrically (Bengio et al. 1994), which is what the gated cells are for.

    Args:
        units: positive int, the width n of h.
        activation: a Keras activation or its name. tanh, bounded, keeps the state in (-1, 1);
            `"relu"` with `recurrent_initializer="identity"` is the IRNN of Le et al. 2015.
        kernel_initializer, recurrent_initializer, kernel_regularizer, recurrent_regularizer: see
            `rnnkit.cells.Cell`.

    Example:

    >>> layer = rnnkit.RNN(rnnkit.VanillaCell(16), return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 5, 16])

    Reference: J. L. Elman, Finding Structure in Time, Cognitive Science 14, 1990.
    """

    gates = ("h",)
    paper = "Elman 1990"

    def __init__(self, units: int, *, activation: Any = "tanh", **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.activation = keras.activations.get(activation)

    def build_recurrent(self) -> None:
        self.recurrent_kernel = self.add_recurrent_kernel("recurrent_kernel", gates=1)

    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        (h,) = states
        h = self.activation(projected + self.dot(h, self.recurrent_kernel))
        return h, [h]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
        }
