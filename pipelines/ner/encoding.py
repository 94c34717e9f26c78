"""Tokens as numbers, in the graph: the same function in training and in a served model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import tensorflow as tf

from pipelines.text.vocabulary import learn_vocabulary, lookup

LONGEST = 20  # characters of a word that are read: of longer ones the first and the last ten

# What a word looks like, whatever it says; a feature is 1 where the whole word fits.
SHAPES = {
    "begins with a capital": r"\p{Lu}.*",
    "has capitals and no small letter": r"(?:[^\p{Ll}]*\p{Lu}){2,}[^\p{Ll}]*",
    "has a capital behind a small letter": r".*\p{Ll}.*\p{Lu}.*",
    "has a small letter": r".*\p{Ll}.*",
    "has a digit": r".*\p{N}.*",
    "has digits and no letter": r"[^\p{L}]*\p{N}[^\p{L}]*",
    "has neither letters nor digits": r"[^\p{L}\p{N}]+",
    "is a name or subject of a post": r"[@#].+",
    "is an address": r"(?:https?:|www\.).*",
}

Features = dict[str, tf.Tensor]


class Encoding:
    """From tokens to what the model reads.

    Args:
        words: list of str, the vocabulary, as `normal` writes words.
        characters: list of str, the vocabulary of characters.

    Call arguments:
        tokens: string (batch, T), "" where a sentence has ended.

    Returns:
        `words` int32 (batch, T), `characters` int32 (batch, T, 20), 0 where there is none, and
        `shapes` float32 (batch, T, 9).

    Example:

    >>> encode = Encoding(["paris"], ["P", "a"])
    >>> encode(tf.constant([["Paris", ""]]))["words"].numpy().tolist()
    [[2, 0]]
    """

    def __init__(self, words: Sequence[str], characters: Sequence[str]) -> None:
        self.words = lookup(words)
        self.characters = lookup(characters)

    @property
    def tables(self) -> tuple:
        """The layers an export must know of."""
        return self.words, self.characters

    def __call__(self, tokens: tf.Tensor) -> Features:
        tokens = tf.strings.unicode_transcode(tokens, "UTF-8", "UTF-8", errors="replace")
        spelled = tf.strings.unicode_split(tf.reshape(shorten(tokens), [-1]), "UTF-8")
        numbers = spelled.with_flat_values(self.characters(spelled.flat_values))
        rows = numbers.to_tensor(shape=(None, LONGEST))
        characters = tf.reshape(rows, tf.concat([tf.shape(tokens), [LONGEST]], axis=0))
        fits = [tf.strings.regex_full_match(tokens, pattern) for pattern in SHAPES.values()]
        return {
            "words": tf.cast(self.words(normal(tokens)), tf.int32),
            "characters": tf.cast(characters, tf.int32),
            "shapes": tf.cast(tf.stack(fits, axis=-1), tf.float32),
        }


def normal(tokens: tf.Tensor) -> tf.Tensor:
    """Words as the vocabulary has them: in lower case, every digit as 0.

    Capitals and digits are told by shapes and characters, so that a word needs one vector only.
    """
    return tf.strings.regex_replace(tf.strings.lower(tokens, encoding="utf-8"), r"\p{Nd}", "0")


def shorten(tokens: tf.Tensor) -> tf.Tensor:
    """The first and the last characters of words longer than `LONGEST`: where endings are."""
    half = LONGEST // 2
    length = tf.strings.length(tokens, unit="UTF8_CHAR")
    start = tf.maximum(length - half, 0)
    head = tf.strings.substr(
        tokens, tf.zeros_like(start), tf.fill(tf.shape(start), half), "UTF8_CHAR"
    )
    tail = tf.strings.substr(tokens, start, tf.fill(tf.shape(start), half), "UTF8_CHAR")
    return tf.where(length > LONGEST, head + tail, tokens)


def learn_words(sentences: Iterable[Sequence[str]], minimum: int) -> list[str]:
    """The vocabulary of words, as `normal` writes them, that occur so often at least."""
    raw = Counter(token for tokens in sentences for token in tokens)
    written = normal(tf.constant([*raw])).numpy() if raw else []
    counts: Counter[str] = Counter()
    for word, count in zip(written, raw.values(), strict=True):
        counts[word.decode()] += count
    return learn_vocabulary(counts, minimum=minimum)


def learn_characters(sentences: Iterable[Sequence[str]]) -> list[str]:
    """The vocabulary of characters; one that occurs once is left to teach the unknown one."""
    counts = Counter(character for tokens in sentences for token in tokens for character in token)
    return learn_vocabulary(counts, minimum=2)
