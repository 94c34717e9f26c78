"""Sentence: the record of the task."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Sentence:
    """A sentence as tokens, with a tag each where they are known.

    Args:
        name: str, where it comes from.
        tokens: tuple of str, none of them empty.
        tags: tuple of str, in the scheme `pipelines.ner.schemes.INSIDE`, or labels of any kind;
            None where they are not known.
        document: str, what it belongs to: sentences of one document stand on one side of a split.
            Default: "", the sentence by itself.
        text: str, what the tokens were cut from. Default: None, the tokens with blanks between.
        places: tuple of (start, end), each token's place in the text in code points. Default: None,
            as follows from the tokens with blanks between.
        cells: the columns of the line of each token, where a file had them.

    Example:

    >>> Sentence("typed", ("Ada", "slept"), ("S-PER", "O")).spans
    ((0, 3), (4, 9))
    """

    name: str
    tokens: tuple[str, ...]
    tags: tuple[str, ...] | None = None
    document: str = ""
    text: str | None = None
    places: tuple[tuple[int, int], ...] | None = None
    cells: tuple[tuple[str, ...], ...] | None = None

    def __post_init__(self) -> None:
        if self.tags is not None and len(self.tags) != len(self.tokens):
            raise ValueError(
                f"a sentence needs a tag a token. Received: {len(self.tokens)} tokens, "
                f"{len(self.tags)} tags."
            )

    @property
    def group(self) -> str:
        return self.document or content(self.tokens)

    @property
    def sentence(self) -> str:
        """The text."""
        return " ".join(self.tokens) if self.text is None else self.text

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Start and end of each token in the text, in code points."""
        if self.places is not None:
            return self.places
        ends, end = [], -1
        for token in self.tokens:
            end += 1 + len(token)
            ends.append(end)
        return tuple((end - len(t), end) for end, t in zip(ends, self.tokens, strict=True))

    def digest(self) -> bytes:
        """A hash of tokens and tags."""
        parts = [*self.tokens, "\n", *(self.tags or ())]
        return hashlib.sha256("\t".join(parts).encode()).digest()


def content(tokens: Sequence[str]) -> str:
    """What equal sentences share, capitals aside."""
    return " ".join(tokens).casefold()
