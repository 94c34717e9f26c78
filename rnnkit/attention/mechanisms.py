"""Attention: which places of a memory a query reads, and what it finds there."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from rnnkit.arguments import positive_int
from rnnkit.cells.weights import use_weight
from rnnkit.precision import exact

Tensor = Any


class Attention(keras.layers.Layer, abc.ABC):
    """One query after another reads a memory m_1..m_S, the outputs of an encoder, say.

        k_j = key(m_j)                              once a memory
        e_j = score(q, k_j)
        a_j = exp(e_j) / sum_i exp(e_i)             over the places that are real; 0 elsewhere
        context = sum_j a_j m_j

    The a_j, the alignments, are at least 0 and sum to 1; where nothing is real, all are 0. A
    concrete attention says what its keys and its score are. In an `AttentionCell` the queries are
    the outputs of a recurrent cell; called by itself it is a layer for queries known beforehand.

    Call arguments:
        query: (batch, q, n).
        memory: (batch, S, m).
        memory_mask: (batch, S), True where the memory is real; the mask that `memory` carries by
            default.
        return_alignments: bool, default False.

    Returns:
        The contexts (batch, q, m), or `(contexts, alignments)`, the latter (batch, q, S).
    """

    paper: str

    @abc.abstractmethod
    def build(self, query_shape: Sequence[Any], memory_shape: Sequence[Any]) -> None:
        """Creates the weights."""

    @abc.abstractmethod
    def keys(self, memory: Tensor) -> Tensor:
        """What `score` needs of the memory, (batch, ...), computed once."""

    @abc.abstractmethod
    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        """e: queries (rows, n), each `rows / batch` of them for one memory -> (batch, -1, S)."""

    def remember(self, memory: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        """Keys, values and mask of a memory: all that a step needs, (batch, ...) each.

        Values at padding are zero; the mask is 1 where the memory is real, in the compute dtype,
        so that the three are states like any other.
        """
        memory = ops.convert_to_tensor(memory, dtype=self.compute_dtype)
        if len(memory.shape) != 3:
            raise ValueError(
                "Attention expects a memory of rank 3, (batch, S, m), such as the outputs of an "
                f"encoder with return_sequences=True. Received: shape {tuple(memory.shape)}."
            )
        if mask is None:
            mask = ops.ones(ops.shape(memory)[:2], dtype="bool")
        mask = ops.cast(mask, "bool")
        values = ops.where(mask[..., None], memory, 0)
        return [self.keys(values), values, ops.cast(mask, self.compute_dtype)]

    def attend(self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """The contexts (rows, m) of queries (rows, n); see `alignments`."""
        context = ops.matmul(self.alignments(query, keys, mask), values)
        return ops.reshape(context, (ops.shape(query)[0], values.shape[-1]))

    def alignments(self, query: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """The alignments (batch, rows / batch, S) of queries (rows, n).

        Several rows of queries may share a memory, if they stand side by side, as the hypotheses
        of a beam do: the memory is then read once for all of them.
        """
        real = ops.cast(mask, "bool")[:, None]
        lowest = -1e30  # finite, so that a memory without a real place has alignments, of zero
        scores = ops.where(real, exact(self.score(query, keys)), lowest)
        top = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
        weights = ops.where(real, ops.exp(scores - top), 0)
        total = ops.maximum(ops.sum(weights, axis=-1, keepdims=True), 1e-30)
        return ops.cast(weights / total, query.dtype)

    def call(
        self,
        query: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        return_alignments: bool = False,
    ):
        keys, values, mask = self.remember(memory, memory_mask)
        rows = ops.reshape(query, (-1, query.shape[-1]))
        alignments = self.alignments(rows, keys, mask)
        context = ops.matmul(alignments, values)
        return (context, alignments) if return_alignments else context

    def compute_mask(self, query: Tensor, mask: Any = None) -> None:
        """None: a context is real whatever the query is."""

    def dot(self, tensor: Tensor, kernel: Any) -> Tensor:
        """tensor W, for each row of queries: an engine sees it, as it sees `Cell.dot`."""
        return use_weight("dot", tensor, kernel)


@keras.saving.register_keras_serializable("rnnkit")
class BahdanauAttention(Attention):
    """Additive attention: a hidden layer scores query and memory together.

        k_j = m_j W_m                                   (batch, S, units)
        e_j = v . tanh(q W_q + k_j)

    With `normalize` the vector has a length of its own, which need not grow with the units, and
    the layer a bias (Salimans and Kingma's weight normalisation):

        e_j = (g / |v|) v . tanh(q W_q + k_j + b)

    The hidden layer lets query and memory differ in width and mean different things; it costs a
    tanh for each pair of query and place. Reach for the products of `LuongGeneralAttention` where
    memories are long.

    Args:
        units: positive int, the width of the hidden layer.
        normalize: bool, default False, as in the paper. g starts at sqrt(1 / units), b at 0.

    Raises:
        ValueError: `units` is no positive int; a memory that is not of rank 3.

    Example:

    >>> attention = rnnkit.BahdanauAttention(16)
    >>> query, memory = keras.ops.zeros((2, 3, 8)), keras.ops.zeros((2, 7, 6))
    >>> context, alignments = attention(query, memory, return_alignments=True)
    >>> context.shape, alignments.shape
    (TensorShape([2, 3, 6]), TensorShape([2, 3, 7]))

    Reference: D. Bahdanau, K. Cho and Y. Bengio, Neural Machine Translation by Jointly Learning to
    Align and Translate, ICLR 2015; T. Salimans and D. Kingma, Weight Normalization, NIPS 2016.
    """

    paper = "Bahdanau 2015"

    def __init__(self, units: int, *, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = positive_int("units", units, "BahdanauAttention(64)")
        self.normalize = bool(normalize)

    def build(self, query_shape: Sequence[Any], memory_shape: Sequence[Any]) -> None:
        n = self.units
        self.query_kernel = self.add_weight(name="query_kernel", shape=(query_shape[-1], n))
        self.memory_kernel = self.add_weight(name="memory_kernel", shape=(memory_shape[-1], n))
        self.vector = self.add_weight(name="vector", shape=(n,))
        if self.normalize:
            start = keras.initializers.Constant(n**-0.5)
            self.score_gain = self.add_weight(name="score_gain", shape=(), initializer=start)
            self.score_bias = self.add_weight(name="score_bias", shape=(n,), initializer="zeros")

    def keys(self, memory: Tensor) -> Tensor:
        return ops.matmul(memory, ops.cast(self.memory_kernel, memory.dtype))

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        query = self.dot(query, self.query_kernel)
        vector = ops.cast(self.vector, query.dtype)
        if self.normalize:
            query = use_weight("shift", query, self.score_bias)
            vector = vector * ops.cast(self.score_gain, query.dtype) * ops.rsqrt(ops.sum(vector**2))
        query = ops.reshape(query, (ops.shape(keys)[0], -1, 1, self.units))
        return ops.sum(vector * ops.tanh(query + keys[:, None]), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "normalize": self.normalize}


class _ProductAttention(Attention):
    """e_j = q . k_j, or g times that. Keys are stored as columns: (batch, n, S)."""

    def __init__(self, *, scale: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = bool(scale)

    def add_gain(self, width: int) -> None:
        """The factor g, where scores of `width` terms of unit variance have unit variance."""
        if self.scale:
            start = keras.initializers.Constant(width**-0.5)
            self.score_gain = self.add_weight(name="score_gain", shape=(), initializer=start)

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        if self.scale:
            query = query * ops.cast(self.score_gain, query.dtype)
        return ops.matmul(ops.reshape(query, (ops.shape(keys)[0], -1, query.shape[-1])), keys)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("rnnkit")
class LuongDotAttention(_ProductAttention):
    """Attention by similarity: the product of query and memory, as they are.

        e_j = q . m_j
        e_j = g (q . m_j)           with `scale`

    No weights, but query and memory must be as wide as each other and live in one space: the cells
    on both sides learn that. The product grows with the width n; g, which starts at 1 / sqrt(n),
    keeps the softmax of wide nets from saturating.

    Args:
        scale: bool, default False, as in the paper.

    Raises:
        ValueError: query and memory differ in width; a memory that is not of rank 3.

    Example:

    >>> attention = rnnkit.LuongDotAttention(scale=True)
    >>> attention(keras.ops.zeros((2, 3, 6)), keras.ops.zeros((2, 7, 6))).shape
    TensorShape([2, 3, 6])

    Reference: M.-T. Luong, H. Pham and C. Manning, Effective Approaches to Attention-based Neural
    Machine Translation, EMNLP 2015.
    """

    paper = "Luong 2015"

    def build(self, query_shape: Sequence[Any], memory_shape: Sequence[Any]) -> None:
        if query_shape[-1] != memory_shape[-1]:
            raise ValueError(
                "LuongDotAttention needs queries as wide as the memory, "
                f"{memory_shape[-1]}. Received: queries of width {query_shape[-1]}. "
                "Use LuongGeneralAttention() for widths that differ."
            )
        self.add_gain(query_shape[-1])

    def keys(self, memory: Tensor) -> Tensor:
        return ops.transpose(memory, (0, 2, 1))


@keras.saving.register_keras_serializable("rnnkit")
class LuongGeneralAttention(_ProductAttention):
    """Bilinear attention: the product of the query with the memory seen through a matrix.

        k_j = m_j W                                     (batch, S, n)
        e_j = q . k_j
        e_j = g (q . k_j)           with `scale`

    W learns what of the memory a query is to be compared with, whatever their widths.

    Args:
        scale: bool, default False, as in the paper. g starts at 1 / sqrt(n).

    Raises:
        ValueError: a memory that is not of rank 3.

    Example:

    >>> attention = rnnkit.LuongGeneralAttention()
    >>> attention(keras.ops.zeros((2, 3, 8)), keras.ops.zeros((2, 7, 6))).shape
    TensorShape([2, 3, 6])

    Reference: M.-T. Luong, H. Pham and C. Manning, Effective Approaches to Attention-based Neural
    Machine Translation, EMNLP 2015.
    """

    paper = "Luong 2015"

    def build(self, query_shape: Sequence[Any], memory_shape: Sequence[Any]) -> None:
        n = query_shape[-1]
        self.memory_kernel = self.add_weight(name="memory_kernel", shape=(memory_shape[-1], n))
        self.add_gain(n)

    def keys(self, memory: Tensor) -> Tensor:
        keys = ops.matmul(memory, ops.cast(self.memory_kernel, memory.dtype))
        return ops.transpose(keys, (0, 2, 1))
