"""What reaches some score without any learning: the source itself, and a translation memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipelines.errors import require
from pipelines.text.tokens import separated
from pipelines.translation.pairs import Pair

QUERIES = 256  # sources that are compared with the memory at a time
_WORD = r"\w+|[^\w\s]"


def remember(pairs: Sequence[Pair]) -> dict[str, np.ndarray]:
    """All pairs of the training part, as arrays."""
    return {
        **_packed("source", [pair.source for pair in pairs]),
        **_packed("target", [pair.target for pair in pairs]),
    }


def look_up(memory: dict[str, np.ndarray], sources: Sequence[str]) -> list[str]:
    """The remembered translation of the most similar remembered source.

    Similarity is the cosine of bags of words, rare words weighing more (tf-idf): what a translator
    finds in a translation memory. Of equally similar ones the first counts. Of scripts without
    blanks between words, each character is one.

    Raises:
        UserError: scikit-learn is not installed.
    """
    text = require("sklearn.feature_extraction.text", "translation")
    known, translations = _unpacked(memory, "source"), _unpacked(memory, "target")
    vectorizer = text.TfidfVectorizer(token_pattern=_WORD, dtype=np.float32)
    try:
        there = vectorizer.fit_transform(separated(known)).T.tocsr()
    except ValueError:  # not a single word in all sentences
        return [translations[0]] * len(sources)
    asked = vectorizer.transform(separated(sources))
    best: list[int] = []
    for k in range(0, len(sources), QUERIES):
        similar: Any = asked[k : k + QUERIES] @ there
        best += np.asarray(similar.argmax(axis=1)).ravel().tolist()
    return [translations[k] for k in best]


def _packed(name: str, texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Texts as one array of bytes, and where each ends: an array of texts takes the room of the
    longest for each."""
    encoded = [text.encode() for text in texts]
    return {
        name: np.frombuffer(b"".join(encoded), np.uint8),
        f"{name}_ends": np.cumsum([len(text) for text in encoded]),
    }


def _unpacked(arrays: dict[str, np.ndarray], name: str) -> list[str]:
    whole, ends = arrays[name].tobytes(), arrays[f"{name}_ends"].tolist()
    return [whole[a:b].decode() for a, b in zip([0, *ends], ends, strict=False)]
