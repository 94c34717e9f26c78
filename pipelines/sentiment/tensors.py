"""Texts to numbers of tokens, in training and in the served model alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import keras
import tensorflow as tf

from pipelines.text.tokens import TOKENIZERS, Tokens, lower
from pipelines.text.vocabulary import PADDING, UNKNOWN, count_tokens, lookup

BATCH = 256  # texts cut at a time, where nothing asks for another number


def spelling(tokens: tf.RaggedTensor, kind: str) -> tf.RaggedTensor:
    """Tokens as the vocabulary has them: words in lower case, characters as they are."""
    return lower(tokens) if kind == "word" else tokens


def token_counts(texts: Iterable[str], kind: str) -> tuple[Counter[str], list[int]]:
    """How often each token stands in whole texts, as the vocabulary has it, and how many tokens
    each text has.

    Args:
        texts: any number of them.
        kind: `"word"` or `"char"`.
    """
    return count_tokens(texts, lambda batch: spelling(TOKENIZERS[kind](batch).text, kind))


class Encoder:
    """Texts as numbers of their tokens.

    Args:
        vocabulary: the tokens that are known.
        kind: `"word"` or `"char"`.
        max_length: int, tokens that are read of a text.
    """

    def __init__(self, vocabulary: Sequence[str], kind: str, max_length: int) -> None:
        self.vocabulary, self.kind, self.max_length = vocabulary, kind, max_length
        self.table: keras.layers.StringLookup = lookup(vocabulary)

    def tokens(self, texts: tf.Tensor) -> Tokens:
        """The tokens that are read of each text, string (batch,), as they stand there."""
        return Tokens(*(part[:, : self.max_length] for part in TOKENIZERS[self.kind](texts)))

    def ids(self, texts: tf.Tensor) -> tf.Tensor:
        """A padded row of numbers a text, (batch, T), of one token at least."""
        return self.padded(self.tokens(texts))

    def padded(self, tokens: Tokens) -> tf.Tensor:
        """The numbers of tokens, (batch, T), int32."""
        spelt = spelling(tokens.text, self.kind)
        numbers = spelt.with_flat_values(tf.cast(self.table(spelt.flat_values), tf.int32))
        ids = numbers.to_tensor(PADDING)
        wider = tf.pad(ids, [[0, 0], [0, 1]])  # so that there is a column at all
        return never_empty(wider[:, : tf.maximum(tf.shape(ids)[1], 1)])

    def token_lists(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """The tokens that are read of each text, as the vocabulary has them."""

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
        def spelt(batch: tf.Tensor) -> tf.RaggedTensor:
            return spelling(self.tokens(batch).text, self.kind)

        remaining = iter(texts)
        while batch := list(islice(remaining, BATCH)):
            for row in spelt(tf.constant(batch)).to_list():
                yield [token.decode() for token in row]


def never_empty(ids: tf.Tensor) -> tf.Tensor:
    """Rows (batch, T) of padding alone begin with an unknown token: recurrent kernels and means
    over real steps have no answer for a row without a step."""
    first = tf.where(ids[:, :1] == PADDING, UNKNOWN, ids[:, :1])
    return tf.concat([first, ids[:, 1:]], axis=1)
