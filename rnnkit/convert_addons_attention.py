"""Weights of TensorFlow Addons' AttentionWrapper, which need not be installed.

    TensorFlow Addons                               here
    AttentionWrapper(cell, mechanism, size)         AttentionCell(cell, attention), linear
    BahdanauAttention(units, normalize)             BahdanauAttention(units, normalize=...)
    LuongAttention(units, scale)                    LuongGeneralAttention(scale=...)

The cell within is Keras's LSTMCell, GRUCell or SimpleRNNCell. All convert exactly. The monotonic
mechanisms of Addons, whose alignments are no softmax, have no counterpart here and are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from rnnkit.attention import AttentionCell, BahdanauAttention, LuongGeneralAttention
from rnnkit.attention.mechanisms import Attention
from rnnkit.convert import from_keras
from rnnkit.recurrent import RNN
from rnnkit.weight_files import Arrays, read_weights, the_only_one

_CELLS = {1: keras.layers.SimpleRNN, 3: keras.layers.GRU, 4: keras.layers.LSTM}
_EXAMPLE = "attention_from_addons('checkpoints/ckpt-7', layer='decoder')"


def attention_from_addons(
    source: Any, *, layer: str | None = None, attention: str | None = None, **options: Any
) -> RNN:
    """Our layer with the weights, and so the outputs, of an AttentionWrapper of TensorFlow Addons.

    The defaults of Addons are taken for granted: softmax alignments, inputs and the attention
    before joined for the cell, the attention as the output. Monotonic mechanisms are known by their
    `attention_score_bias`, with one exception: a `.weights.h5` file has numbers for names, and the
    only weight of a `LuongMonotonicAttention` without `scale` stands there as that of a
    `LuongAttention` with it. A checkpoint tells them apart.

    Args:
        source: a `.weights.h5` file, the prefix of a TensorFlow checkpoint, or a mapping from names
            to arrays as `rnnkit.weight_files.read_weights` gives it. The older `.h5` files do not
            tell the layers of a mechanism apart: load one where it was made and save a checkpoint.
        layer: a part of the path to the wrapper, where the file holds several.
        attention: a part of the path to its mechanism, where the file holds several.
        **options: of `RNN`; `return_sequences=True`.

    Returns:
        A built `RNN` of an `AttentionCell`, to be called with `memory`.

    Raises:
        ValueError: the file holds no such wrapper, or several and nothing says which; or its
            mechanism is a monotonic one.

    Example:

    >>> import numpy as np
    >>> weights = {"decoder/_cell/kernel": np.ones((2 + 5, 12)), "a/attention_g": np.ones(())}
    >>> weights |= {"decoder/_cell/recurrent_kernel": np.ones((3, 12))}
    >>> weights |= {"a/memory_layer/kernel": np.ones((7, 3))}
    >>> weights |= {"decoder/_attention_layers/0/kernel": np.ones((3 + 7, 5))}
    >>> layer = rnnkit.convert_addons_attention.attention_from_addons(weights)
    >>> layer(keras.ops.ones((1, 4, 2)), memory=keras.ops.ones((1, 6, 7))).shape
    TensorShape([1, 5])
    """
    arrays = _named(dict(source) if isinstance(source, Mapping) else read_weights(source))
    cell = _only(arrays, "_cell/recurrent_kernel", layer)
    wrapper = cell.removesuffix("_cell/recurrent_kernel")
    recurrent, kernel = arrays[cell], arrays[f"{wrapper}_cell/kernel"]
    mechanism = _only(arrays, "memory_layer/kernel", attention).removesuffix("memory_layer/kernel")
    own = {n.removeprefix(mechanism): a for n, a in arrays.items() if n.startswith(mechanism)}
    if "attention_score_bias" in own:
        raise ValueError(
            "Expected a mechanism whose alignments are a softmax: BahdanauAttention or "
            f"LuongAttention. Received: {mechanism.rstrip('/') or 'one'}, a monotonic one (it has "
            "attention_score_bias), which has no counterpart here. Train the decoder anew, with "
            "AttentionCell(cell, BahdanauAttention(units), attention_size=...)."
        )
    n, width, dtype = len(recurrent), own["memory_layer/kernel"].shape[0], str(kernel.dtype)
    output = arrays.get(f"{wrapper}_attention_layers/0/kernel")
    if output is None:  # the context itself is the attention
        output = np.concatenate([np.zeros((n, width)), np.eye(width)])
    looking, values = _attention(own, dtype)
    size = output.shape[1]
    inner = _cell(kernel, recurrent, arrays.get(f"{wrapper}_cell/bias"), dtype)
    found = {weight.name: np.array(weight) for weight in inner.weights}
    fresh = type(inner).from_config(inner.get_config())
    rnn = RNN(
        AttentionCell(
            fresh, looking, attention_size=size, activation="linear", dtype=fresh.dtype_policy
        ),
        dtype=fresh.dtype_policy,
        **options,
    )
    rnn.build((None, None, len(kernel) - size), memory_shape=(None, None, width))
    found |= values | {"attention_kernel": output, "feed_kernel": found["kernel"][-size:]}
    found["kernel"] = found["kernel"][:-size]
    for variable in rnn.cell.weights:
        variable.assign(found[variable.name])
    return rnn


def _cell(kernel: np.ndarray, recurrent: np.ndarray, bias: Any, dtype: str) -> Any:
    """Our cell with the weights of Keras's."""
    n = len(recurrent)
    options: dict[str, Any] = {"use_bias": bias is not None, "dtype": dtype}
    kind = _CELLS[recurrent.shape[1] // n]
    if kind is keras.layers.GRU and bias is not None:
        options["reset_after"] = bias.ndim == 2
    layer = kind(n, **options)
    layer.build((None, None, len(kernel)))
    layer.set_weights([kernel, recurrent] + ([] if bias is None else [bias]))
    return from_keras(layer).cell


def _attention(own: Arrays, dtype: str) -> tuple[Attention, Arrays]:
    """A mechanism, and its weights by our names."""
    values = {"memory_kernel": own["memory_layer/kernel"]}
    gain = own.get("attention_g")
    if gain is not None:
        values["score_gain"] = gain
    if "attention_v" not in own:
        return LuongGeneralAttention(scale=gain is not None, dtype=dtype), values
    values |= {"query_kernel": own["query_layer/kernel"], "vector": own["attention_v"]}
    if gain is not None:
        values["score_bias"] = own["attention_b"]
    units = len(own["attention_v"])
    return BahdanauAttention(units, normalize=gain is not None, dtype=dtype), values


def _only(arrays: Arrays, ending: str, part: str | None) -> str:
    """The one path that ends so and has `part` in it."""
    found = [p for p in arrays if p.endswith(ending) and (part is None or part in p)]
    what = f"AttentionWrapper of TensorFlow Addons, with one {ending}"
    return the_only_one(found, arrays, what, part, _EXAMPLE)


def _named(arrays: Arrays) -> Arrays:
    """Names for what a `.weights.h5` file numbers, in the order of its making."""
    named = {}
    for path, array in arrays.items():
        place, _, number = path.rpartition("/vars/")
        if not place:
            named[path] = array
            continue
        first = arrays[f"{place}/vars/0"]
        order = ["kernel", "recurrent_kernel", "bias"]
        if f"{place}/memory_layer/vars/0" in arrays:  # a mechanism: v, g, b of one, g of the other
            order = ["attention_v", "attention_g", "attention_b"] if first.ndim else ["attention_g"]
            if sum(name.startswith(f"{place}/vars/") for name in arrays) % 2 == 0:
                order.insert(1, "attention_score_bias")  # of a monotonic one, one more
        elif "/_attention_layers/" in f"/{place}/":
            place = f"{place.partition('_attention_layers')[0]}_attention_layers/0"
        if int(number) < len(order):
            named[f"{place}/{order[int(number)]}"] = array
    return named
