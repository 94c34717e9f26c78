"""The model of the dna task: motif detectors, recurrent layers in both directions, a read-out."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf
from keras import ops

import rnnkit
from pipelines.cells import recurrent_layer
from pipelines.dna.alphabets import PADDING
from pipelines.dna.encoding import (
    LetterVectors,
    lengths_of_codes,
    reverse_complement_codes,
    turned,
)

Tensor = Any


@keras.saving.register_keras_serializable("rnnkit")
class PlaceWeights(keras.layers.Layer):
    """A learnt mean over the steps of sequences that all have one length, a weight a place.

        y_c = sum over t of w_tc h_tc        w begins at 1 / T

    Windows around sites are aligned: what stands in their middle means more than what stands at
    their ends, and no mean, maximum or last state can tell the two apart.

    Args:
        steps: int, T.

    Call arguments:
        h: (batch, T, n).

    Returns:
        (batch, n).
    """

    def __init__(self, steps: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.steps = steps

    def build(self, shape: tuple[Any, ...]) -> None:
        initial = keras.initializers.Constant(1 / self.steps)
        self.weight = self.add_weight((self.steps, shape[-1]), initial, name="weight")

    def call(self, h: Tensor) -> Tensor:
        return ops.sum(h * self.weight[: h.shape[1] or ops.shape(h)[1]], axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "steps": self.steps}


@keras.saving.register_keras_serializable("rnnkit")
class LetterMatrix(keras.layers.Layer):
    """A position weight matrix: y = sum over t of W_t x_t, W beginning at zero.

    Args:
        steps: int, T.
        outputs: int, width of y.

    Call arguments:
        x: (batch, T, m).

    Returns:
        (batch, outputs).
    """

    def __init__(self, steps: int, outputs: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.steps, self.outputs = steps, outputs

    def build(self, shape: tuple[Any, ...]) -> None:
        self.weight = self.add_weight((self.steps, shape[-1], self.outputs), "zeros", name="weight")

    def call(self, x: Tensor) -> Tensor:
        return ops.tensordot(x, self.weight[: x.shape[1] or ops.shape(x)[1]], axes=2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "steps": self.steps, "outputs": self.outputs}


@keras.saving.register_keras_serializable("rnnkit")
class DNAModel(keras.Model):
    """p(label | sequence), or p(label of a letter | sequence) for each letter.

        x = vectors of letters or k-mers                          T steps
        x = maximum over `pool` steps of relu(conv(x))            T / pool steps
        h = recurrent layers over x, in both directions
        y = linear([h in both directions at its end; maximum of h over time])

    Where all sequences of the training part have one length, as windows around sites have, places
    mean something, and the read-out is

        y = linear(weighted places of h) + sum over t of W_t v_t

    with a weight a place (`PlaceWeights`) and, beside the recurrent layers, a position weight
    matrix W of the letters v: the net begins from what a matrix can know. With a label a letter,
    y_t = linear(h_t).

    With both strands the answer is the mean probability of a sequence and its reverse complement;
    in training each strand is answered by itself.

    Args:
        alphabet, ambiguous, kmer: see `LetterVectors`.
        labels: int, number of labels.
        cell: str, name of the recurrent cell.
        units: int, width of each recurrent layer in each direction.
        layers: int, how many are stacked.
        dropout: float in [0, 1), share of activations dropped in training.
        bptt_steps: int or None, most steps that a gradient flows back.
        filters, filter_width: int, motif detectors, 0 for none, and the letters each sees.
        pool: int, steps joined into one.
        strands: str, "one" or "both".
        per_base: bool, whether every letter has a label.
        length: int or None, letters of every sequence if that is one number.

    Call arguments:
        codes: (batch, T) int32 of `Alphabet.codes`, 0 where padding is, which is at the end.

    Returns:
        (batch, labels), with `per_base` (batch, T, labels): logits; with both strands outside of
        training the logarithms of mean probabilities.
    """

    def __init__(
        self,
        *,
        alphabet: str,
        ambiguous: str,
        kmer: int,
        labels: int,
        cell: str,
        units: int,
        layers: int,
        dropout: float,
        bptt_steps: int | None = None,
        filters: int,
        filter_width: int,
        pool: int,
        strands: str,
        per_base: bool,
        length: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.arguments = {
            "alphabet": alphabet,
            "ambiguous": ambiguous,
            "kmer": kmer,
            "labels": labels,
            "cell": cell,
            "units": units,
            "layers": layers,
            "dropout": dropout,
            "bptt_steps": bptt_steps,
            "filters": filters,
            "filter_width": filter_width,
            "pool": pool,
            "strands": strands,
            "per_base": per_base,
            "length": length,
        }
        self.alphabet, self.strands, self.per_base, self.pool = alphabet, strands, per_base, pool
        self.vectors = LetterVectors(alphabet, ambiguous, kmer, name="letters")
        self.motifs = None
        if filters:
            self.motifs = keras.layers.Conv1D(
                filters, filter_width, padding="same", activation="relu", name="motifs"
            )
        self.recurrent = [
            _both_directions(
                recurrent_layer(cell, units, return_sequences=True, truncate_gradient=bptt_steps),
                name=f"recurrent_{k}",
            )
            for k in range(layers)
        ]
        self.dropouts = [keras.layers.Dropout(dropout, seed=k) for k in range(layers + 2)]
        self.aligned = length is not None and not per_base
        if length is not None and not per_base:
            self.places = PlaceWeights(math.ceil(length / pool), name="places")
            self.matrix = LetterMatrix(length, labels, name="matrix")
        self.answer = keras.layers.Dense(labels, name="answer")

    def build(self, codes_shape: tuple[Any, ...]) -> None:
        shape: tuple[Any, ...] = (*codes_shape, self.vectors.width)
        if self.motifs is not None:
            self.motifs.build(shape)
            shape = (*codes_shape, self.motifs.filters)
        for layer in self.recurrent:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        width = shape[-1]
        if self.aligned:
            self.places.build(shape)
            self.matrix.build((*codes_shape, self.vectors.width))
        elif not self.per_base:
            width *= 2
        self.answer.build((None, width))

    def call(self, codes: Tensor, training: bool | None = None) -> Tensor:
        logits = self._one_strand(codes, training)
        if self.strands == "one" or training:
            return logits
        other = self._one_strand(reverse_complement_codes(codes, self.alphabet), training)
        if self.per_base:
            other = turned(other, lengths_of_codes(codes))
        logs = ops.stack([ops.log_softmax(logits), ops.log_softmax(other)])
        return ops.logsumexp(logs, axis=0) - math.log(2)

    def _one_strand(self, codes: Tensor, training: bool | None) -> Tensor:
        real = ops.cast(ops.not_equal(codes, PADDING), self.compute_dtype)[..., None]
        x = vectors = self.vectors(codes)
        if self.motifs is not None:
            x = self.dropouts[-2](self.motifs(x) * real, training=training)
        if self.pool > 1:
            x, real = _pooled(x, self.pool), _pooled(real, self.pool)
        mask = real[..., 0] > 0
        for layer, dropout in zip(self.recurrent, self.dropouts, strict=False):
            x = dropout(layer(x, mask=mask), training=training)
        if self.per_base:
            return self.answer(x)
        if self.aligned:
            read = self.dropouts[-1](self.places(x * real), training=training)
            return self.answer(read) + self.matrix(vectors)
        return self.answer(self.dropouts[-1](self._ends_and_most(x, real), training=training))

    def _ends_and_most(self, h: Tensor, real: Tensor) -> Tensor:
        """(batch, T, 2 n) -> (batch, 4 n)"""
        half = h.shape[-1] // 2
        steps = tf.reduce_sum(tf.cast(real[..., 0] > 0, tf.int32), axis=1)
        last = tf.gather(h[..., :half], tf.maximum(steps - 1, 0), batch_dims=1)
        ends = ops.concatenate([last, h[:, 0, half:]], axis=-1)
        lowest = ops.where(real > 0, h, ops.cast(-1e9, h.dtype))
        most = ops.where(steps[:, None] > 0, ops.max(lowest, axis=1), 0.0)
        return ops.concatenate([ends, most], axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.arguments}


def _pooled(x: Tensor, size: int) -> Tensor:
    """Maxima of `size` steps, x >= 0. Filled up at the end: Keras's "same" also fills up at the
    beginning, and what a row gives would depend on the length of its batch."""
    missing = -ops.shape(x)[1] % size
    return ops.max_pool(ops.pad(x, ((0, 0), (0, missing), (0, 0))), size)


def _both_directions(layer: keras.layers.Layer, name: str) -> keras.layers.Layer:
    """The layer, and one like it with weights of its own from the end to the beginning."""
    if isinstance(layer, rnnkit.RNN):
        return rnnkit.BiRNN(
            layer.cell,
            return_sequences=True,
            truncate_gradient=layer.truncate_gradient,
            name=name,
        )
    return keras.layers.Bidirectional(layer, name=name)
