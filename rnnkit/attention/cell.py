"""AttentionCell: a cell that reads a memory at every step; and what it looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops, tree

from rnnkit.arguments import positive_int
from rnnkit.attention.mechanisms import Attention
from rnnkit.cells.base import Cell, States, Tensor
from rnnkit.cells.initializers import PerGate
from rnnkit.cells.wrappers import Wrapper
from rnnkit.recurrent import RNN


@keras.saving.register_keras_serializable("rnnkit")
class AttentionCell(Wrapper):
    """A cell around a cell that looks at a memory in every step.

        q_t, s_t = cell([x_t, a_{t-1}], s_{t-1})        the cell's own step
        c_t = sum_j alignment(q_t, m_j) m_j             see `Attention`
        a_t = activation([q_t, c_t] W_a)                (batch, attention_size)
        y_t = a_t

    The cell sees what it attended to one step before (Luong's input feeding), so that its next
    look can depend on it. States: those of the cell, and a_t.

    The memory comes behind the states, as the three tensors that `remember` makes of it: keys
    (projected once, not at every step), values and mask. No step changes them. They get there in
    one of two ways:

        rnnkit.RNN(cell)(x, memory=memory)                          all steps; carries the mask too
        y, states = cell(x_t, [*states, *cell.remember(memory)])    a step; `states` end with them

    In both they are tensors, never variables, so that models with them are saved, exported and
    searched like any other. In a step, several rows may share a memory, if they stand side by
    side: 5 hypotheses a sentence of a beam read a memory with one row a sentence.

    Args:
        cell: a `rnnkit.Cell`, or any layer with Keras's cell contract.
        attention: a `BahdanauAttention`, `LuongDotAttention`, `LuongGeneralAttention`.
        attention_size: positive int, the width of a_t.
        activation: of a_t, a Keras activation or its name. tanh is the paper's; TensorFlow Addons
            has "linear".

    Raises:
        ValueError: something else than a cell and an `Attention`, of one dtype; `attention_size`
            is no positive int; at build, the width of the memory is not known.

    Example:

    >>> cell = rnnkit.AttentionCell(
    ...     rnnkit.LSTMCell(16), rnnkit.BahdanauAttention(16), attention_size=16)
    >>> layer = rnnkit.RNN(cell, return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3)), memory=keras.ops.zeros((2, 7, 8))).shape
    TensorShape([2, 5, 16])

    Reference: M.-T. Luong, H. Pham and C. Manning, Effective Approaches to Attention-based Neural
    Machine Translation, EMNLP 2015; D. Bahdanau, K. Cho and Y. Bengio, Neural Machine Translation
    by Jointly Learning to Align and Translate, ICLR 2015, where the query is s_{t-1}.
    """

    paper = "Luong 2015"

    def __init__(
        self,
        cell: keras.layers.Layer,
        attention: Attention,
        *,
        attention_size: int,
        activation: Any = "tanh",
        **kwargs: Any,
    ) -> None:
        super().__init__(cell, **kwargs)
        if not isinstance(attention, Attention):
            raise ValueError(
                "attention must be one of rnnkit's, such as BahdanauAttention(64). "
                f"Received: attention={attention!r}."
            )
        if attention.dtype_policy.name != self.dtype_policy.name:
            raise ValueError(
                "cell and attention must be of one dtype. Received: a cell of "
                f"{self.dtype_policy.name}, an attention of {attention.dtype_policy.name}. "
                f"Example: {type(attention).__name__}(..., dtype={self.dtype_policy.name!r})."
            )
        if getattr(cell, "memory_size", 0):
            raise ValueError(
                "AttentionCell needs a cell that attends to nothing yet. "
                f"Received: cell={cell!r}. In a stack, RNN([...]), each cell may have its own."
            )
        self.attention = attention
        example = "AttentionCell(cell, attention, attention_size=64)"
        self.attention_size = positive_int("attention_size", attention_size, example)
        self.activation = keras.activations.get(activation)
        self._memory_shape: Any = None

    @property
    def state_size(self) -> list[int]:
        return [*super().state_size, self.attention_size]

    @property
    def output_size(self) -> int:
        return self.attention_size

    @property
    def query_size(self) -> int:
        """The width of q_t, the output of the cell within."""
        return getattr(self.cell, "output_size", None) or self.state_size[0]

    @property
    def memory_size(self) -> int:
        return 3

    def get_initial_state(self, batch_size: int | Tensor | None = None) -> States:
        """Those of the cell, and zeros for a_0."""
        nothing = ops.zeros((batch_size, self.attention_size), dtype=self.compute_dtype)
        return [*super().get_initial_state(batch_size), nothing]

    def build_memory(self, memory_shape: Sequence[Any]) -> None:
        self._memory_shape = tuple(memory_shape)

    def build(self, input_shape: Sequence[Any]) -> None:
        if self._memory_shape is None:
            raise ValueError(
                "AttentionCell cannot be built before the width of its memory is known. "
                "Received: no memory. Example: RNN(cell)(x, memory=memory), or "
                "cell.build_memory(memory.shape) before a step."
            )
        if not self.attention.built:
            self.attention.build((None, self.query_size), self._memory_shape)
            self.attention.built = True
        width = input_shape[-1]
        plain = self._plain
        super().build((None, width if plain else width + self.attention_size))
        if plain is not None:  # a_{t-1} has a kernel of its own, so that x_t is projected outside
            gates = len(plain.gates)
            self.feed_kernel = self.add_weight(
                name="feed_kernel",
                shape=(self.attention_size, plain.kernel.shape[-1]),
                initializer=PerGate(plain.kernel_initializer, gates, first=gates),
                regularizer=plain.kernel_regularizer,
            )
        self.attention_kernel = self.add_weight(
            name="attention_kernel",
            shape=(self.query_size + self._memory_shape[-1], self.attention_size),
        )

    @property
    def _plain(self) -> Cell | None:
        """The cell within, where its projection is x W + b and nothing else."""
        cell = self.cell
        while isinstance(cell, Wrapper) and type(cell).project is Wrapper.project:
            cell = cell.cell
        plain = isinstance(cell, Cell) and type(cell).project is Cell.project
        return cell if plain else None

    def remember(self, memory: Tensor, mask: Tensor | None = None) -> States:
        """Keys, values and mask of a memory (batch, S, m): what follows the states.

        Raises:
            ValueError: a memory of another rank or width.
        """
        if not self.attention.built:
            self.build_memory(memory.shape)
            self.attention.build((None, self.query_size), memory.shape)
            self.attention.built = True
        if memory.shape[-1] != self._memory_shape[-1]:
            raise ValueError(
                f"{self.name} was built for a memory of width {self._memory_shape[-1]}. "
                f"Received: memory of shape {tuple(memory.shape)}."
            )
        return self.attention.remember(memory, mask)

    def project(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """The part of the cell's projection that needs no past: x_t W + b, or x_t itself."""
        return inputs if self._plain is None else super().project(inputs, training)

    def step(
        self, projected: Tensor, states: States, training: bool | None = None
    ) -> tuple[Tensor, States]:
        memory = states[-self.memory_size :]
        query, new = self.query(projected, states, training)
        context = self.attention.attend(query, *memory)
        seen = ops.concatenate([query, context], axis=-1)
        attended = self.activation(self.dot(seen, self.attention_kernel))
        return attended, [*new, attended, *memory]

    def query(
        self, projected: Tensor, states: States, training: bool | None = None
    ) -> tuple[Tensor, States]:
        """q_t and the new states of the cell within."""
        *within, fed = states[: -self.memory_size]
        if self._plain is None:
            projected = super().project(ops.concatenate([projected, fed], axis=-1), training)
        else:
            projected = projected + self.dot(fed, self.feed_kernel)
        query, new = self.step_within(projected, within, training)
        return query, tree.flatten(new)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "attention": keras.saving.serialize_keras_object(self.attention),
            "attention_size": self.attention_size,
            "activation": keras.activations.serialize(self.activation),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> AttentionCell:
        parts = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("cell", "attention")
        }
        return cls(**{**config, **parts})

    def get_build_config(self) -> dict[str, Any] | None:
        """What `build` was given, and the shape of the memory."""
        config = super().get_build_config()
        return config and {**config, "memory_shape": self._memory_shape}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the cell as it was when it was saved."""
        config = dict(config)
        self.build_memory(config.pop("memory_shape"))
        super().build_from_config(config)


class _QueryCell(Wrapper):
    """An `AttentionCell` that shows its queries."""

    @property
    def output_size(self) -> int:
        return self.cell.query_size

    def step(
        self, projected: Tensor, states: States, training: bool | None = None
    ) -> tuple[Tensor, States]:
        query, _ = self.cell.query(projected, states, training)
        _, new = self.cell.step(projected, states, training)
        return query, new


def alignments(
    layer: RNN,
    sequences: Tensor,
    memory: Tensor,
    *,
    initial_state: Any = None,
    memory_mask: Tensor | None = None,
) -> Tensor:
    """What an `AttentionCell` looked at: the alignments of every step.

    Args:
        layer: a built `RNN` with an `AttentionCell`, the first one if it has several.
        sequences, memory, initial_state, memory_mask: as the layer is called with.

    Returns:
        (batch, T, S): row t, step t's weights on the places of the memory. They sum to 1, and are
        0 where `memory_mask` is False.

    Raises:
        ValueError: no cell of the layer attends, or the layer is not built.

    Example:

    >>> cell = rnnkit.AttentionCell(
    ...     rnnkit.GRUCell(4), rnnkit.LuongGeneralAttention(), attention_size=4)
    >>> layer, x = rnnkit.RNN(cell, return_sequences=True), keras.ops.zeros((2, 5, 3))
    >>> memory = keras.ops.ones((2, 7, 6))
    >>> y = layer(x, memory=memory)
    >>> rnnkit.attention.alignments(layer, x, memory).shape
    TensorShape([2, 5, 7])
    """
    cells = layer.cell.cells if hasattr(layer.cell, "cells") else [layer.cell]
    place = next((k for k, cell in enumerate(cells) if isinstance(cell, AttentionCell)), None)
    if place is None or not layer.built:
        raise ValueError(
            "alignments needs a built RNN with an AttentionCell. Received: "
            f"{'an unbuilt' if place is not None else 'a'} layer of "
            f"{[type(cell).__name__ for cell in cells]}. Call the layer once before."
        )
    attending = cells[place]
    shown = [*cells[:place], _QueryCell(attending)]
    states = None
    if initial_state is not None:
        flat = iter(tree.flatten(initial_state))
        states = [[next(flat) for _ in tree.flatten(cell.state_size)] for cell in shown]
    run = RNN(shown, return_sequences=True, dtype=layer.dtype_policy)
    queries = run(sequences, initial_state=states, memory=memory, memory_mask=memory_mask)
    keys, _, mask = attending.remember(memory, memory_mask)
    rows = ops.reshape(queries, (-1, queries.shape[-1]))
    return attending.attention.alignments(rows, keys, mask)
