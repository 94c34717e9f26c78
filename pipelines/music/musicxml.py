"""MusicXML files to songs, through music21."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.errors import require
from pipelines.music.grid import LONGEST, Notes, Song
from pipelines.music.midi import UnreadableError


def read_musicxml(path: str | Path, name: str, parts: Collection[int] = ()) -> Song:
    """The song of a MusicXML file, at sounding pitch.

    Repeats are read once, as they are written. Grace notes, chord symbols and percussion are left
    out.

    Args:
        path: a `.xml`, `.musicxml` or `.mxl` file.
        name: str, the name of the song.
        parts: numbers of the parts to read, from 0; empty: all.

    Raises:
        UnreadableError: the file is corrupt, no MusicXML, or has no notes but percussion.
    """
    try:
        stream = parse(path)
        tempo = _tempo(stream)
        stream = stream.toSoundingPitch()
    except Exception as error:  # music21 lets whatever goes wrong in a corrupt file through
        raise UnreadableError(f"corrupt MusicXML: {error or type(error).__name__}") from error
    chosen = [part for k, part in enumerate(stream.parts) if not parts or k in parts]
    if not chosen:
        raise UnreadableError(f"none of the chosen parts; it has {len(stream.parts)}")
    notes, drums = notes_of(chosen)
    if not len(notes):
        raise UnreadableError("no notes but drums" if drums else "no notes")
    if notes[:, 1].max() > LONGEST:
        raise UnreadableError(f"lasts over {LONGEST:.0f} quarter notes")
    return Song(name, notes, tempo, drums)


def parse(path: str | Path) -> Any:
    """The music21 score of a file; nothing is written into music21's cache."""
    converter = require("music21.converter", "music")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return converter.parse(path, format="musicxml", forceSource=True, storePickle=False)


def notes_of(parts: Iterable) -> tuple[Notes, int]:
    """The notes of music21 parts, tied ones joined, and the number of percussion notes."""
    rows: list[tuple[float, float, int]] = []
    drums = 0
    for part in parts:
        tied: dict[int, tuple[float, float]] = {}  # pitch: start and end of a note not yet over
        for start, end, pitch, tie in _events(part):
            if pitch is None:
                drums += 1
                continue
            if pitch in tied:
                begun, until = tied.pop(pitch)
                if tie in ("stop", "continue") and until == start:
                    start = begun
                else:  # a tie that leads nowhere
                    rows.append((begun, until, pitch))
            if tie in ("start", "continue"):
                tied[pitch] = start, end
            else:
                rows.append((start, end, pitch))
        rows += [(start, end, pitch) for pitch, (start, end) in tied.items()]
    return np.array(sorted(rows), float).reshape(-1, 3), drums


def _events(part: Any) -> Iterator[tuple[float, float, int | None, str | None]]:
    """(start, end, pitch, tie) in order of time; the pitch of percussion is None."""
    harmony = require("music21.harmony", "music")
    for element in part.flatten().notes:
        length = float(element.quarterLength)
        if length == 0 or isinstance(element, harmony.Harmony):
            continue
        start = float(element.offset)
        for note in getattr(element, "notes", None) or (element,):
            pitch = note.pitch.midi if hasattr(note, "pitch") else None
            yield start, start + length, pitch, note.tie.type if note.tie else None


def _tempo(stream: Any) -> float | None:
    for mark in stream.flatten().getElementsByClass("MetronomeMark"):
        quarters = mark.getQuarterBPM()
        if quarters:
            return float(quarters)
    return None
