"""trace: every intermediate of a cell's step, under its textbook name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from rnnkit import cells, convert, reference
from rnnkit.arguments import is_cell
from rnnkit.attention.cell import AttentionCell
from rnnkit.cells.base import BaseCell, Tensor
from rnnkit.cells.wrappers import Wrapper

Array = np.ndarray


def trace(cell: keras.layers.Layer, x: Any, states: Any = None) -> dict[str, Array]:
    """Every intermediate of one step, or of a sequence of steps, under its textbook name.

        vanilla, indrnn                                  h
        output_recurrent                                 h, y
        lstm and its peepholes, layer_norm, projected    i, f, g, o, c, h
        coupled_lstm                                     f, i (= 1 - f), g, o, c, h
        gru, gru_reset_after                             z, r, g, h
        mgu                                              f, g, h
        min_gru                                          z, g, h
        min_lstm                                         f, i, g, h

    The names are those of the equations in each cell's docstring; gates are values after their
    sigmoid or tanh. States are the cell's own, gates what `rnnkit.reference` finds with the cell's
    weights. Nothing is dropped or zoned out: it is the cell as it answers, not as it trains.

    Args:
        cell: one of `rnnkit.CELLS`, a wrapper around one, a cell of Keras with a twin here (its
            gates are its twin's: `rnnkit.convert`), or any cell with Keras's contract, of which
            only the states are known, as h and c, and y where that is no state.
        x: (batch, m) for one step, (batch, T, m) for a sequence.
        states: those before the first step, as the cell takes them (an `AttentionCell` with its
            memory behind them); its initial ones by default.

    Returns:
        name -> (batch, n) of one step, or (batch, T, n): a NumPy array, c_t and h_t being those
        after step t.

    Raises:
        ValueError: `cell` is no cell, several cells, or x has another rank.

    Example:

    >>> step = rnnkit.trace(rnnkit.LSTMCell(4), keras.ops.ones((2, 3)))
    >>> sorted(step)
    ['c', 'f', 'g', 'h', 'i', 'o']
    >>> bool(abs(step["h"] - step["o"] * np.tanh(step["c"])).max() < 1e-6)
    True

    Reference: K. Greff et al., LSTM: A Search Space Odyssey, IEEE Transactions on Neural Networks
    and Learning Systems 28, 2017, for the names.
    """
    if isinstance(cell, keras.layers.StackedRNNCells) or not is_cell(cell):
        raise ValueError(
            f"trace looks into one cell. Received: cell={cell!r}. "
            "Example: trace(layer.cell, x), or trace(layer.cell.cells[0], x) of a stack."
        )
    x = ops.convert_to_tensor(x, dtype=cell.compute_dtype)
    if len(x.shape) not in (2, 3):
        raise ValueError(
            "trace expects one step, (batch, m), or a sequence, (batch, T, m). "
            f"Received: x of shape {tuple(x.shape)}."
        )
    xs = x if len(x.shape) == 3 else x[:, None]
    if not cell.built:
        cell.build((xs.shape[0], xs.shape[2]))
        cell.built = True
    states = cell.get_initial_state(batch_size=xs.shape[0]) if states is None else states
    states = [ops.convert_to_tensor(s, dtype=cell.compute_dtype) for s in tree.flatten(states)]
    ys, before, after = [], [], []
    for t in range(xs.shape[1]):
        before.append(states)
        y, states = cell(xs[:, t], states, training=False)
        states = tree.flatten(states)
        ys.append(y)
        after.append(states)
    found = gates(cell, xs, over_time(before)) | dict(
        zip(state_names(cell), map(to_array, over_time(after)), strict=False)
    )
    if all(y is not state for y, new in zip(ys, after, strict=True) for state in new):
        found["y"] = to_array(ops.stack(ys, axis=1))
    return found if len(x.shape) == 3 else {name: array[:, 0] for name, array in found.items()}


def gates(cell: keras.layers.Layer, xs: Tensor, before: list[Tensor]) -> dict[str, Array]:
    """What a cell computes between its inputs and its states, for all steps at once.

    Args:
        cell: a built cell.
        xs: (batch, T, m).
        before: each state before every step, (batch, T, n).

    Returns:
        name -> (batch, T, n); empty for a cell whose equations are not known.
    """
    inner = twin(innermost(cell))
    look = _GATES.get(type(inner))
    if look is None:
        return {}
    x, *states = [ops.reshape(tensor, (-1, tensor.shape[-1])) for tensor in (xs, *before)]
    weights = {weight.name: to_array(weight) for weight in inner.weights}
    attending = next((each for each in nested(cell) if isinstance(each, AttentionCell)), None)
    if attending is not None:  # the cell within sees x_t and a_{t-1}
        x = ops.concatenate([x, states[len(attending.state_sizes) - 1]], axis=-1)
        if hasattr(attending, "feed_kernel"):
            both = weights["kernel"], to_array(attending.feed_kernel)
            weights["kernel"] = np.concatenate(both)
    found = look(inner, weights, x, states[: len(inner.state_sizes)])
    return {name: array.reshape(*xs.shape[:2], -1) for name, array in found.items()}


def innermost(cell: keras.layers.Layer) -> keras.layers.Layer:
    """The cell within all wrappers."""
    *_, inner = nested(cell)
    return inner


def nested(cell: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """A cell, the cell that it wraps, and so on to the innermost."""
    yield cell
    while isinstance(cell, Wrapper):
        cell = cell.cell
        yield cell


def state_names(cell: keras.layers.Layer) -> tuple[str, ...]:
    """What the states of a cell are called; states that a wrapper adds have no name."""
    inner = innermost(cell)
    if isinstance(inner, cells.OutputRecurrentCell):
        return ("y",)
    return ("h", "c", "s2", "s3")[: len(tree.flatten(inner.state_size))]


def twin(cell: keras.layers.Layer) -> keras.layers.Layer:
    """Our cell with the weights of a cell of Keras's; any other cell as it is."""
    if isinstance(cell, BaseCell):
        return cell
    try:
        return convert.from_keras(keras.layers.RNN(cell, dtype=cell.dtype_policy)).cell
    except ValueError:
        return cell


def over_time(steps: list[list[Tensor]]) -> list[Tensor]:
    """A list of states for each step -> each state of all steps, (batch, T, n)."""
    return [ops.stack(state, axis=1) for state in zip(*steps, strict=True)]


def to_array(tensor: Tensor) -> Array:
    """A tensor as a NumPy array."""
    return np.asarray(ops.convert_to_numpy(tensor))


def _from_reference(
    forward: reference.Forward,
    names: str,
    cell: BaseCell,
    weights: dict[str, Array],
    x: Tensor,
    states: list[Tensor],
) -> dict[str, Array]:
    """The named parts of the cache of a reference step; `-` stands before those left out."""
    *_, cache = forward(to_array(x), [to_array(state) for state in states], weights)
    places = zip(names.split(), cache, strict=False)
    return {name: array for name, array in places if not name.startswith("-")}


def _coupled(*step: Any) -> dict[str, Array]:
    found = _from_reference(reference.coupled_lstm_forward, "-x -h -c f g o", *step)
    return {"f": found["f"], "i": 1 - found["f"], "g": found["g"], "o": found["o"]}


def _layer_norm(
    cell: Any, weights: dict[str, Array], x: Tensor, states: list[Tensor]
) -> dict[str, Array]:
    """By the cell itself: the reference knows one epsilon only."""
    past = cell.normalised(ops.matmul(states[0], cell.recurrent_kernel))
    i, f, g, o = ops.split(cell.project(x) + cell.recurrent_gain * past, 4, axis=-1)
    found = {"i": ops.sigmoid(i), "f": ops.sigmoid(f), "g": ops.tanh(g), "o": ops.sigmoid(o)}
    return {name: to_array(gate) for name, gate in found.items()}


def _cached(forward: reference.Forward, names: str) -> Callable[..., dict[str, Array]]:
    return functools.partial(_from_reference, forward, names)


_GATES: dict[type, Callable[..., dict[str, Array]]] = {
    cells.VanillaCell: lambda *_: {},
    cells.IndRNNCell: lambda *_: {},
    cells.OutputRecurrentCell: _cached(reference.output_recurrent_forward, "-x -y h"),
    cells.LSTMCell: _cached(reference.lstm_forward, "-x -h -c i f g o"),
    cells.PeepholeLSTMCell: _cached(reference.peephole_lstm_forward, "-x -h -c i f g o"),
    cells.FullPeepholeLSTMCell: _cached(reference.full_peephole_lstm_forward, "-x -h -c i f g o"),
    cells.ProjectedLSTMCell: _cached(reference.projected_lstm_forward, "-x -h -c i f g o"),
    cells.CoupledLSTMCell: _coupled,
    cells.LayerNormLSTMCell: _layer_norm,
    cells.GRUCell: _cached(reference.gru_forward, "-x -h z r g"),
    cells.ResetAfterGRUCell: _cached(reference.gru_reset_after_forward, "-x -h z r g"),
    cells.MGUCell: _cached(reference.mgu_forward, "-x -h f g"),
    cells.MinGRUCell: _cached(reference.min_gru_forward, "-x -h z g"),
    cells.MinLSTMCell: _cached(reference.min_lstm_forward, "-x -h f i g"),
}
