"""The floor: every word gets the tag that it had most often in the training part."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from pipelines.ner.sentences import Sentence


def fit(records: Sequence[Sentence]) -> dict[str, np.ndarray]:
    """The most frequent tag of all (for new words), and the words with another one than it."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        for token, tag in zip(record.tokens, record.tags or (), strict=True):
            counts[token][tag] += 1
    usual = _most(sum(counts.values(), Counter()))
    own = {token: _most(tags) for token, tags in counts.items()}
    others = {token: tag for token, tag in own.items() if tag != usual}
    return {
        "usual": _bytes([usual]),
        "words": _bytes([*others]),
        "tags": _bytes([*others.values()]),
    }


def tags(fitted: dict[str, np.ndarray], records: Sequence[Sentence]) -> Iterator[list[str]]:
    """What the floor says of each sentence; its tags may break the rules of a scheme."""
    (usual,) = _texts(fitted["usual"])
    known = dict(zip(_texts(fitted["words"]), _texts(fitted["tags"]), strict=True))
    for record in records:
        yield [known.get(token, usual) for token in record.tokens]


def _most(counts: Counter[str]) -> str:
    return min(counts, key=lambda tag: (-counts[tag], tag))


def _bytes(texts: list[str]) -> np.ndarray:
    """Texts as one array of bytes: NumPy's own texts are all as long as the longest."""
    return np.frombuffer("\n".join(texts).encode(), np.uint8)


def _texts(array: np.ndarray) -> list[str]:
    return array.tobytes().decode().split("\n") if array.size else []
