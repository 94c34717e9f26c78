"""Notes in musical time, and the grid of steps that makes a roll of them and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.music.pieces import HELD, KEYS, LOWEST, OFF, STRUCK, TEMPO, Piece

Notes = np.ndarray
"""float64 (n, 3), a row a note: start and end in quarter notes, MIDI pitch."""

TOLERANCE = 0.02  # quarter notes: 12 ms at 100 a minute, too little to be heard as off the beat
LONGEST = 20_000.0  # quarter notes, over three hours: beyond it a time in the file is corrupt


@dataclass(frozen=True, eq=False)
class Song:
    """A piece as notes, before any grid."""

    name: str
    notes: Notes
    tempo: float | None = None  # quarter notes a minute; None: the file has none
    drums: int = 0  # notes of percussion that were left out


@dataclass(frozen=True, eq=False)
class OnGrid:
    """A roll, and what the grid changed."""

    roll: np.ndarray  # uint8 (T, 88): 0 off, 1 held, 2 struck
    notes: int  # before
    moved: int  # notes that did not start on a step, and now do
    outside: int  # notes outside the 88 keys, left out


def to_roll(notes: Notes, steps_per_beat: int) -> OnGrid:
    """Puts notes onto `steps_per_beat` steps a quarter note.

    A note starts at the nearest step and lasts at least one. Where two notes share a key, the key
    is struck at each start and held to the last end.

    >>> to_roll(np.array([[0, 0.5, 60], [0.5, 1, 60]]), 4).roll[:, 60 - LOWEST]
    array([2, 1, 2, 1], dtype=uint8)
    """
    start, end, pitch = np.reshape(notes, (-1, 3)).T
    key = pitch.astype(np.int64) - LOWEST
    inside = (key >= 0) & (key < KEYS)
    key, start, end = key[inside], start[inside], end[inside]
    first = nearest(start * steps_per_beat)
    last = np.maximum(nearest(end * steps_per_beat), first + 1)
    roll = np.full((int(last.max(initial=0)), KEYS), OFF, np.uint8)
    for k, a, b in zip(key, first, last, strict=True):
        roll[a:b, k] = HELD
    roll[first, key] = STRUCK
    moved = np.abs(start - first / steps_per_beat) > TOLERANCE
    return OnGrid(roll, len(pitch), int(moved.sum()), int((~inside).sum()))


def to_notes(roll: np.ndarray, steps_per_beat: int) -> Notes:
    """The notes of a roll, by start and then pitch; `to_roll` of them is the roll again.

    A key that is held without having been struck, as in rolls without strikes, starts a note too.
    """
    silence = np.full((1, KEYS), OFF, roll.dtype)
    before = np.concatenate([silence, roll])[: len(roll)]
    after = np.concatenate([roll, silence])[1:]
    starts = (roll == STRUCK) | ((roll == HELD) & (before == OFF))
    ends = (roll != OFF) & ((after == OFF) | (after == STRUCK))
    # Key by key the k-th start belongs to the k-th end.
    key, start = np.nonzero(starts.T)
    _, end = np.nonzero(ends.T)
    notes = np.stack([start / steps_per_beat, (end + 1) / steps_per_beat, key + LOWEST], axis=1)
    return notes[np.lexsort((key, start))]


def on_grid(song: Song, steps_per_beat: int) -> tuple[Piece, OnGrid]:
    """A song as a piece, and what the grid changed."""
    grid = to_roll(song.notes, steps_per_beat)
    tempo = song.tempo or TEMPO
    return Piece(song.name, grid.roll, steps_per_beat, tempo, outside=grid.outside), grid


def nearest(steps: np.ndarray) -> np.ndarray:
    """The nearest step; halfway is always the later one, so that a rhythm of halves stays even."""
    return np.floor(steps + 0.5).astype(np.int64)
