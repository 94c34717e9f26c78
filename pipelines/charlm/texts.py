"""Texts, cut by position: into parts, and into streams of windows that follow one another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.charlm.model import UNKNOWN
from pipelines.sources import SHARE


@dataclass(frozen=True)
class Text:
    """A stretch of text; a record of the task."""

    name: str
    characters: str

    @property
    def group(self) -> str:
        """Texts are cut by position, not chosen by group."""
        return self.name

    def digest(self) -> bytes:
        """A hash of the characters."""
        return hashlib.sha256(self.characters.encode()).digest()


def distinct(texts: Sequence[Text]) -> list[str]:
    """The characters that occur, by their code points."""
    return sorted(set().union(*(text.characters for text in texts)))


def to_ids(characters: str, vocabulary: Sequence[str]) -> np.ndarray:
    """The id of each character, int32: k + 1 for the k-th of `vocabulary`, `UNKNOWN` for others.

    Args:
        characters: a text.
        vocabulary: single characters by their code points; at least one.

    >>> to_ids("cab!", ["a", "b", "c"]).tolist()
    [3, 1, 2, 0]
    """
    known, codes = _code_points("".join(vocabulary)), _code_points(characters)
    places = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    return np.where(known[places] == codes, places + 1, UNKNOWN).astype(np.int32)


def _code_points(characters: str) -> np.ndarray:
    return np.frombuffer(characters.encode("utf-32-le"), np.uint32)


def cut(texts: Sequence[Text], missing: Sequence[str]) -> dict[str, list[Text]]:
    """The parts of a text by position: the last tenth for the last of the `missing` parts, the
    tenth before it for the one before, the rest for training."""
    name, whole = texts[0].name, "".join(text.characters for text in texts)
    shares = [1 - SHARE * k for k in range(len(missing), 0, -1)]
    ends = [0, *(int(len(whole) * round(share, 6)) for share in shares), len(whole)]
    return {
        part: [Text(f"{name}, characters {start} to {end}", whole[start:end])]
        for part, start, end in zip(("train", *missing), ends, ends[1:], strict=False)
    }


def windows(ids: np.ndarray, *, streams: int, steps: int) -> Iterator[dict[str, np.ndarray]]:
    """A text as `streams` stretches of equal length side by side, each cut into windows.

    Window w of stretch 0, 1, .. `streams` - 1 comes before window w + 1 of stretch 0: so many
    windows are a batch, and a row of it goes on in the same row of the next batch. All the rows of
    the first column, then all of the second and so on, are the text again. A text too short for so
    many stretches of one window has fewer; the rows that are left count nothing.

    Args:
        ids: (N,) of the text.
        streams: int, rows of a batch.
        steps: int, characters of a window.

    Yields:
        `ids` (steps,), each character's predecessor, `UNKNOWN` where a stretch begins; `next`
        (steps,), the characters; `first`, whether the window begins its stretch; `counted`, how
        many of its characters are of the text and not padding.
    """
    used = max(1, min(streams, len(ids) // steps))
    stretches = np.array_split(ids, used)
    count = -(-max(map(len, stretches)) // steps)
    following = np.zeros((streams, count * steps), np.int32)
    for row, stretch in zip(following, stretches, strict=False):
        row[: len(stretch)] = stretch
    before = np.pad(following, ((0, 0), (1, 0)), constant_values=UNKNOWN)[:, :-1]
    lengths = [len(stretch) for stretch in stretches] + [0] * (streams - used)
    for start in range(0, count * steps, steps):
        for k, length in enumerate(lengths):
            yield {
                "ids": before[k, start : start + steps],
                "next": following[k, start : start + steps],
                "first": np.array(start == 0),
                "counted": np.array(np.clip(length - start, 0, steps), np.int32),
            }
