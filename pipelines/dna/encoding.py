"""From the bytes of sequences to numbers: the same function in training and in the SavedModel."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from pipelines.dna.alphabets import ALPHABETS, OTHER, PADDING

Tensor = Any


def codes_of_bytes(letters: tf.Tensor, alphabet: str) -> tf.Tensor:
    """uint8 bytes, 0 where padding is -> int32 codes of `Alphabet.codes`.

    A byte that is no letter of the alphabet counts as the letter that may be any.
    """
    kind = ALPHABETS[alphabet]
    table = kind.codes.copy()
    table[table == OTHER] = table[ord(kind.unknown)]
    return tf.gather(tf.constant(table, tf.int32), tf.cast(letters, tf.int32))


def reverse_complement_codes(codes: tf.Tensor, alphabet: str) -> tf.Tensor:
    """(batch, T) codes -> those of the opposite strands, read in their own direction; padding
    stays at the end."""
    opposite = tf.gather(tf.constant(ALPHABETS[alphabet].complement_codes, codes.dtype), codes)
    return turned(opposite, lengths_of_codes(codes))


def turned(steps: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """(batch, T, ...) with the first `lengths` steps of each row in the opposite order."""
    return tf.reverse_sequence(steps, lengths, seq_axis=1, batch_axis=0)


def lengths_of_codes(codes: tf.Tensor) -> tf.Tensor:
    """(batch, T) codes -> (batch,) letters of each row."""
    return tf.reduce_sum(tf.cast(tf.not_equal(codes, PADDING), tf.int32), axis=1)


@keras.saving.register_keras_serializable("rnnkit")
class LetterVectors(keras.layers.Layer):
    """Codes as probabilities of letters, or of k letters in a row.

        v_t = one-hot of letter t, an ambiguous one as the mean of what it stands for (or zeros)
        x_t = v_t (x) v_{t+1} (x) .. (x) v_{t+k-1}

    The outer product of k one-hot vectors is the one-hot vector of the k-mer, and of ambiguous
    letters it is the probability of every k-mer they may be.

    Args:
        alphabet: str, a name of `ALPHABETS`.
        ambiguous: str, "mean" or "zeros". Default: "mean".
        kmer: int, k. Default: 1.

    Call arguments:
        codes: (batch, T) int32, 0 where padding is.

    Returns:
        (batch, T, letters**k); the last k - 1 steps of a row, whose k-mers are not whole, and
        padding are zeros.

    Example:

    >>> LetterVectors("dna")(keras.ops.array([[1, 5]]))  # A, then R: A or G
    array([[[1. , 0. , 0. , 0. ], [0.5, 0. , 0.5, 0. ]]], dtype=float32)
    """

    def __init__(
        self, alphabet: str, ambiguous: str = "mean", kmer: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.alphabet, self.ambiguous, self.kmer = alphabet, ambiguous, kmer
        self._table = ALPHABETS[alphabet].vectors(ambiguous)

    @property
    def width(self) -> int:
        """Numbers a step."""
        return self._table.shape[1] ** self.kmer

    def call(self, codes: Tensor) -> Tensor:
        single = tf.gather(tf.constant(self._table, self.compute_dtype), codes)
        product, letters = single, single.shape[-1]
        for shift in range(1, self.kmer):
            following = tf.pad(single[:, shift:], [[0, 0], [0, shift], [0, 0]])
            product = product[..., :, None] * following[..., None, :]
            product = tf.reshape(product, [*tf.unstack(tf.shape(codes)), letters ** (shift + 1)])
        return product

    def compute_output_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*shape, self.width)

    def get_config(self) -> dict[str, Any]:
        own = {"alphabet": self.alphabet, "ambiguous": self.ambiguous, "kmer": self.kmer}
        return {**super().get_config(), **own}
