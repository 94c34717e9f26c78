"""A record of the sentiment task: a text and its label."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True)
class Review:
    """A text, with its label where it is known.

    Args:
        name: where it comes from, `file:line`.
        text: str, not blank.
        label: str, or None where it is not known.
    """

    name: str
    text: str
    label: str | None = None

    @property
    def group(self) -> str:
        """The text, whatever its case, blanks and way of writing accents: copies of a review never
        stand on two sides of a split."""
        return " ".join(unicodedata.normalize("NFKC", self.text).casefold().split())

    @property
    def is_composed(self) -> bool:
        """Whether the text is in Unicode's form NFC, as almost all text is."""
        return unicodedata.is_normalized("NFC", self.text)

    def digest(self) -> bytes:
        """A hash of text and label."""
        return hashlib.sha256(f"{self.label}\0{self.text}".encode()).digest()
