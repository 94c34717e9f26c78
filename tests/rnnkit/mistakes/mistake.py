"""A careless hand's mistake in a method of a cell."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """Pieces of a method's source, and what stands there by mistake."""

    what: str
    edits: tuple[tuple[str, str], ...]
    method: str = "step"

    def __str__(self) -> str:
        return self.what


def mistake(what: str, *pieces: str, method: str = "step") -> Mistake:
    """Old and new pieces in turn."""
    return Mistake(what, tuple(zip(pieces[::2], pieces[1::2], strict=True)), method)


IN_EVERY_CELL = [
    mistake("no bias", " + self.bias", "", method="project"),
    mistake("bias subtracted", " + self.bias", " - self.bias", method="project"),
    mistake("bias scales", " + self.bias", " * self.bias", method="project"),
]
