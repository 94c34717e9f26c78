"""RNN: a cell over time."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from rnnkit.cells.base import Cell, States, Tensor


@keras.saving.register_keras_serializable("rnnkit")
class RNN(keras.layers.Layer):
    """A cell over time: y_t, s_t = cell(x_t, s_{t-1}) for t = 1..T.

    Args:
        cell: a `rnnkit` cell, or any layer with Keras's cell contract.
        return_sequences: True gives y_1..y_T, (batch, T, n); False y_T, (batch, n).
        return_state: True gives the last states too.

    Call arguments:
        inputs: (batch, T, m).
        initial_state: list of (batch, width) tensors; zeros by default.
        mask: (batch, T), True where a step is real. A masked step repeats the output and the
            states of the step before.

    Example:

    >>> layer = rnnkit.RNN(rnnkit.GRUCell(16))
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 16])
    """

    def __init__(
        self,
        cell: keras.layers.Layer,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.supports_masking = True

    def build(self, input_shape) -> None:
        if not self.cell.built:
            self.cell.build((input_shape[0], input_shape[-1]))

    def call(self, inputs: Tensor, initial_state: States | None = None, mask=None, training=None):
        states = initial_state
        if states is None:
            states = self.cell.get_initial_state(batch_size=ops.shape(inputs)[0])
        states = list(states) if isinstance(states, (list, tuple)) else [states]
        hoisted = isinstance(self.cell, Cell)
        xs = self.cell.project(inputs) if hoisted else inputs
        xs = ops.swapaxes(xs, 0, 1)
        width = xs.shape[-1]
        if mask is not None:  # one tensor, because scan takes only one when time is unknown
            mask = ops.cast(ops.swapaxes(mask, 0, 1), xs.dtype)
            xs = ops.concatenate([xs, mask[..., None]], axis=-1)

        def step(carry, x):
            previous, states = carry
            if hoisted:
                y, new = self.cell.step(x[:, :width], states)
            else:
                y, new = self.cell(x[:, :width], states)
            if mask is not None:
                real = x[:, width:] > 0
                y = ops.where(real, y, previous)
                new = [ops.where(real, a, b) for a, b in zip(new, states, strict=True)]
            return (y, new), (y, new)  # on TensorFlow, scan gives back only what looks like the carry

        first = ops.zeros((ops.shape(inputs)[0], self.cell.output_size), dtype=xs.dtype)
        (last, states), (ys, _) = ops.scan(step, (first, states), xs)
        result = ops.swapaxes(ys, 0, 1) if self.return_sequences else last
        return (result, *states) if self.return_state else result

    def compute_mask(self, inputs, mask=None):
        output = mask if self.return_sequences else None
        if not self.return_state:
            return output
        return (output, *(None for _ in range(len(self.cell.state_sizes))))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RNN:
        return cls(**{**config, "cell": keras.saving.deserialize_keras_object(config["cell"])})
