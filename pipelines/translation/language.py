"""One side of the translation: its texts as numbers, and numbers as texts."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from pipelines.text.vocabulary import (
    FIRST,
    UNKNOWN,
    count_tokens,
    learn_vocabulary,
    lookup,
)
from pipelines.translation import pieces
from pipelines.translation.subwords import learn_subwords

START, END = FIRST, FIRST + 1  # numbers of the tokens before and after every sentence
_MARKS = ["<s>", "</s>"]  # what stands for them; cutting a text never gives these
_PLAIN = FIRST + len(_MARKS)  # the number of the first token of a text


def learn_language(texts: Sequence[str], kind: str, most: int) -> list[str]:
    """The tokens to know of the training part's texts.

    Args:
        texts: of one side.
        kind: "subword", "word" or "char".
        most: int, longest list.
    """
    cut = pieces.characters if kind == "char" else pieces.words
    counts, _ = count_tokens(texts, cut)
    for mark in _MARKS:
        counts.pop(mark, None)
    if kind == "subword":
        return learn_subwords(counts, most)
    return learn_vocabulary(counts, most=most)


class Language:
    """Texts of one side as numbers and back, in the graph.

    Numbers: 0 padding, 1 unknown, `START`, `END`, then the tokens of the vocabulary.

    Args:
        vocabulary: what `learn_language` gave.
        kind: "subword", "word" or "char".
    """

    def __init__(self, vocabulary: Sequence[str], kind: str) -> None:
        self.kind = kind
        self.size = _PLAIN + len(vocabulary)
        with tf.init_scope():  # a table that is made within a graph dies with it
            self.table = lookup([*_MARKS, *vocabulary])
        self._vocabulary = list(vocabulary)
        self._longest = max(map(len, vocabulary), default=1)

    def numbers(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """int32 (batch, None): the tokens of texts (batch,), `END` after the last one."""
        if self.kind == "char":
            found = self._numbered(pieces.characters(texts))
        elif self.kind == "word":
            found = self._numbered(pieces.words(texts))
        else:
            words = pieces.words(texts)
            cut = pieces.longest_match(words.flat_values, self.table, self._longest)
            found = words.with_flat_values(cut).merge_dims(1, 2)
        ends = tf.fill((tf.shape(texts)[0], 1), END)
        return tf.concat([found, ends], axis=1)

    def texts(self, numbers: tf.Tensor) -> tf.Tensor:
        """The texts (...) of numbers (..., T); what is no token of a text counts as nothing."""
        plain = [*[""] * _PLAIN, *self._vocabulary]
        return pieces.joined(tf.gather(tf.constant(plain), numbers))

    def shown(self, numbers: Sequence[int]) -> list[str]:
        """Each token by itself, for a picture."""
        tokens = ["", "?", *_MARKS, *self._vocabulary]
        return [tokens[number] for number in numbers]

    def _numbered(self, tokens: tf.RaggedTensor) -> tf.RaggedTensor:
        return tokens.with_flat_values(tf.cast(self.table(tokens.flat_values), tf.int32))


NEVER_WRITTEN = (0, UNKNOWN, START)  # numbers that no translation holds
