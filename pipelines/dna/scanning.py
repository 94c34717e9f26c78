"""A window over long sequences: chromosomes in constant memory, with progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.dna import fasta
from pipelines.dna.alphabets import ALPHABETS
from pipelines.dna.scoring import ROWS, Scorer

SECONDS = 15  # between two lines of progress


@dataclass(frozen=True)
class Scored:
    """The answer for letters `start` to `end` - 1 (from 0) of a sequence, seen in a window."""

    name: str
    start: int
    end: int
    window: tuple[int, int]
    probabilities: np.ndarray


class Progress(str):
    """A note of how far a scan is, which tells nothing of the data."""

    __slots__ = ()


def scan(
    pieces: Iterable[fasta.Header | fasta.Letters | str],
    score: Scorer,
    window: int,
    step: int,
    *,
    per_base: bool = False,
    place: str = "",
) -> Iterator[Scored | str]:
    """The answers of all windows of all sequences, in their order; notes for the user are strings.

    A window's answer stands for the `step` letters in its middle, so that those of neighbours
    neither overlap nor leave gaps. Of a model with labels of letters, each letter is answered from
    a window in which it is as far from the ends as possible, at least a quarter of the window
    where the sequence goes on that far.

    Args:
        pieces: headers and letters, as `fasta.read_pieces` gives them.
        score: see `pipelines.dna.scoring.scorer`.
        window: letters.
        step: letters from one window to the next; windows of letters' labels move by half a window.
        per_base: bool, whether `score` answers for letters.
        place: the file, for messages.
    """
    scanner: _Scanner | None = None
    for piece in pieces:
        if isinstance(piece, str):
            yield piece
        elif isinstance(piece, fasta.Header):
            if scanner is not None:
                yield from scanner.finish(place)
            scanner = _Scanner(piece, score, window, step, per_base)
        elif scanner is not None:
            yield from scanner.feed(piece.text)
    if scanner is not None:
        yield from scanner.finish(place)


class _Scanner:
    """The windows of one sequence, whose letters come in parts."""

    def __init__(
        self, header: fasta.Header, score: Scorer, window: int, step: int, per_base: bool
    ) -> None:
        self._header, self._score = header, score
        self._window, self._step, self._per_base = window, step, per_base
        self._stride = max(1, window // 2) if per_base else step
        self._letters = bytearray()  # those that windows still need
        self._offset = 0  # of the first of them
        self._before = bytearray()  # a window's worth of letters before them
        self._answered = 0  # letters, with labels of letters

    def feed(self, text: str) -> Iterator[Scored]:
        self._letters += text.encode("latin-1", "replace")
        whole = self._window + (ROWS - 1) * self._stride
        while len(self._letters) > whole:  # one letter more: the last window is known not to be it
            yield from self._rows(ROWS)

    def finish(self, place: str) -> Iterator[Scored | str]:
        total = self._offset + len(self._letters)
        if total < self._window and not (self._per_base and total):
            where = f"{place}:{self._header.line}" if place else self._header.name
            yield f"left out: {where}: {total} letters, fewer than the window of {self._window}"
            return
        while len(self._letters) >= self._window:
            left = (len(self._letters) - self._window) // self._stride + 1
            yield from self._rows(min(ROWS, left))
        if self._per_base and self._answered < total:
            yield from self._tail(total)

    def _rows(self, count: int) -> Iterator[Scored]:
        view = np.frombuffer(bytes(self._letters), np.uint8)
        windows = np.lib.stride_tricks.sliding_window_view(view, self._window)[:: self._stride]
        answers = self._score(np.ascontiguousarray(windows[:count]))
        for k, answer in enumerate(answers):
            start = self._offset + k * self._stride
            if self._per_base:
                yield from self._of_letters(start, answer, self._window * 3 // 4)
            else:
                middle = start + (self._window - self._step) // 2
                seen = (start, start + self._window)
                yield Scored(self._header.name, middle, middle + self._step, seen, answer)
        gone = count * self._stride
        self._before = (self._before + self._letters[:gone])[-self._window :]
        del self._letters[:gone]
        self._offset += count * self._stride

    def _tail(self, total: int) -> Iterator[Scored]:
        """The letters after the middle of the last whole window, or all of a short sequence."""
        need = min(self._window, total)
        letters = np.frombuffer(bytes((self._before + self._letters)[-need:]), np.uint8)
        yield from self._of_letters(total - need, self._score(letters[None])[0], need)

    def _of_letters(self, start: int, answer: np.ndarray, until: int) -> Iterator[Scored]:
        """The letters not answered yet, up to letter `until` of the window."""
        window = (start, start + len(answer))
        for k in range(self._answered - start, until):
            yield Scored(self._header.name, start + k, start + k + 1, window, answer[k])
        self._answered = max(self._answered, start + until)


def repaired(
    pieces: Iterable[fasta.Header | fasta.Letters], path: Path, alphabet: str
) -> Iterator[fasta.Header | fasta.Letters | str]:
    """The same with letters outside the alphabet as the one that may be any, each line's first one
    told, so that one wrong letter does not cost a chromosome."""
    kind = ALPHABETS[alphabet]
    for piece in pieces:
        if isinstance(piece, fasta.Letters) and (wrong := fasta.stranger(path, piece, alphabet)):
            yield f"{wrong.place}: {wrong.reason}; read as {kind.unknown}"
            known = set(kind.symbols)
            text = "".join(letter if letter in known else kind.unknown for letter in piece.text)
            yield fasta.Letters(text, piece.line, piece.column)
        else:
            yield piece


def with_progress(
    rows: Iterable[Scored | str], path: Path, position: Callable[[], int]
) -> Iterator[Scored | str]:
    """The same, with a note now and then: how much of the file is read, and how long the rest
    will take.

    Args:
        rows: what `scan` gives.
        path: of the file.
        position: bytes of the file that are read.
    """
    size = max(1, path.stat().st_size)
    begun = told = time.monotonic()
    for row in rows:
        yield row
        now = time.monotonic()
        if now - told > SECONDS:
            told, share = now, min(1.0, max(position(), 1) / size)
            left = (now - begun) * (1 - share) / share
            yield Progress(f"{path.name}: {share:.0%} scanned, about {left:.0f} s left")
