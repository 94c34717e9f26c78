"""Weights of TensorFlow Addons' recurrent cells and CRF; it need not be installed.

    TensorFlow Addons          here
    PeepholeLSTMCell           PeepholeLSTMCell, exactly
    LayerNormLSTMCell          AddonsLayerNormLSTMCell, exactly
    CRF                        Dense and CRF, exactly

Addons' layer-normalised LSTM is another function than `rnnkit.LayerNormLSTMCell`: it stores the
normalised memory where Ba et al. normalise it for the output alone. No weights make the two equal,
so that it has a cell of its own here, for nets that were trained with it.

The other cells of Addons (NASCell, ESNCell, LayerNormSimpleRNNCell) have no counterpart.
`docs/from-tensorflow-addons.md` has the whole map.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from rnnkit.cells import Cell, PeepholeLSTMCell
from rnnkit.cells.layer_norm import _LayerNormFamily
from rnnkit.crf import CRF
from rnnkit.recurrent import RNN
from rnnkit.weight_files import Arrays, read_weights, the_only_one

Tensor = Any
_PEEPHOLES = [f"{gate}_gate_peephole_weights" for gate in ("input", "forget", "output")]
_NORMS = [
    f"{norm}_norm/{part}" for norm in ("kernel", "recurrent", "state") for part in ("gamma", "beta")
]
_EXAMPLE = "from_addons('model.h5', layer='rnn')"


def from_addons(
    source: Any, *, layer: str | None = None, epsilon: float = 1e-3, **options: Any
) -> RNN:
    """Our layer with the weights, and so the outputs, of a cell of TensorFlow Addons.

    The files keep numbers and no settings: gates must be sigmoid and the rest tanh, the defaults.

    Args:
        source: a `.h5` or `.weights.h5` file, the prefix of a TensorFlow checkpoint, or a mapping
            from names to arrays as `rnnkit.weight_files.read_weights` gives it.
        layer: a part of the path to the cell in the file, where the file holds several.
        epsilon: float, `norm_epsilon` of a LayerNormLSTMCell, which its file does not keep.
        **options: of `RNN`; `return_sequences=True`.

    Returns:
        A built `RNN` of a `PeepholeLSTMCell` or an `AddonsLayerNormLSTMCell`. Dropout and
        regularizers, which concern training, stay behind.

    Raises:
        ValueError: the file holds no such cell, or several and `layer` does not say which.

    Example:

    >>> import numpy as np
    >>> shapes = {"kernel": (2, 12), "recurrent_kernel": (3, 12), "bias": (12,)}
    >>> shapes |= {f"{gate}_gate_peephole_weights": (3,) for gate in ("input", "forget", "output")}
    >>> weights = {f"rnn/cell/{name}": np.ones(shape) for name, shape in shapes.items()}
    >>> layer = rnnkit.convert_addons.from_addons(weights)
    >>> layer(keras.ops.ones((1, 5, 2))).shape
    TensorShape([1, 3])
    """
    arrays = dict(source) if isinstance(source, Mapping) else read_weights(source)
    cells = {
        place: cell for place, cell in _cells(arrays).items() if layer is None or layer in place
    }
    what = "PeepholeLSTMCell or LayerNormLSTMCell of TensorFlow Addons"
    weights = cells[the_only_one(cells, arrays, what, layer, _EXAMPLE)]
    kernel = weights["kernel"]
    units, dtype = weights["recurrent_kernel"].shape[0], str(kernel.dtype)
    bias = weights.get("bias", np.zeros(4 * units, kernel.dtype))
    cell: Cell
    if _PEEPHOLES[0] in weights:
        cell = PeepholeLSTMCell(units, dtype=dtype)
        own = {f"peephole_{name[0]}": weights[name] for name in _PEEPHOLES}
    else:
        cell = AddonsLayerNormLSTMCell(units, epsilon=epsilon, dtype=dtype)
        own = {
            "input_gain": weights["kernel_norm/gamma"],
            "recurrent_gain": weights["recurrent_norm/gamma"],
            "memory_gain": weights["state_norm/gamma"],
            "memory_bias": weights["state_norm/beta"],
        }
        bias = bias + weights["kernel_norm/beta"] + weights["recurrent_norm/beta"]
    own |= {"kernel": kernel, "recurrent_kernel": weights["recurrent_kernel"], "bias": bias}
    rnn = RNN(cell, dtype=cell.dtype_policy, **options)
    rnn.build((None, None, kernel.shape[0]))
    for variable in cell.weights:
        variable.assign(own[variable.name])
    return rnn


def crf_from_addons(
    source: Any, *, layer: str | None = None, constraints: Any = None
) -> tuple[keras.layers.Dense | None, CRF]:
    """Our layers with the weights of a `CRF` of TensorFlow Addons, which holds a Dense within.

    Args:
        source, layer: as for `from_addons`.
        constraints: as for `CRF`; Addons has none.

    Returns:
        The built pair `(dense, crf)`, for `crf(dense(outputs))`. `dense` is None for a CRF made
        with `use_kernel=False`; it is linear, as Addons' default. Start and end are zeros with
        `use_boundary=False`.

    Raises:
        ValueError: the file holds no such CRF, or several and `layer` does not say which.

    Example:

    >>> import numpy as np
    >>> weights = {"crf/chain_kernel": np.eye(3), "crf/dense/kernel": np.ones((2, 3))}
    >>> dense, crf = rnnkit.convert_addons.crf_from_addons(weights)
    >>> tags = rnnkit.CRFDecoder()(crf(dense(keras.ops.ones((1, 5, 2)))))
    >>> tags.shape
    TensorShape([1, 5])
    """
    arrays = dict(source) if isinstance(source, Mapping) else read_weights(source)
    found = {place: crf for place, crf in _crfs(arrays).items() if layer is None or layer in place}
    example = "crf_from_addons('model.h5', layer='crf')"
    weights = found[the_only_one(found, arrays, "CRF of TensorFlow Addons", layer, example)]
    chain = weights["chain_kernel"]
    tags, dtype = len(chain), str(chain.dtype)
    crf = CRF(tags, constraints=constraints, dtype=dtype)
    crf.build((None, None, tags))
    none = np.zeros(tags, dtype)
    crf.set_weights(
        [chain, weights.get("left_boundary", none), weights.get("right_boundary", none)]
    )
    if "kernel" not in weights:
        return None, crf
    dense = keras.layers.Dense(tags, dtype=dtype)
    dense.build((None, None, len(weights["kernel"])))
    dense.set_weights([weights["kernel"], weights.get("bias", none)])
    return dense, crf


def _crfs(arrays: Arrays) -> dict[str, Arrays]:
    """The CRFs among some weights, by the path to each, their weights under Addons' names."""
    found = {}
    for path, array in arrays.items():
        place, _, name = path.rpartition("/")
        # A `.weights.h5` file numbers: chain, left and right boundary; the Dense beside them.
        numbered = name == "0" and place.endswith("/vars") and array.shape[:1] == array.shape[1:]
        place = place.removesuffix("/vars") if numbered else place
        inner = f"{place}/_dense_layer/vars"
        ends = (arrays.get(f"{place}/vars/{n}", np.zeros(0)).shape for n in (1, 2))
        boundary = all(shape == array.shape[:1] for shape in ends)  # a Dense has its bias alone
        if numbered and (boundary or f"{inner}/0" in arrays):
            names = {
                "chain_kernel": f"{place}/vars/0",
                "left_boundary": f"{place}/vars/1",
                "right_boundary": f"{place}/vars/2",
                "kernel": f"{inner}/0",
                "bias": f"{inner}/1",
            }
        elif name == "chain_kernel":
            within = [p for p in arrays if p.startswith(f"{place}/") and p.endswith("/kernel")]
            inner = within[0].removesuffix("/kernel") if within else place
            names = {n: f"{place}/{n}" for n in ("chain_kernel", "left_boundary", "right_boundary")}
            names |= {n: f"{inner}/{n}" for n in ("kernel", "bias")}
        else:
            continue
        found[place] = {name: arrays[path] for name, path in names.items() if path in arrays}
    return found


def _cells(arrays: Arrays) -> dict[str, Arrays]:
    """The cells among some weights, by the path to each, their weights under Addons' names."""
    arrays = _named(arrays)
    found = {}
    for path in arrays:
        place, _, name = path.rpartition("/")
        if name != "recurrent_kernel":
            continue
        names = ["kernel", "recurrent_kernel", "bias", *_PEEPHOLES, *_NORMS]
        cell = {n: arrays[f"{place}/{n}"] for n in names if f"{place}/{n}" in arrays}
        if "kernel" in cell and any(all(n in cell for n in own) for own in (_PEEPHOLES, _NORMS)):
            found[place] = cell
    return found


def _named(arrays: Arrays) -> Arrays:
    """Names for what a `.weights.h5` file numbers: `cell/vars/3` is the fourth weight of a cell in
    the order of its making."""
    named = {}
    for path, array in arrays.items():
        place, _, number = path.rpartition("/vars/")
        if not place:
            named[path] = array
            continue
        norm = place.endswith("_norm")
        order = ["gamma", "beta"] if norm else ["kernel", "recurrent_kernel"]
        if not norm and (third := arrays.get(f"{place}/vars/2")) is not None:
            units = arrays[f"{place}/vars/1"].shape[0]
            order += (["bias"] if third.shape == (4 * units,) else []) + _PEEPHOLES
        if int(number) < len(order):
            named[f"{place}/{order[int(number)]}"] = array
    return named


@keras.saving.register_keras_serializable("rnnkit")
class AddonsLayerNormLSTMCell(_LayerNormFamily):
    """The layer-normalised LSTM of TensorFlow Addons, for nets that were trained with it.

        N(a) = (a - mean(a)) / sqrt(variance(a) + epsilon)
        a_i, a_f, a_g, a_o = alpha * N(x_t W) + beta * N(h_{t-1} U) + b     all 4 n values at once
        c_t = gamma * N(sigmoid(a_f) * c_{t-1} + sigmoid(a_i) * tanh(a_g)) + delta
        h_t = sigmoid(a_o) * tanh(c_t)
        y_t = h_t

    The normalised memory is stored, so that the gradient along c passes through N at every step and
    there is no constant error flow. Ba et al. normalise it for the output alone: train a
    `rnnkit.LayerNormLSTMCell`. Addons' two shifts and its bias are one sum, b. States: [h, c].

    Args:
        units: positive int, the width n of h and c.
        forget_bias: float, where b_f starts; see `rnnkit.LSTMCell`.
        epsilon: positive float, Addons' `norm_epsilon`.
        kernel_initializer, recurrent_initializer, kernel_regularizer, recurrent_regularizer: see
            `rnnkit.cells.Cell`.

    Example:

    >>> layer = rnnkit.RNN(rnnkit.convert_addons.AddonsLayerNormLSTMCell(16))
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 16])

    Reference: `tfa.rnn.LayerNormLSTMCell` of TensorFlow Addons 0.23.
    """

    paper = "TensorFlow Addons, after Ba 2016"

    def step(self, projected: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        h, c = states
        past = self.normalised(self.dot(h, self.recurrent_kernel))
        i, f, g, o = ops.split(projected + self.scale(past, self.recurrent_gain), 4, axis=-1)
        c = self.normalised(ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g))
        c = self.shift(self.scale(c, self.memory_gain), self.memory_bias)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h, [h, c]
