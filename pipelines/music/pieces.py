"""Piece: one piece of music as a piano roll, the record of the music task."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

KEYS = 88
LOWEST = 21  # MIDI pitch of key 0, A0; the highest key is 108, C8
OFF, HELD, STRUCK = 0, 1, 2
TEMPO = 100.0  # quarter notes a minute, where nothing says otherwise
MOVES = 8  # of the melody name a group: the first line of a hymn


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece of music: what each of the 88 keys of a piano does at each step.

    Args:
        name: str, where it comes from.
        roll: uint8 (T, 88), 0 off, 1 held, 2 struck; column 0 is MIDI pitch 21. A note struck
            again is 2 at every strike. Without strikes (`has_strikes=False`) only 0 and 1.
        steps_per_beat: int, steps a quarter note; 0 where the data do not tell.
        tempo: float, quarter notes a minute.
        has_strikes: bool, False for data sets that only tell which keys sound.
        outside: int, notes of the source that no key has, and the roll lacks.

    Example:

    >>> roll = np.zeros((4, 88), np.uint8)
    >>> roll[:, 39] = [2, 1, 2, 1]  # middle C, struck twice
    >>> Piece("two notes", roll, steps_per_beat=2).roll.shape
    (4, 88)
    """

    name: str
    roll: np.ndarray
    steps_per_beat: int
    tempo: float = TEMPO
    has_strikes: bool = True
    outside: int = 0

    def __post_init__(self) -> None:
        if self.roll.ndim != 2 or self.roll.shape[1] != KEYS or self.roll.dtype != np.uint8:
            raise ValueError(
                f"roll must be a uint8 array of shape (steps, {KEYS}). "
                f"Received: {self.roll.dtype} of shape {self.roll.shape}."
            )

    @cached_property
    def group(self) -> str:
        """The opening of the melody: the first moves of the highest sounding key from beat to
        beat, in semitones.

        The same for every key, tempo, grid and harmony of a tune; looking at beats only keeps
        passing notes from telling two settings of one tune apart.
        """
        sounding = self.roll > OFF
        start = int(sounding.any(axis=1).argmax())
        beats = sounding[start :: max(self.steps_per_beat, 1)]
        beats = beats[beats.any(axis=1)]
        top = KEYS - 1 - beats[:, ::-1].argmax(axis=1)
        moves = np.diff(top)
        return " ".join(f"{move:+d}" for move in moves[moves != 0][:MOVES])

    def digest(self) -> bytes:
        """A hash of the roll."""
        return hashlib.sha256(np.ascontiguousarray(self.roll).tobytes()).digest()
