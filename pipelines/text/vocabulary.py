"""Vocabularies: which tokens a model knows, and their numbers.

A vocabulary is a list of strings, so that it fits into a run's `learnt`; in the graph it is
`keras.layers.StringLookup`. Number 0 is padding, 1 every token that is not in the list, and the
k-th token of the list, from 0, has number 2 + k.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import keras
import tensorflow as tf

PADDING = 0
UNKNOWN = 1
FIRST = 2  # the number of the first token of the list

PADDING_TEXT = ""  # no token is empty
UNKNOWN_TEXT = "[UNK]"
BATCH = 1024  # texts that are cut at a time


def count_tokens(
    texts: Iterable[str], tokens: Callable[[tf.Tensor], tf.RaggedTensor]
) -> tuple[Counter[str], list[int]]:
    """How often each token stands in `texts`, and how many tokens each text has.

    Args:
        texts: any number of them; they are never held all at once.
        tokens: cuts a batch of texts, string (batch,) to ragged (batch, None); the function that
            cuts texts in training and in the served model.
    """
    cut = tf.function(tokens, input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
    counts: Counter[bytes] = Counter()
    lengths: list[int] = []
    remaining = iter(texts)
    while batch := list(islice(remaining, BATCH)):
        found = cut(tf.constant(batch))
        counts.update(found.flat_values.numpy().tolist())
        lengths += found.row_lengths().numpy().tolist()
    return Counter({token.decode(): count for token, count in counts.items()}), lengths


def learn_vocabulary(
    counts: Counter[str], *, minimum: int = 1, most: int | None = None
) -> list[str]:
    """The tokens to know, most frequent first, equally frequent ones by their text.

    Args:
        counts: of the training part alone; what the test part holds must stay unknown.
        minimum: int, tokens that occur less often are unknown ones; in a text so small that none
            occurs so often, all are known.
        most: int, longest list. Default: None, no limit.

    Example:

    >>> learn_vocabulary(Counter("abracadabra"), minimum=2)
    ['a', 'b', 'r']
    """
    tokens = counts.keys() - {PADDING_TEXT, UNKNOWN_TEXT}
    known = [token for token in tokens if counts[token] >= minimum] or tokens
    return sorted(known, key=lambda token: (-counts[token], token))[:most]


def fingerprint(*vocabularies: Sequence[str]) -> str:
    """A hash of tokens in their order: a model keeps that of what its numbers stand for."""
    return hashlib.sha256(json.dumps(vocabularies).encode()).hexdigest()[:16]


def lookup(vocabulary: Sequence[str]) -> keras.layers.StringLookup:
    """The layer that turns tokens into numbers, in the graph.

    An export must name it among its tables (`pipelines.task.Served.tables`).

    Args:
        vocabulary: what `learn_vocabulary` gave; at least one token.
    """
    return keras.layers.StringLookup(
        vocabulary=list(vocabulary),
        mask_token=PADDING_TEXT,
        oov_token=UNKNOWN_TEXT,
        num_oov_indices=1,
    )
