"""The half that reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops, tree

from rnnkit.birnn import BiRNN
from rnnkit.cells.base import Tensor
from rnnkit.encoder_decoder.sizes import output_size, sizes
from rnnkit.recurrent import RNN


class Encoder(keras.layers.Layer):
    """Layers of cells, in one direction or both: (batch, S, m) -> outputs and last states."""

    def __init__(
        self, cells: list[keras.layers.Layer], *, bidirectional: bool, dropout: float, **kwargs: Any
    ) -> None:
        super().__init__(name="encoder", **kwargs)
        self.bidirectional = bidirectional
        kind: Any = BiRNN if bidirectional else RNN
        both = {"return_sequences": True, "return_state": True, "dtype": self.dtype_policy}
        self.layers = [kind(cell, **both) for cell in cells]
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    @property
    def cells(self) -> list[keras.layers.Layer]:
        """A cell a layer; with two directions the one from left to right."""
        if self.bidirectional:
            return [layer.forward_layer.cell for layer in self.layers]
        return [layer.cell for layer in self.layers]

    @property
    def output_size(self) -> int:
        """Width of the outputs."""
        return output_size(self.cells[-1]) * (1 + self.bidirectional)

    @property
    def end_sizes(self) -> list[list[int]]:
        """Widths of the last states, a list for each cell; with two directions there are twice as
        many cells."""
        return [sizes(cell) for cell in self.cells for _ in range(1 + self.bidirectional)]

    def build(self, source_shape: Sequence[Any]) -> None:
        for layer, cell in zip(self.layers, self.cells, strict=True):
            layer.build(source_shape)
            source_shape = (*source_shape[:2], output_size(cell) * (1 + self.bidirectional))

    def call(
        self, source: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        ends = []
        for layer in self.layers:
            dropped = self.drop(source, training=training)
            source, *states = layer(dropped, mask=mask, training=training)
            ends += tree.flatten(states)
        return source, ends

    def compute_mask(self, source: Tensor, mask: Any = None) -> None:
        """None: whoever reads the outputs is handed the mask of the source."""

    def summary(self, outputs: Tensor, mask: Tensor | None) -> Tensor:
        """The last output of each direction, (batch, output_size)."""
        if not self.bidirectional:
            return outputs[:, -1]  # which repeats the last real one
        half = outputs.shape[-1] // 2
        if mask is None:
            return ops.concatenate([outputs[:, -1, :half], outputs[:, 0, half:]], axis=-1)
        real = ops.cast(mask, "int32")
        first = ops.argmax(real, axis=-1)
        from_end = ops.argmax(ops.flip(real, axis=-1), axis=-1)
        last = ops.shape(real)[1] - 1 - ops.cast(from_end, "int32")
        forward = _at(outputs[..., :half], last)
        backward = _at(outputs[..., half:], first)
        return ops.concatenate([forward, backward], axis=-1)


def _at(outputs: Tensor, place: Tensor) -> Tensor:
    """The output at one place of each row."""
    return ops.take_along_axis(outputs, ops.cast(place, "int32")[:, None, None], axis=1)[:, 0]
