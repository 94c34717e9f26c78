"""Text as tokens and back, inside the graph; core TensorFlow operations only.

No blank is lost: it belongs to the token after it, so that the tokens, put side by side, are the
text again. The same functions cut the training data and what the clients of a SavedModel send.
"""

from __future__ import annotations

import tensorflow as tf

from pipelines.text.tokens import CUT, UNSPACED
from pipelines.text.vocabulary import UNKNOWN

_BLANKS = r"[\p{Z}\p{Cc}]+"  # spaces of every kind, control characters
# With the blank before it: a character of scripts that put no blanks between words,
_UNSPACED = rf" ?[{UNSPACED}]\p{{M}}*"
# then a run of letters and their marks, a digit, or a run of anything else.
_WORD = rf" ?(?:[\p{{L}}\p{{M}}]+|\p{{N}}|[^ \p{{L}}\p{{M}}\p{{N}}{CUT}]+)"


def spaced(texts: tf.Tensor) -> tf.Tensor:
    """Valid UTF-8 with single blanks, none at the ends; (batch,) to (batch,)."""
    valid = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    return tf.strings.strip(tf.strings.regex_replace(valid, _BLANKS, " "))


def words(texts: tf.Tensor) -> tf.RaggedTensor:
    """Runs of letters, single digits, runs of other characters, each with the blank before it.

    Of scripts without blanks between words (`pipelines.text.tokens.UNSPACED`: Chinese, Japanese,
    Thai, Lao, Khmer, Myanmar) each character is a word: a clause as one hardly ever comes again.

    The first word counts as one after a blank: `Hello` at the start of a text and `Hello` within
    it are the same token.

    Args:
        texts: string (batch,), UTF-8.

    Returns:
        string (batch, None); an empty text has none.

    Example:

    >>> words(tf.constant(["Don't  go in 2024!"])).to_list()
    [[b' Don', b"'", b't', b' go', b' in', b' 2', b'0', b'2', b'4', b'!']]
    """
    clean = spaced(texts)
    begun = tf.where(clean == "", "", tf.strings.join([" ", clean]))
    apart = tf.strings.regex_replace(begun, _UNSPACED, rf"{CUT}\0{CUT}")
    marked = tf.strings.regex_replace(apart, _WORD, rf"\0{CUT}")
    return _without_empty(tf.strings.split(marked, CUT))


def characters(texts: tf.Tensor) -> tf.RaggedTensor:
    """Every code point, blanks too; string (batch,) to (batch, None)."""
    return tf.strings.unicode_split(spaced(texts), "UTF-8")


def joined(tokens: tf.Tensor) -> tf.Tensor:
    """The texts (..., ) of tokens (..., T), whatever cut them."""
    return tf.strings.strip(tf.strings.reduce_join(tokens, axis=-1))


def longest_match(words: tf.Tensor, number: tf.keras.layers.Layer, longest: int) -> tf.RaggedTensor:
    """Cuts each word into the longest pieces of a vocabulary, from left to right.

        piece_1 = the longest known beginning of the word
        piece_2 = the longest known beginning of what is left, and so on

    A word that leaves a rest without known beginning is unknown as a whole. This is how WordPiece
    cuts (Song et al. 2021), and the test compares it with the library that learnt the pieces.

    Args:
        words: string (n,), none empty.
        number: gives the numbers of pieces, `UNKNOWN` where it knows none.
        longest: int, characters of the longest piece.

    Returns:
        int32 (n, None), the numbers of the pieces.
    """
    unique, where = tf.unique(words)
    sizes = tf.strings.length(unique, unit="UTF8_CHAR")
    lengths = tf.range(1, longest + 1)[None, :]
    count = tf.size(unique)

    def unfinished(step, start, *rest):
        first = step == 0  # also without a word: a graph cannot stack what was never written
        return tf.logical_or(first, tf.reduce_any(start < sizes))

    def cut_one(step, start, found, numbers):
        left = sizes - start
        begin = tf.where(left > 0, start, 0)  # finished words: any place, it is not looked at
        shape = (count, longest)
        candidates = tf.strings.substr(
            tf.broadcast_to(unique[:, None], shape),
            tf.broadcast_to(begin[:, None], shape),
            tf.broadcast_to(lengths, shape),
            unit="UTF8_CHAR",
        )
        known = tf.cast(number(candidates), tf.int32)
        fits = tf.logical_and(known != UNKNOWN, lengths <= left[:, None])
        best = tf.reduce_max(tf.where(fits, lengths, 0), axis=1)
        piece = tf.gather(known, tf.maximum(best - 1, 0), batch_dims=1)
        stuck = tf.logical_and(best == 0, left > 0)
        piece = tf.where(stuck, UNKNOWN, piece)
        numbers = numbers.write(step, tf.where(left > 0, piece, 0))
        found = tf.where(stuck, 0, found + tf.cast(best > 0, tf.int32))
        return step + 1, tf.where(stuck, sizes, start + best), found, numbers

    zeros = tf.zeros_like(sizes)
    numbers = tf.TensorArray(tf.int32, size=0, dynamic_size=True, element_shape=(None,))
    _, _, found, numbers = tf.while_loop(unfinished, cut_one, (0, zeros, zeros, numbers))
    rows = tf.transpose(numbers.stack())
    # found == 0 where a word got stuck: it is unknown as a whole
    rows = tf.where(found[:, None] == 0, UNKNOWN, rows)
    pieces = tf.RaggedTensor.from_tensor(rows, lengths=tf.maximum(found, 1))
    return tf.gather(pieces, where)


def _without_empty(tokens: tf.RaggedTensor) -> tf.RaggedTensor:
    return tf.ragged.boolean_mask(tokens, tokens.with_flat_values(tokens.flat_values != ""))
