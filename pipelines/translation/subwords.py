"""Learns the pieces of words from a corpus, by the library `tokenizers`."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

from pipelines.errors import require
from pipelines.text.vocabulary import UNKNOWN_TEXT

_ANY_LENGTH = 2**31 - 1


def learn_subwords(counts: Counter[str], most: int) -> list[str]:
    """Pieces of words: all frequent characters, and what is most often found side by side.

    WordPiece as the library trains it: pairs of neighbouring pieces are joined, the most frequent
    one first, as in byte pair encoding (Sennrich et al. 2016).

    Args:
        counts: how often each word stands in the training part.
        most: int, longest list.

    Raises:
        UserError: `tokenizers` is not installed.
    """
    tokenizers = require("tokenizers", "translation")
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=most + 1,
        min_frequency=2,
        limit_alphabet=most,  # Chinese has thousands of characters, each a word of its own
        continuing_subword_prefix="",
        special_tokens=[UNKNOWN_TEXT],
        show_progress=False,
    )
    library = library_tokenizer({UNKNOWN_TEXT: 0})
    library.train_from_iterator(
        itertools.chain.from_iterable(itertools.repeat(word, n) for word, n in counts.items()),
        trainer,
    )
    numbered = library.get_vocab()
    del numbered[UNKNOWN_TEXT]
    return sorted(numbered, key=numbered.__getitem__)[:most]


def library_tokenizer(vocabulary: dict[str, int]) -> Any:
    """The library's own tokenizer, which cuts a word as `pieces.longest_match` does."""
    tokenizers = require("tokenizers", "translation")
    model = tokenizers.models.WordPiece(
        vocabulary,
        unk_token=UNKNOWN_TEXT,
        continuing_subword_prefix="",
        max_input_chars_per_word=_ANY_LENGTH,
    )
    return tokenizers.Tokenizer(model)
