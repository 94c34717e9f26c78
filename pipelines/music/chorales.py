"""Bach's four-part chorales, as they stand in music21's corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.errors import require
from pipelines.music.files import in_parallel
from pipelines.music.grid import Notes
from pipelines.music.musicxml import notes_of, parse

VOICES = ("soprano", "alto", "tenor", "bass")
LONGEST_REST = 8.0  # quarter notes: two bars without a voice are an interlude of the orchestra


def chorales() -> Iterator[tuple[str, Notes]]:
    """Name and notes of each chorale, without repetitions of the same notes.

    A chorale is a work with one part each for soprano, alto, tenor and bass. Those four are taken:
    trumpets, strings and continuo, where the score has them, mostly double the voices, and one
    setting for every piece is what makes the set consistent. Left out are works with other parts,
    chorales that pause for interludes of the orchestra, and encodings of the same notes twice.
    """
    corpus = require("music21.corpus", "music")
    # The corpus's other formats hold harmonic analyses, and three chorales that are here as well.
    paths = [Path(path) for path in corpus.getComposer("bach", fileExtensions=("xml",))]
    paths.sort(key=lambda path: path.stem)
    seen: set[bytes] = set()
    jobs = [(path,) for path in paths]
    for path, notes in zip(
        paths, in_parallel(chorale, jobs, "Preparing Bach chorales"), strict=True
    ):
        if notes is not None and notes.tobytes() not in seen:
            seen.add(notes.tobytes())
            yield path.stem, notes


def chorale(path: Path) -> Notes | None:
    """The notes of the four voices; None if the work is no plain four-part chorale."""
    voices = four_voices(parse(path).parts)
    if voices is None:
        return None
    notes, _ = notes_of(voices)
    return None if longest_rest(notes) >= LONGEST_REST else notes


def four_voices(parts: Sequence[Any]) -> list[Any] | None:
    """Soprano, alto, tenor and bass, if there is one part of each."""
    voices = []
    for voice in VOICES:
        named = [part for part in parts if (part.partName or "").lower().startswith(voice)]
        if len(named) != 1:
            return None
        voices += named
    return voices


def longest_rest(notes: Notes) -> float:
    """Quarter notes of the longest silence of all voices, the one at the beginning included."""
    start, end = notes[np.argsort(notes[:, 0])][:, :2].T
    sung_until = np.concatenate([[0.0], np.maximum.accumulate(end)])
    return float(np.max(start - sung_until[:-1]))
