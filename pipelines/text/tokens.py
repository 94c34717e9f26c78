"""Tokens of text inside the graph, with their places in the text; core TensorFlow operations only.

The same functions cut the training data and, inside a SavedModel, what its clients send.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

CUT = "\x1f"  # the unit separator: stands between tokens while they are cut

BLANK = r"\p{Z}\p{C}"  # spaces of every kind, control and format characters
INSIDE = r"\p{L}\p{M}\p{N}_"  # of words: letters, their marks, digits
APOSTROPHE = r"'\x{2019}"
JOINER = rf"{APOSTROPHE}\x{{2010}}\x{{2011}}\x{{AD}}\x{{200C}}\x{{200D}}-"  # between two of INSIDE

# Scripts that put no blanks between words: Thai and Lao, Myanmar, Khmer, CJK marks, kana,
# ideographs. Each of their characters is a token.
UNSPACED = (
    r"\x{0E00}-\x{0EFF}\x{1000}-\x{109F}\x{1780}-\x{17FF}\x{3005}-\x{3007}\x{3040}-\x{30FF}"
    r"\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}\x{20000}-\x{3FFFF}"
)

_APART = rf"[{UNSPACED}]\p{{M}}*"

_TOKEN = "|".join(
    (
        rf"https?://[^{BLANK}]*[\p{{L}}\p{{N}}/]",  # an address
        rf"[@#][{INSIDE}]+",  # a name or a subject, as in posts
        r"(?:\p{L}\.){2,}",  # U.S., e.g.
        r"\p{N}+(?:[.,]\p{N}+)+",  # 3.50, 1,000
        rf"[{INSIDE}]+(?:[{JOINER}][{INSIDE}]+)*",  # a word
        rf"[^{BLANK}]\p{{M}}*",  # any other character
    )
)
_CLITIC = (
    rf"([{INSIDE}])"
    rf"([nN][{APOSTROPHE}][tT]|[{APOSTROPHE}](?:[sSmMdD]|[rR][eE]|[vV][eE]|[lL][lL])){CUT}"
)


class Tokens(NamedTuple):
    """The tokens of a batch of texts; `start` and `end` count Unicode code points.

    `text[start:end]` in Python is the token. Where a text is no valid UTF-8, every broken sequence
    counts as one character, U+FFFD, as in `bytes.decode(errors="replace")`.
    """

    text: tf.RaggedTensor  # (batch, None), string
    start: tf.RaggedTensor  # (batch, None), int32
    end: tf.RaggedTensor  # (batch, None), int32


def words(texts: tf.Tensor) -> Tokens:
    """Words, numbers and punctuation marks of any script.

    From left to right, the first that fits:

    - an address, `http://...`; a name or subject with `@` or `#` before it, as in posts;
    - an abbreviation of single letters, `U.S.`;
    - a number with points or commas between its digits, `1,000.50`;
    - a word: letters, digits and `_`, with apostrophes or hyphens (also soft hyphens and the
      zero-width joiners of Arabic and Indian scripts) between them, `well-made`, `l'homme`;
    - any other character by itself, with the marks that combine with it.

    English clitics are tokens of their own, as in the Penn Treebank and the files of CoNLL:
    `does` `n't`, `film` `'s`. Of scripts without blanks between words (Chinese, Japanese, Thai,
    Lao, Khmer, Myanmar) each character is a token. Blanks, control and format characters only
    separate.

    Nothing is normalised, because TensorFlow's core has no Unicode normalisation: a letter and its
    composed form are different words. Where texts come from many hands, bring them into NFC before
    they are given to training and to a served model alike.

    Args:
        texts: string (batch,), UTF-8.

    Returns:
        The tokens; a text of blanks has none.

    Example:

    >>> words(tf.constant(["It isn't 3.5 km!"])).text.to_list()
    [[b'It', b'is', b"n't", b'3.5', b'km', b'!']]
    """
    marked = tf.strings.regex_replace(_valid(texts), CUT, " ")
    marked = tf.strings.regex_replace(marked, _APART, rf"{CUT}\0{CUT}")
    marked = tf.strings.regex_replace(marked, _TOKEN, rf"\0{CUT}")
    marked = tf.strings.regex_replace(marked, _CLITIC, rf"\1{CUT}\2{CUT}")
    pieces = tf.strings.split(marked, CUT)  # each a token, with the blanks before it
    found = tf.strings.regex_replace(pieces.flat_values, f"^[{BLANK}]+", "")
    end = _running_total(_count(pieces.flat_values), pieces.row_splits)
    start = end - _count(found)
    kept = pieces.with_flat_values(found != "")
    return Tokens(
        *(
            tf.ragged.boolean_mask(pieces.with_flat_values(part), kept)
            for part in (found, start, end)
        )
    )


def characters(texts: tf.Tensor) -> Tokens:
    """Every code point, blanks too.

    Args:
        texts: string (batch,), UTF-8.
    """
    found = tf.strings.unicode_split(_valid(texts), "UTF-8")
    end = _running_total(tf.ones_like(found.flat_values, tf.int32), found.row_splits)
    return Tokens(found, found.with_flat_values(end - 1), found.with_flat_values(end))


def separated(texts: Sequence[str]) -> list[str]:
    """Texts with blanks around each character of scripts that put none between words.

    `str.split` then finds words in every script, or what comes nearest to them: whoever counts
    words or compares texts by them does it here.

    Example:

    >>> [text.split() for text in separated(["Wo ist er?", "我不知道"])]
    [['Wo', 'ist', 'er?'], ['我', '不', '知', '道']]
    """
    marked = tf.strings.regex_replace(tf.constant(list(texts), tf.string), _APART, r" \0 ")
    return [text.decode() for text in marked.numpy().tolist()]


TOKENIZERS: dict[str, Callable[[tf.Tensor], Tokens]] = {"word": words, "char": characters}


def lower(tokens: tf.RaggedTensor) -> tf.RaggedTensor:
    """Tokens in lower case, in every script that has one; places in the text stay as they are."""
    return tokens.with_flat_values(tf.strings.lower(tokens.flat_values, encoding="utf-8"))


def _valid(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")


def _count(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.length(texts, unit="UTF8_CHAR")


def _running_total(counts: tf.Tensor, row_splits: tf.Tensor) -> tf.Tensor:
    """Sums from the start of each row up to each of its values, that one included."""
    total = tf.cumsum(counts)
    before = tf.gather(tf.concat([[0], total], 0), row_splits[:-1])
    return total - tf.repeat(before, row_splits[1:] - row_splits[:-1])
