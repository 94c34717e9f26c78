"""The half that writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops, tree

from rnnkit.attention import alignments
from rnnkit.cells.base import Tensor
from rnnkit.encoder_decoder.sizes import memory_size, output_size, own_sizes, sizes
from rnnkit.recurrent import RNN

States = list[Tensor]


class Decoder(keras.layers.Layer):
    """Tokens -> embedding -> cells -> logits, all steps at once or one by one.

    The states of all cells stand in one list, and so do their memories, with the summary of the
    source last where there is one.
    """

    def __init__(
        self,
        cells: list[keras.layers.Layer],
        vocabulary_size: int,
        embedding_size: int,
        *,
        dropout: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(name="decoder", **kwargs)
        own = {"dtype": self.dtype_policy}
        self.embedding_size = embedding_size
        self.embedding = keras.layers.Embedding(vocabulary_size, embedding_size, **own)
        self.rnn = RNN(cells, return_sequences=True, **own)
        self.output_layer = keras.layers.Dense(vocabulary_size, name="logits", **own)
        self.drop = keras.layers.Dropout(dropout, **own)

    @property
    def cells(self) -> list[keras.layers.Layer]:
        """The cells, the first one next to the tokens."""
        return list(self.rnn.cell.cells)

    @property
    def attends(self) -> bool:
        """Whether a cell reads the outputs of the encoder."""
        return any(memory_size(cell) for cell in self.cells)

    def build(
        self,
        targets_shape: Sequence[Any],
        summary_shape: Sequence[Any] | None = None,
        memory_shape: Sequence[Any] | None = None,
    ) -> None:
        batch, length = targets_shape
        width = self.embedding_size + (summary_shape[-1] if summary_shape else 0)
        self.embedding.build((batch, length))
        self.rnn.build((batch, length, width), memory_shape=memory_shape if self.attends else None)
        self.output_layer.build((batch, length, output_size(self.cells[-1])))

    def call(
        self,
        targets: Tensor,
        state: States,
        summary: Tensor | None,
        outputs: Tensor,
        outputs_mask: Tensor | None,
        training: bool | None = None,
    ) -> Tensor:
        inputs = self._inputs(targets, summary, training)
        ys = self.rnn(
            inputs, self._by_cell(state), training=training, **self._read(outputs, outputs_mask)
        )
        return self.output_layer(self.drop(ys, training=training))

    def alignments(
        self,
        targets: Tensor,
        state: States,
        summary: Tensor | None,
        outputs: Tensor,
        outputs_mask: Tensor | None,
    ) -> Tensor:
        """What the first cell with attention looked at: (batch, L, S)."""
        return alignments(
            self.rnn,
            self._inputs(targets, summary, training=False),
            outputs,
            initial_state=state,
            memory_mask=outputs_mask,
        )

    def first_state(self, given: States, batch: Any) -> States:
        """The states before the first step.

        `given` are those of the innermost cells; what wrappers add starts as they say.
        """
        given = list(given)
        state: States = []
        for cell in self.cells:
            start = tree.flatten(cell.get_initial_state(batch_size=batch))
            own, given = given[: len(own_sizes(cell))], given[len(own_sizes(cell)) :]
            state += [*own, *start[len(own) :]]
        return state

    def remember(
        self, outputs: Tensor, mask: Tensor | None, summary: Tensor | None
    ) -> list[Tensor]:
        """What steps read and do not change."""
        memory = []
        for cell in self.cells:
            if memory_size(cell):
                memory += cell.remember(outputs, mask)
        return memory if summary is None else [*memory, summary]

    def step(
        self, tokens: Tensor, state: States, memory: States, keep: Tensor | None = None
    ) -> tuple[Tensor, States]:
        """One step; `keep` are the masks of dropout in training, `dropout_masks` of this step."""
        x = self.embedding(tokens)
        if keep is not None:
            x = x * ops.cast(keep[:, : self.embedding_size], x.dtype)
        sizes_of_memory = [memory_size(cell) for cell in self.cells]
        if len(memory) > sum(sizes_of_memory):
            x = _beside(x, memory[-1])
        memory, new = list(memory), []
        for cell, own in zip(self.cells, self._by_cell(state), strict=True):
            size = memory_size(cell)
            x, after = cell(x, [*own, *memory[:size]])
            memory = memory[size:]
            new += tree.flatten(after)[: len(own)]
        if keep is not None:
            x = x * ops.cast(keep[:, self.embedding_size :], x.dtype)
        return self.output_layer(x), new

    def dropout_masks(self, targets: Tensor) -> Tensor | None:
        """Of embedding and output, side by side, for all steps; None without dropout."""
        if not self.drop.rate:
            return None
        width = self.embedding_size + output_size(self.cells[-1])
        ones = ops.ones((*ops.shape(targets), width), dtype=self.compute_dtype)
        return self.drop(ones, training=True)

    def _inputs(self, targets: Tensor, summary: Tensor | None, training: bool | None) -> Tensor:
        x = self.drop(self.embedding(targets), training=training)
        if summary is None:
            return x
        every = ops.zeros_like(x[..., :1]) + summary[:, None]
        return ops.concatenate([x, every], axis=-1)

    def _read(self, outputs: Tensor, mask: Tensor | None) -> dict[str, Tensor | None]:
        return {"memory": outputs, "memory_mask": mask} if self.attends else {}

    def _by_cell(self, state: States) -> list[States]:
        """The state as a stack of cells takes it, a list for each."""
        flat = iter(state)
        return [[next(flat) for _ in sizes(cell)] for cell in self.cells]


def _beside(x: Tensor, summary: Tensor) -> Tensor:
    """Rows (rows, e), and beside each its summary (batch, n), rows side by side sharing one."""
    batch, width = ops.shape(summary)[0], x.shape[-1] + summary.shape[-1]
    grouped = ops.reshape(x, (batch, -1, x.shape[-1]))
    every = ops.zeros_like(grouped[..., :1]) + summary[:, None]
    joined = ops.concatenate([grouped, every], axis=-1)
    return ops.reshape(joined, (ops.shape(x)[0], width))
