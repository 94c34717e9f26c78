"""Cells around cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from rnnkit.arguments import is_cell
from rnnkit.cells.base import BaseCell, States, Tensor, accepted


class Wrapper(BaseCell):
    """A cell that holds a cell, rnnkit's or any with Keras's contract, and has its states first."""

    def __init__(self, cell: keras.layers.Layer, **kwargs: Any) -> None:
        if not is_cell(cell):
            raise ValueError(
                f"{type(self).__name__} needs a cell: a layer with state_size and "
                f"call(inputs, states). Received: cell={cell!r}. "
                f"Example: {type(self).__name__}(rnnkit.LSTMCell(64), ...)."
            )
        kwargs.setdefault("dtype", cell.dtype_policy)
        super().__init__(**kwargs)
        self.cell = cell

    @property
    def state_size(self) -> list[int]:
        size = self.cell.state_size
        return list(size) if isinstance(size, (list, tuple)) else [size]

    @property
    def output_size(self) -> int:
        return getattr(self.cell, "output_size", None) or self.state_size[0]

    def build(self, input_shape: Sequence[int | None]) -> None:
        if not self.cell.built:
            self.cell.build(input_shape)
            self.cell.built = True

    def get_initial_state(self, batch_size: int | Tensor | None = None) -> States:
        initial = getattr(self.cell, "get_initial_state", super().get_initial_state)(batch_size)
        return list(initial) if isinstance(initial, (list, tuple)) else [initial]

    @property
    def memory_size(self) -> int:
        return getattr(self.cell, "memory_size", 0)

    def build_memory(self, memory_shape: Sequence[int | None]) -> None:
        if self.memory_size:
            self.cell.build_memory(memory_shape)

    def remember(self, memory: Tensor, mask: Tensor | None = None) -> States:
        return self.cell.remember(memory, mask) if self.memory_size else []

    def project(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """The projection of the cell within; a cell of Keras has none, and sees x itself."""
        if not isinstance(self.cell, BaseCell):
            return inputs
        return self.cell.project(inputs, **accepted(self.cell.project, training=training))

    def step_within(
        self, projected: Tensor, states: States, training: bool | None
    ) -> tuple[Tensor, States]:
        """A step of the cell within."""
        step = self.cell.step if isinstance(self.cell, BaseCell) else self.cell.call
        return step(projected, states, **accepted(step, training=training))

    def get_config(self) -> dict[str, Any]:
        cell = keras.saving.serialize_keras_object(self.cell)
        return {**super().get_config(), "cell": cell}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Wrapper:
        return cls(**{**config, "cell": keras.saving.deserialize_keras_object(config["cell"])})


@keras.saving.register_keras_serializable("rnnkit")
class ResidualCell(Wrapper):
    """Residual connection: the cell says what to add to its input.

        r_t, states = the cell's own step
        y_t = x_t + r_t

    In a stack the input and the gradient pass every cell by, so depth does no harm: `RNN([cell,
    ResidualCell(cell), ResidualCell(cell)])`. A cell that is parallel over time runs step by step
    in here; around a layer of it, `x + RNN(cell)(x)`, it stays parallel. The states are the cell's.

    Args:
        cell: a cell whose output is as wide as its input.

    Raises:
        ValueError: at build, when the widths differ.

    Example:

    >>> cells = [rnnkit.GRUCell(16), rnnkit.ResidualCell(rnnkit.GRUCell(16))]
    >>> layer = rnnkit.RNN(cells, return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 5, 16])

    Reference: K. He et al., Deep Residual Learning for Image Recognition, CVPR 2016; in recurrent
    stacks, Y. Wu et al., Google's Neural Machine Translation System, arXiv:1609.08144, 2016.
    """

    paper = "He 2016, Wu 2016"

    def build(self, input_shape: Sequence[int | None]) -> None:
        if input_shape[-1] != self.output_size:
            raise ValueError(
                "ResidualCell needs inputs as wide as its cell's outputs, "
                f"{self.output_size}. Received: inputs of width {input_shape[-1]}. "
                "Put a cell of that width, or a Dense layer, before it."
            )
        super().build(input_shape)

    def project(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """What the cell projects, and x beside it."""
        return ops.concatenate([super().project(inputs, training), inputs], axis=-1)

    def step(
        self, projected: Tensor, states: States, training: bool | None = None
    ) -> tuple[Tensor, States]:
        width = projected.shape[-1] - self.output_size
        projected, x = ops.split(projected, [width], axis=-1)
        r, states = self.step_within(projected, states, training)
        return x + r, list(states)
