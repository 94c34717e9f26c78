"""RNN: a cell over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from rnnkit.arguments import fits, is_cell, is_positive_int
from rnnkit.backend import backend_engine
from rnnkit.cells.base import BaseCell, Tensor
from rnnkit.engine import run_over_time


def carried_mask(sequences: Tensor) -> Tensor | None:
    """The mask that the layer before has left on its output, as `Embedding` and `Masking` do.

    Keras hands it to `call` only where `sequences` is the one tensor: not beside an initial state.
    """
    return getattr(sequences, "_keras_mask", None)


@keras.saving.register_keras_serializable("rnnkit")
class RNN(keras.layers.RNN):
    """A cell over time: y_t, s_t = cell(x_t, s_{t-1}) for t = 1..T.

    It is `keras.layers.RNN` with its arguments, and with the loops of `rnnkit.engine` for the cells
    of rnnkit: one product for all input projections, backpropagation through time as derived by
    hand. Any other cell with Keras's contract runs in Keras's own loop.

    Args:
        cell: a `rnnkit.Cell`, any layer with Keras's cell contract, or a list of cells, each
            running on the outputs of the one before.
        return_sequences: bool, default False. True gives y_1..y_T, (batch, T, n); False y_T,
            (batch, n).
        return_state: bool, default False. True gives the last states too.
        go_backwards: bool, default False. True runs from x_T to x_1, and gives the outputs in that
            order.
        stateful: bool, default False. True begins each batch, of one size that stays, in the last
            states of the batch before; `reset_state()` begins anew.
        unroll: bool, default False. True lets Keras write every step into the graph: for a handful
            of steps, of a number that is known.
        zero_output_for_mask: bool, default False. True gives zeros at masked steps, where else the
            output before them is repeated.
        truncate_gradient: positive int k, or None (the default: no truncation). States hand no
            gradient back from step T-k+1 to T-k, from T-2k+1 to T-2k, and so on: the loss at a step
            reaches at most k steps back, itself included, and the loss at step T exactly k. Values
            do not change. The initial state keeps its gradient from the first k steps or fewer.
        **kwargs: `name`, and `dtype`, which is the cell's by default.

    Call arguments:
        sequences: (batch, T, m); T and batch may be unknown.
        initial_state: list of (batch, width) tensors; the cell's `get_initial_state` by default.
        mask: (batch, T), True where a step is real: anywhere, in any number; by default the mask
            that `sequences` carries. A masked step repeats the output and the states of the step
            before; before the first real step the output is zero. The mask goes on to the next
            layer when `return_sequences`.
        memory: (batch, S, k), what an `AttentionCell` attends to; no other cell takes one. Cells
            read it from behind their states, where no step changes it.
        memory_mask: (batch, S), True where the memory is real; by default the mask that `memory`
            carries.

    Returns:
        The output, or `(output, *states)` with `return_state`.

    Raises:
        ValueError: a cell without Keras's contract, inputs of another rank than 3 or of no step,
            a mask or states of other shapes than above, `truncate_gradient` below 1, or with a
            cell that is not rnnkit's; another batch size than the first one's with `stateful`; a
            memory for cells that have none, or none for an `AttentionCell`.

    Example:

    >>> layer = rnnkit.RNN(rnnkit.GRUCell(16))
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 16])

    Reference: P. Werbos, Backpropagation Through Time: What It Does and How to Do It, Proceedings
    of the IEEE 78, 1990; R. Williams and J. Peng, An Efficient Gradient-Based Algorithm for On-Line
    Training of Recurrent Network Trajectories, Neural Computation 2, 1990, for the truncation.
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        *,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        truncate_gradient: int | None = None,
        **kwargs: Any,
    ) -> None:
        cells = list(cell) if isinstance(cell, (list, tuple)) else [cell]
        if not cells or not all(map(is_cell, cells)):
            raise ValueError(
                "RNN needs a cell, a layer with state_size and call(inputs, states), or a list of "
                f"cells. Received: cell={cell!r}. Example: RNN(rnnkit.LSTMCell(64))."
            )
        kwargs.setdefault("dtype", cells[0].dtype_policy)
        if isinstance(cell, (list, tuple)):
            cell = keras.layers.StackedRNNCells(cells, dtype=kwargs["dtype"])
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            zero_output_for_mask,
            **kwargs,
        )
        self.supports_masking = True
        if truncate_gradient is not None and not is_positive_int(truncate_gradient):
            raise ValueError(
                "truncate_gradient must be None or a positive int, a number of steps. "
                f"Received: truncate_gradient={truncate_gradient!r}. "
                "Example: RNN(cell, truncate_gradient=35)."
            )
        self.truncate_gradient = None if truncate_gradient is None else int(truncate_gradient)
        if not self._has_engine:
            self._refuse_to_truncate("the cell is not rnnkit's, of another dtype, or unrolled")

    def _refuse_to_truncate(self, reason: str) -> None:
        if self.truncate_gradient is not None:
            raise ValueError(
                f"truncate_gradient needs rnnkit's loop, but {reason}, so Keras's loop runs it. "
                f"Received: cell={self.cell}, truncate_gradient={self.truncate_gradient}. "
                "Example: RNN(rnnkit.LSTMCell(64), truncate_gradient=35)."
            )

    @property
    def _cells(self) -> list[keras.layers.Layer]:
        stacked = isinstance(self.cell, keras.layers.StackedRNNCells)
        return list(self.cell.cells) if stacked else [self.cell]

    @property
    def _has_engine(self) -> bool:
        return not self.unroll and all(
            isinstance(cell, BaseCell) and cell.compute_dtype == self.compute_dtype
            for cell in self._cells
        )

    def build(self, sequences_shape, initial_state_shape=None, memory_shape=None):
        self._check_rank(sequences_shape)
        if self.stateful and sequences_shape[0] is None:
            raise ValueError(
                f"{self.name} is stateful, so that its batches have one size, which must be known. "
                f"Received: inputs of shape {tuple(sequences_shape)}. "
                "Example: keras.Input(batch_shape=(32, None, 8))."
            )
        for cell in self._attending:
            if memory_shape is not None:
                cell.build_memory(memory_shape)
        super().build(sequences_shape)
        self.input_spec = keras.layers.InputSpec(axes=dict(enumerate(sequences_shape[2:], 2)))

    def reset_state(self) -> None:
        """Begins anew: a stateful layer's next batch starts in the cell's initial states."""
        kept = tree.flatten(self.states) if self.states is not None else []
        if kept:
            start = self.get_initial_state(kept[0].shape[0])
            for variable, value in zip(kept, tree.flatten(start), strict=True):
                variable.assign(value)

    @property
    def _attending(self) -> list[BaseCell]:
        return [cell for cell in self._cells if getattr(cell, "memory_size", 0)]

    def call(
        self,
        sequences: Tensor,
        initial_state=None,
        mask=None,
        training=False,
        memory=None,
        memory_mask=None,
    ):
        self._check_rank(sequences.shape)
        batch = sequences.shape[0]
        if self.stateful and not fits((batch,), (self._expected_batch_size,)):
            raise ValueError(
                f"{self.name} is stateful, with states for a batch of {self._expected_batch_size}. "
                f"Received: inputs of shape {tuple(sequences.shape)}. Feed batches of "
                f"{self._expected_batch_size}, or build a layer for others."
            )
        if sequences.shape[1] == 0:
            raise ValueError(
                f"{self.name} needs sequences of one step or more. Received: inputs of shape "
                f"{tuple(sequences.shape)}. Pad an empty sequence, and mask the padding."
            )
        mask = carried_mask(sequences) if mask is None else mask
        if initial_state is not None:
            self._check_states(initial_state, batch)
        if mask is not None and not fits(np.shape(mask), sequences.shape[:2]):
            raise ValueError(
                f"The mask of {self.name} has one value a step, (batch, time), here "
                f"{tuple(sequences.shape[:2])}. Received: mask of shape {tuple(np.shape(mask))}. "
                "Example: layer(x, mask=keras.ops.any(x != 0, axis=-1))."
            )
        if (memory is None) == bool(self._attending):
            raise ValueError(
                f"{self.name} {'needs' if memory is None else 'takes no'} memory, because its "
                f"cells are {[type(cell).__name__ for cell in self._cells]}. "
                f"Received: memory={memory}. "
                "Example: RNN(AttentionCell(cell, attention, attention_size=64))(x, memory=memory)."
            )
        if memory is not None:
            if initial_state is None:
                states = self.states if self.stateful else None
                initial_state = states or self.get_initial_state(ops.shape(sequences)[0])
            initial_state = self._with_memory(initial_state, memory, memory_mask)
        return super().call(sequences, initial_state=initial_state, mask=mask, training=training)

    def _with_memory(self, states: Any, memory: Tensor, mask: Tensor | None) -> list[Any]:
        """The states of each cell, and behind them what it remembers."""
        if self._cells == [self.cell]:
            return [*states, *self.cell.remember(memory, mask)]
        return [
            [*tree.flatten(own), *cell.remember(memory, mask)] if cell in self._attending else own
            for cell, own in zip(self._cells, states, strict=True)
        ]

    def _check_rank(self, shape: Sequence[int | None]) -> None:
        """Before a cell is built: a width taken from another axis would spoil it."""
        if len(shape) < 3 or (self._has_engine and len(shape) > 3):
            raise ValueError(
                "An RNN expects inputs of rank 3, (batch, time, features). "
                f"Received: inputs of shape {tuple(shape)}. Example: layer(x[None]) for one "
                "sequence, layer(x[..., None]) for one number a step."
            )

    def _check_states(self, states: Any, batch: int | None) -> None:
        expected = [(batch, width) for width in tree.flatten(self.state_size)]
        shapes = [tuple(np.shape(state)) for state in tree.flatten(states)]
        if len(shapes) != len(expected) or not all(map(fits, shapes, expected)):
            raise ValueError(
                f"{self.name} has states of shapes {[(batch or 'batch', n) for _, n in expected]}. "
                f"Received: initial_state of shapes {shapes}. Example: "
                "layer(x, initial_state=layer.get_initial_state(batch_size))."
            )

    def inner_loop(self, sequences: Tensor, initial_state, mask, training=False):
        """The place where `keras.layers.RNN` lets a layer run its own loop over time."""
        last, ys, ends = self._loop(sequences, initial_state, mask, training)
        if not self._attending:
            return last, ys, ends
        if self._cells == [self.cell]:
            return last, ys, list(ends)[: -self.cell.memory_size]
        return (
            last,
            ys,
            [
                end[: -cell.memory_size] if cell in self._attending else end
                for cell, end in zip(self._cells, ends, strict=True)
            ],
        )

    def _loop(self, sequences: Tensor, initial_state, mask, training):
        """Last output, all outputs, and the last states of each cell with its memory."""
        engine = backend_engine() if self._has_engine else None
        if engine is None:
            self._refuse_to_truncate("this backend has none")
            return super().inner_loop(sequences, initial_state, mask, training)
        ys = ops.swapaxes(sequences, 0, 1)
        mask = None if mask is None else ops.swapaxes(ops.cast(mask, "bool"), 0, 1)[..., None]
        if self.go_backwards:
            ys, mask = ops.flip(ys, 0), None if mask is None else ops.flip(mask, 0)
        cells = self._cells
        single = cells == [self.cell]
        ends = []
        starts = [initial_state] if single else initial_state
        for place, (cell, states) in enumerate(zip(cells, starts, strict=True), 1):
            sequence = self.return_sequences or place < len(cells)
            results = run_over_time(
                engine,
                cell,
                ys,
                mask,
                tree.flatten(states),
                training=training,
                truncate=self.truncate_gradient,
                sequence=sequence,
            )
            if results is None:
                self._refuse_to_truncate("a step changes variables, as a random draw does")
                return super().inner_loop(sequences, initial_state, mask, training)
            ys, last, end = results
            ends.append(tree.pack_sequence_as(states, end))
        if not self.return_sequences:
            return last, last, ends[0] if single else ends
        if mask is not None and self.zero_output_for_mask:
            ys = ops.where(mask, ys, 0)
        return last, ops.swapaxes(ys, 0, 1), ends[0] if single else ends

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "truncate_gradient": self.truncate_gradient}
