"""Models run cell by cell and step by step, to be watched or nudged; gradients on any backend."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from rnnkit.cells.base import Tensor
from rnnkit.engine_plan import where_real
from rnnkit.tracing import to_array

# (name of the layer, cell, inputs a step, masks a step, states, backwards or not) -> (ys, states)
Visit = Callable[[str, Any, list[Tensor], list[Tensor] | None, list[Tensor], bool], Any]
# (t, y, states, place of y among them, mask) -> (y, states), as they go on
After = Callable[[int, Tensor, list[Tensor], int | None, Tensor | None], tuple[Tensor, list]]


@contextlib.contextmanager
def visited(layers: list[keras.layers.RNN], visit: Visit) -> Iterator[None]:
    """Meanwhile each layer runs cell by cell, through `visit`, and no variable changes for good.

    `keras.layers.RNN`, and all layers made of it, leave their loop to `inner_loop`: that is
    what is replaced, on these objects alone.
    """

    def loop_of(layer: keras.layers.RNN) -> Callable[..., Any]:
        def inner_loop(sequences: Tensor, initial_state: Any, mask: Any, training: bool = False):
            stack = isinstance(layer.cell, keras.layers.StackedRNNCells)
            order = range(sequences.shape[1])
            order = order[::-1] if layer.go_backwards else order
            ys = [sequences[:, t] for t in order]
            masks = None
            if mask is not None:
                masks = [ops.cast(mask, "bool")[:, t, None] for t in order]
            ends = []
            for k, cell in enumerate(layer.cell.cells if stack else [layer.cell]):
                name = f"{layer.name}/{k}" if stack else layer.name
                start = initial_state[k] if stack else initial_state
                ys, end = visit(name, cell, ys, masks, tree.flatten(start), layer.go_backwards)
                ends.append(tree.pack_sequence_as(start, end))
            outputs = ys
            if masks is not None and layer.zero_output_for_mask:
                outputs = [ops.where(m, y, 0) for m, y in zip(masks, ys, strict=True)]
            return ys[-1], ops.stack(outputs, axis=1), ends if stack else ends[0]

        return inner_loop

    for layer in layers:
        vars(layer)["inner_loop"] = loop_of(layer)
    try:
        with keras.StatelessScope():
            yield
    finally:
        for layer in layers:
            del vars(layer)["inner_loop"]


def run_steps(
    cell: Any, xs: list[Tensor], masks: list[Tensor] | None, states: list[Tensor], after: After
) -> tuple[list[Tensor], list[Tensor], list[list[Tensor]]]:
    """A cell over time: `(ys, last states, states before each step)`."""
    ys: list[Tensor] = []
    before = []
    for t, x in enumerate(xs):
        before.append(states)
        y, new = cell(x, states, training=False)
        new = tree.flatten(new)
        shown = next((k for k, state in enumerate(new) if state is y), None)
        mask = None if masks is None else masks[t]
        if mask is not None:
            y = ops.where(mask, y, ys[-1] if ys else 0)
            new = [where_real(mask, a, b) for a, b in zip(new, states, strict=True)]
        y, states = after(t, y, new, shown, mask)
        ys.append(y)
    return ys, states, before


@contextlib.contextmanager
def nudged_query(cell: Any, moves: Callable[[int, list[Tensor]], list]) -> Iterator[None]:
    """Meanwhile the states of the cell within are moved before the attention looks at them.

    Args:
        cell: an `AttentionCell`, which is run over time once.
        moves: from t and the states after step t to what is added to them, first to the query.
    """
    plain, count = cell.step_within, itertools.count()

    def step_within(projected: Tensor, states: list[Tensor], training: bool | None):
        query, new = plain(projected, states, training)
        new = tree.flatten(new)
        found = moves(next(count), new)
        return query + found[0], moved_by(new, found)

    vars(cell)["step_within"] = step_within
    try:
        yield
    finally:
        del vars(cell)["step_within"]


def moved_by(states: list[Tensor], moves: list[Tensor]) -> list[Tensor]:
    """Each state and its move; those behind, which have none, as they are."""
    moved = [state + move for state, move in zip(states, moves, strict=False)]
    return moved + states[len(moves) :]


def gradients(
    specs: list[tuple[tuple[int, ...], str]], loss: Callable[[list[Tensor]], Tensor]
) -> list[np.ndarray]:
    """The gradients of `loss` at zero, on any backend.

    A step of SGD with rate 1 leaves weights that were zero at minus the gradient.

    Args:
        specs: shape and dtype of each argument.
        loss: from the list of arguments to a scalar.
    """
    probe = _Probe(specs, loss)
    probe.compile(keras.optimizers.SGD(1.0), run_eagerly=True)  # a graph of all steps is slow
    probe.train_on_batch(np.zeros((1, 1), "float32"))
    return [-to_array(nudge) for nudge in probe.nudges]


class _Probe(keras.Model):
    def __init__(self, specs: Any, loss: Callable[[list[Tensor]], Tensor]) -> None:
        super().__init__()
        self.nudges = [
            self.add_weight(shape=shape, dtype=dtype, initializer="zeros", name=f"nudge_{k}")
            for k, (shape, dtype) in enumerate(specs)
        ]
        self.loss_of = loss
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        nudges = [ops.convert_to_tensor(nudge) for nudge in self.nudges]
        loss = self.loss_of(nudges)
        unused = sum(0 * ops.cast(ops.sum(nudge), loss.dtype) for nudge in nudges)
        self.add_loss(loss + unused)  # so that each has a gradient
        return inputs
