"""A pair of sentences: what the translation task learns from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """A sentence and its translation."""

    name: str  # file:line, or what else says where it comes from
    source: str
    target: str
    about: str | None = None  # what the sentence is about, where that may not straddle a split

    @property
    def group(self) -> str:
        """Translations of one sentence stay on one side of a split: whoever has seen one of them
        knows the others."""
        return self.source if self.about is None else self.about

    def digest(self) -> bytes:
        """A hash of both sentences."""
        return hashlib.sha256(f"{self.source}\t{self.target}".encode()).digest()


def spaced(text: str) -> str:
    """`text` with single spaces, of whatever kind they were, and none around it."""
    return " ".join(text.split())
