"""Weights between our layers, Keras's and PyTorch's, wherever the equations agree.

    ours               Keras                    PyTorch
    VanillaCell        SimpleRNN                nn.RNN
    LSTMCell           LSTM                     nn.LSTM
    ProjectedLSTMCell  -                        nn.LSTM(proj_size=p), p < n
    GRUCell            GRU(reset_after=False)   -
    ResetAfterGRUCell  GRU                      nn.GRU

What differs is only notation, and every function here is the identity up to it:

- Keras's reset-before GRU mixes with z where `GRUCell` mixes with 1 - z = sigmoid(-a_z), so the
  weights of z change their sign.
- The reset-after GRUs of both, and every PyTorch layer, have two biases. They meet in a sum, except
  behind the reset, where the second one is `recurrent_bias`.
- PyTorch stores transposed kernels, and its GRU's gates in the order r, z, n.

The other cells have no counterpart in either library. `from_addons` reads the files of TensorFlow
Addons' cells (`rnnkit.convert_addons`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from rnnkit.cells import (
    Cell,
    GRUCell,
    LSTMCell,
    ProjectedLSTMCell,
    ResetAfterGRUCell,
    VanillaCell,
)
from rnnkit.convert_addons import from_addons as from_addons
from rnnkit.recurrent import RNN

Arrays = dict[str, np.ndarray]


def from_keras(layer: keras.layers.RNN) -> RNN:
    """Our layer with the weights, and so the outputs, of a built Keras layer.

    Args:
        layer: a built `keras.layers.LSTM`, `GRU` or `SimpleRNN`, or a `keras.layers.RNN` of their
            cells. Dropout and regularizers concern training and stay behind, and so does the state
            of a stateful layer.

    Returns:
        A built `RNN` with the same options and dtype.

    Raises:
        ValueError: another layer, one that is not built, or whose activations are not the
            textbook's sigmoid and tanh.

    Example:

    >>> layer = keras.layers.GRU(4)
    >>> y = layer(keras.ops.ones((2, 5, 3)))
    >>> ours = rnnkit.convert.from_keras(layer)
    >>> bool(keras.ops.max(keras.ops.abs(ours(keras.ops.ones((2, 5, 3))) - y)) < 1e-6)
    True
    """
    cell = _keras_cell(layer)
    kernel, recurrent = _array(cell.kernel), _array(cell.recurrent_kernel)
    n, dtype = cell.units, layer.dtype_policy
    bias = _array(cell.bias) if cell.use_bias else np.zeros(recurrent.shape[1])
    match cell:
        case keras.layers.SimpleRNNCell():
            ours: Cell = VanillaCell(n, activation=cell.activation, dtype=dtype)
            weights = {"kernel": kernel, "recurrent_kernel": recurrent, "bias": bias}
        case keras.layers.LSTMCell():
            ours = LSTMCell(n, dtype=dtype)
            weights = {"kernel": kernel, "recurrent_kernel": recurrent, "bias": bias}
        case keras.layers.GRUCell(reset_after=True):
            ours = ResetAfterGRUCell(n, dtype=dtype)
            first, second = np.broadcast_to(bias, (2, 3 * n))
            weights = {
                "kernel": kernel,
                "recurrent_kernel": recurrent,
                **_merged_biases(first, second, n),
            }
        case keras.layers.GRUCell(reset_after=False):
            ours = GRUCell(n, dtype=dtype)
            recurrent = _with_z_negated(recurrent, n)
            weights = {
                "kernel": _with_z_negated(kernel, n),
                "recurrent_kernel": recurrent[:, : 2 * n],
                "candidate_kernel": recurrent[:, 2 * n :],
                "bias": _with_z_negated(bias, n),
            }
    return _layer(ours, weights, batch=_batch(layer), **_options(layer))


def to_keras(rnn: RNN) -> keras.layers.RNN:
    """Keras's layer with the weights, and so the outputs, of ours.

    Args:
        rnn: a built `RNN` of one of the four cells above.

    Returns:
        A built `keras.layers.SimpleRNN`, `LSTM` or `GRU`.

    Raises:
        ValueError: Keras has no such layer, or `rnn` is not built, stacked, or of a wrapped cell.

    Example:

    >>> ours = rnnkit.RNN(rnnkit.GRUCell(4))
    >>> y = ours(keras.ops.ones((2, 5, 3)))
    >>> layer = rnnkit.convert.to_keras(ours)
    >>> bool(keras.ops.max(keras.ops.abs(layer(keras.ops.ones((2, 5, 3))) - y)) < 1e-6)
    True
    """
    cell, weights = _built_cell(rnn)
    n = cell.units
    options = {**_options(rnn), "dtype": cell.dtype_policy}
    values = [weights[name] for name in ("kernel", "recurrent_kernel", "bias") if name in weights]
    match cell:
        case VanillaCell():
            layer = keras.layers.SimpleRNN(n, activation=cell.activation, **options)
        case LSTMCell():
            layer = keras.layers.LSTM(n, **options)
        case ResetAfterGRUCell():
            layer = keras.layers.GRU(n, reset_after=True, **options)
            second = np.concatenate([np.zeros(2 * n), weights["recurrent_bias"]])
            values[2] = np.stack([weights["bias"], second])
        case GRUCell():
            layer = keras.layers.GRU(n, reset_after=False, **options)
            recurrent = np.concatenate(
                [weights["recurrent_kernel"], weights["candidate_kernel"]], axis=1
            )
            values = [_with_z_negated(value, n) for value in (values[0], recurrent, values[2])]
        case _:
            raise ValueError(
                "to_keras writes VanillaCell, LSTMCell, GRUCell and ResetAfterGRUCell. "
                f"Received: {type(cell).__name__}, which Keras does not have."
            )
    layer.build((_batch(rnn), None, weights["kernel"].shape[0]))
    layer.set_weights(values)
    return layer


def from_torch(source: Any, *, layer: int = 0, reverse: bool = False) -> RNN:
    """Our layer with the weights of one layer and direction of a PyTorch module.

    Args:
        source: an `nn.LSTM`, `nn.GRU` or `nn.RNN` (tanh), or its `state_dict()`; PyTorch itself is
            not imported. Which of the three it is shows in the shapes.
        layer: int from 0, for a module with `num_layers` above 1.
        reverse: True reads the backward direction of a bidirectional module. The result still runs
            forwards: it is the layer to put into the backward half.

    Returns:
        A built `RNN` with `return_sequences=True`, as PyTorch's modules have it.

    Raises:
        ValueError: no such weights, or a module with other equations (ReLU).
    """
    if not isinstance(source, Mapping) and not hasattr(source, "state_dict"):
        raise ValueError(
            "from_torch reads an nn.LSTM, nn.GRU or nn.RNN, or its state_dict(). "
            f"Received: {source!r}. Example: from_torch(torch.load('model.pt')), of a file."
        )
    nonlinearity = getattr(source, "nonlinearity", "tanh")
    if nonlinearity != "tanh":
        raise ValueError(
            f"from_torch reads nn.RNN with tanh. Received: nonlinearity={nonlinearity!r}. "
            "Set the weights of a VanillaCell(units, activation=...) by hand."
        )
    state = source if isinstance(source, Mapping) else source.state_dict()
    suffix = f"l{layer}_reverse" if reverse else f"l{layer}"
    if f"weight_ih_{suffix}" not in state:
        raise ValueError(
            f"Expected weight_ih_{suffix} among the weights of an nn.LSTM, nn.GRU or nn.RNN. "
            f"Received: {', '.join(state) or 'nothing'}."
        )
    kernel = np.asarray(state[f"weight_ih_{suffix}"]).T
    recurrent = np.asarray(state[f"weight_hh_{suffix}"]).T
    n = recurrent.shape[0]
    zeros = np.zeros(recurrent.shape[1], kernel.dtype)
    b_ih = np.asarray(state.get(f"bias_ih_{suffix}", zeros))
    b_hh = np.asarray(state.get(f"bias_hh_{suffix}", zeros))
    weights = {"kernel": kernel, "recurrent_kernel": recurrent, "bias": b_ih + b_hh}
    dtype = str(kernel.dtype)
    if f"weight_hr_{suffix}" in state:
        weights["projection_kernel"] = np.asarray(state[f"weight_hr_{suffix}"]).T
        cell = ProjectedLSTMCell(recurrent.shape[1] // 4, projection=n, dtype=dtype)
        return _layer(cell, weights, return_sequences=True)
    kind = {1: VanillaCell, 3: ResetAfterGRUCell, 4: LSTMCell}[recurrent.shape[1] // n]
    if kind is ResetAfterGRUCell:
        kernel, recurrent, b_ih, b_hh = (
            _with_z_and_r_swapped(array, n) for array in (kernel, recurrent, b_ih, b_hh)
        )
        weights = {
            "kernel": kernel,
            "recurrent_kernel": recurrent,
            **_merged_biases(b_ih, b_hh, n),
        }
    return _layer(kind(n, dtype=dtype), weights, return_sequences=True)


def to_torch(rnn: RNN, *, layer: int = 0, reverse: bool = False) -> Arrays:
    """The weights of ours under PyTorch's names, as NumPy arrays.

        state = {k: torch.from_numpy(v) for k, v in rnnkit.convert.to_torch(rnn).items()}
        torch.nn.LSTM(inputs, units, batch_first=True).load_state_dict(state)

    Args:
        rnn: a built `RNN` of a `VanillaCell` (tanh), `LSTMCell`, `ProjectedLSTMCell` or
            `ResetAfterGRUCell`.
        layer, reverse: the place in the module, which the names carry.

    Raises:
        ValueError: PyTorch has no such layer, or `rnn` is not built, stacked, or of a wrapped
            cell.

    Example:

    >>> rnn = rnnkit.RNN(rnnkit.LSTMCell(4))
    >>> rnn.build((None, None, 3))
    >>> sorted(rnnkit.convert.to_torch(rnn))
    ['bias_hh_l0', 'bias_ih_l0', 'weight_hh_l0', 'weight_ih_l0']
    """
    cell, weights = _built_cell(rnn)
    if isinstance(cell, GRUCell):
        raise ValueError(
            "PyTorch's GRU resets after the product with the recurrent kernel, GRUCell before it: "
            "no weights make them equal. Received: GRUCell. Train a ResetAfterGRUCell to convert."
        )
    if not isinstance(cell, (VanillaCell, LSTMCell, ProjectedLSTMCell, ResetAfterGRUCell)):
        raise ValueError(
            "to_torch writes VanillaCell, LSTMCell, ProjectedLSTMCell and ResetAfterGRUCell. "
            f"Received: {type(cell).__name__}, which PyTorch does not have."
        )
    if isinstance(cell, VanillaCell) and cell.activation is not keras.activations.tanh:
        raise ValueError(
            "to_torch writes VanillaCell with tanh. "
            f"Received: activation={keras.activations.serialize(cell.activation)!r}."
        )
    n = cell.units
    kernel, recurrent, b_ih = weights["kernel"], weights["recurrent_kernel"], weights["bias"]
    b_hh = np.zeros_like(b_ih)
    if isinstance(cell, ResetAfterGRUCell):
        b_hh[2 * n :] = weights["recurrent_bias"]
        kernel, recurrent, b_ih, b_hh = (
            _with_z_and_r_swapped(array, n) for array in (kernel, recurrent, b_ih, b_hh)
        )
    suffix = f"l{layer}_reverse" if reverse else f"l{layer}"
    arrays = {
        f"weight_ih_{suffix}": np.ascontiguousarray(kernel.T),
        f"weight_hh_{suffix}": np.ascontiguousarray(recurrent.T),
        f"bias_ih_{suffix}": b_ih,
        f"bias_hh_{suffix}": b_hh,
    }
    if isinstance(cell, ProjectedLSTMCell):
        arrays[f"weight_hr_{suffix}"] = np.ascontiguousarray(weights["projection_kernel"].T)
    return arrays


# --- a difference of notation each ----------------------------------------------------------------


def _with_z_negated(array: np.ndarray, n: int) -> np.ndarray:
    """1 - sigmoid(a) = sigmoid(-a): z and 1 - z change places."""
    return np.concatenate([-array[..., :n], array[..., n:]], axis=-1)


def _with_z_and_r_swapped(array: np.ndarray, n: int) -> np.ndarray:
    """z, r, g and r, z, n are the same gates in another order."""
    first, second, rest = np.split(array, [n, 2 * n], axis=-1)
    return np.concatenate([second, first, rest], axis=-1)


def _merged_biases(first: np.ndarray, second: np.ndarray, n: int) -> Arrays:
    """Biases of x W and of h U: one sum for z and r; behind the reset, two weights for g."""
    zr = np.arange(3 * n) < 2 * n
    return {"bias": first + second * zr, "recurrent_bias": second[2 * n :]}


# --- layers ---------------------------------------------------------------------------------------


def _keras_cell(layer: Any) -> keras.layers.Layer:
    """The cell of a Keras layer that has a twin here."""
    cell = getattr(layer, "cell", None)
    twins = keras.layers.SimpleRNNCell, keras.layers.LSTMCell, keras.layers.GRUCell
    if not isinstance(layer, keras.layers.RNN) or not isinstance(cell, twins):
        raise ValueError(
            "from_keras reads keras.layers.LSTM, GRU and SimpleRNN. "
            f"Received: {type(layer).__name__}."
        )
    if not cell.built:
        raise ValueError(
            f"The layer must be built. Received: {layer.name} without weights. "
            "Call it once, or layer.build((None, None, inputs))."
        )
    if isinstance(cell, keras.layers.SimpleRNNCell):
        return cell  # with any activation
    textbook = {"activation": "tanh", "recurrent_activation": "sigmoid"}
    found = {name: keras.activations.serialize(getattr(cell, name)) for name in textbook}
    if found != textbook:
        raise ValueError(f"Expected the activations {textbook}. Received: {found}.")
    return cell


def _options(layer: keras.layers.RNN) -> dict[str, Any]:
    """What Keras's layers and ours are asked for in the same words."""
    names = "return_sequences", "return_state", "go_backwards", "stateful", "unroll"
    return {name: getattr(layer, name) for name in (*names, "zero_output_for_mask")}


def _batch(layer: keras.layers.RNN) -> int | None:
    """The batch size that a stateful layer was built for."""
    return layer.states[0].shape[0] if layer.stateful else None


def _layer(cell: Cell, weights: Arrays, *, batch: int | None = None, **options: Any) -> RNN:
    """A built RNN of `cell` with `weights`."""
    layer = RNN(cell, dtype=cell.dtype_policy, **options)
    layer.build((batch, None, weights["kernel"].shape[0]))
    for variable in cell.weights:
        variable.assign(weights[variable.name])
    return layer


def _built_cell(rnn: RNN) -> tuple[Cell, Arrays]:
    """The cell of a built RNN, and its weights by name."""
    if not isinstance(rnn, RNN):
        raise ValueError(
            f"Expected a rnnkit.RNN. Received: {type(rnn).__name__}. Wrap a cell: RNN(cell)."
        )
    if not isinstance(rnn.cell, Cell):
        raise ValueError(
            "Expected an RNN of one of rnnkit's cells, neither stacked nor wrapped. "
            f"Received: {type(rnn.cell).__name__}. Convert what is in it cell by cell: RNN(cell)."
        )
    if not rnn.cell.built:
        raise ValueError(
            f"The layer must be built. Received: {rnn.name} without weights. "
            "Call it once, or layer.build((None, None, inputs))."
        )
    return rnn.cell, {variable.name: _array(variable) for variable in rnn.cell.weights}


def _array(variable: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(variable))
