"""The net whose only memory is its own output."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from rnnkit.arguments import fits, positive_int
from rnnkit.cells.base import Cell, States, Tensor
from rnnkit.cells.initializers import PerGate


@keras.saving.register_keras_serializable("rnnkit")
class OutputRecurrentCell(Cell):
    """Jordan's net: the state is the output of the step before, not the hidden layer.

        h_t = tanh(x_t W + y_{t-1} U + b)               (batch, n)
        y_t = activation(h_t V + b_y)                   (batch, k)

    Whatever y does not tell is forgotten, so the net is weaker than `VanillaCell`. In return, y_t
    is something the training data know: with the targets in the place of y_{t-1} no step waits for
    another, and training needs no loop over time and no backpropagation through it
    (`teacher_forced`). Used freely the net then meets its own mistakes, which it never saw in
    training: the loss of `RNN(cell)` minus that of `teacher_forced` is the price. State: [y].

    Args:
        units: positive int, the width n of the hidden layer h.
        outputs: positive int, the width k of y; `units` by default.
        activation: of y, a Keras activation or its name. tanh keeps what is fed back in (-1, 1), as
            the states of the other cells; take what your targets are made of where y is the answer
            itself ("softmax", "sigmoid", "linear").
        kernel_initializer, recurrent_initializer, kernel_regularizer, recurrent_regularizer: see
            `rnnkit.cells.Cell`; U and V, both of which stand between y_{t-1} and y_t, are recurrent
            weights.

    Raises:
        ValueError: `units` or `outputs` is not a positive int.

    Example:

    >>> cell = rnnkit.OutputRecurrentCell(16, outputs=4, activation="softmax")
    >>> x, targets = keras.ops.zeros((2, 5, 3)), keras.ops.one_hot([[0, 1, 2, 3, 0]] * 2, 4)
    >>> cell.teacher_forced(x, targets).shape  # for training
    TensorShape([2, 5, 4])
    >>> rnnkit.RNN(cell, return_sequences=True)(x).shape  # for use
    TensorShape([2, 5, 4])

    Reference: M. I. Jordan, Serial Order: A Parallel Distributed Processing Approach, Institute for
    Cognitive Science Report 8604, San Diego, 1986; for teacher forcing, R. Williams and D. Zipser,
    A Learning Algorithm for Continually Running Fully Recurrent Neural Networks, Neural Computation
    1, 1989.
    """

    gates = ("h",)
    paper = "Jordan 1986"

    def __init__(
        self,
        units: int,
        *,
        outputs: int | None = None,
        activation: Any = "tanh",
        **kwargs: Any,
    ) -> None:
        super().__init__(units, **kwargs)
        outputs = self.units if outputs is None else outputs
        self.outputs = positive_int("outputs", outputs, "OutputRecurrentCell(64, outputs=10)")
        self.activation = keras.activations.get(activation)

    @property
    def state_size(self) -> int:
        return self.outputs

    @property
    def output_size(self) -> int:
        return self.outputs

    def build_recurrent(self) -> None:
        self.recurrent_kernel = self._add_kernel("recurrent_kernel", (self.outputs, self.units), 0)
        self.output_kernel = self._add_kernel("output_kernel", (self.units, self.outputs), 1)
        self.output_bias = self.add_weight(
            name="output_bias", shape=(self.outputs,), initializer="zeros"
        )

    def _add_kernel(self, name: str, shape: tuple[int, int], number: int) -> Any:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=PerGate(self.recurrent_initializer, 1, first=number),
            regularizer=self.recurrent_regularizer,
        )

    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        (y,) = states
        h = ops.tanh(projected + self.dot(y, self.recurrent_kernel))
        y = self.activation(self.shift(self.dot(h, self.output_kernel), self.output_bias))
        return y, [y]

    def teacher_forced(
        self, inputs: Tensor, targets: Tensor, initial_state: Tensor | None = None
    ) -> Tensor:
        """y_1..y_T, each from the true output before it: all steps at once.

        A step is the same as in `RNN(cell)`, with target_{t-1} for y_{t-1}; where the net's outputs
        equal the targets, so do the two. Call it in `call` of a model or layer of yours that holds
        the cell: the cell itself is the step.

        Args:
            inputs: x_1..x_T, (batch, T, m).
            targets: (batch, T, k), in the units of y: one-hot for softmax. The last one is not
                used.
            initial_state: y_0, (batch, k); zeros by default.

        Returns:
            (batch, T, k).

        Raises:
            ValueError: inputs, targets or an initial state of other shapes.
        """
        k, given = self.outputs, [inputs, targets, initial_state]
        shapes = [tuple(np.shape(value)) for value in given if value is not None]
        batch, steps = shapes[0][:1], shapes[0][:2]
        if not all(map(fits, shapes, [(None, None, None), (*steps, k), (*batch, k)])):
            raise ValueError(
                f"teacher_forced takes inputs (batch, T, m), targets (batch, T, {k}) and an "
                f"initial_state (batch, {k}). Received: shapes {', '.join(map(str, shapes))}. "
                f"Example: cell.teacher_forced(x, keras.ops.one_hot(labels, {k}))."
            )
        if not self.built:
            self.build(inputs.shape)
        inputs = ops.cast(inputs, self.compute_dtype)
        targets = ops.cast(targets, self.compute_dtype)
        if initial_state is None:
            (initial_state,) = self.get_initial_state(ops.shape(inputs)[0])
        before = ops.concatenate([initial_state[:, None], targets[:, :-1]], axis=1)
        y, _ = self.step(self.project(inputs), [before])
        return y

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "outputs": self.outputs,
            "activation": keras.activations.serialize(self.activation),
        }
