"""Watching a text being written, and a piece of music being played."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import numpy as np

from pipelines.music.grid import to_notes
from pipelines.music.render import RATE, synthesize

GLANCE = 0.05  # seconds between two looks at what has grown
MOST_STEPS = 2000  # of a piece, more than eight minutes
STEP = 0.25  # seconds that a step of a roll sounds
COLOURS = np.array([[255, 255, 255], [122, 163, 232], [47, 95, 179]], np.uint8)  # off, held, struck


def writing(characters: Iterator[str], length: int) -> Iterator[str]:
    """The text as far as it is written, until it has `length` characters."""
    text, seen = "", 0.0
    for character in itertools.islice(characters, length):
        text += character
        if time.monotonic() - seen > GLANCE:
            yield text
            seen = time.monotonic()
    yield text


def playing(steps: int) -> Iterator[int]:
    """How many steps have been heard so far, each when it begins to sound."""
    start = time.monotonic()
    for step in range(1, steps + 1):
        yield step
        time.sleep(max(0.0, start + step * STEP - time.monotonic()))


def sound(roll: np.ndarray) -> tuple[int, np.ndarray]:
    """A roll (T, 88) as samples a second and 16-bit samples."""
    samples = synthesize(to_notes(roll, steps_per_beat=1), tempo=60 / STEP)
    return RATE, np.round(samples * (2**15 - 1)).astype(np.int16)


def picture(roll: np.ndarray, heard: int | None = None) -> np.ndarray:
    """The keys that a roll (T, 88) ever strikes, over time, (keys, T, 3) uint8 and enlarged: low
    ones at the bottom, a struck key darker than a held one.

    Args:
        roll: of the whole piece.
        heard: its first steps, of which alone keys are drawn; all by default.
    """
    used = np.flatnonzero(roll.any(axis=0))
    low, high = (used[0] - 1, used[-1] + 2) if used.size else (39, 51)
    states = np.clip(roll[:, max(low, 0) : high], 0, 2)
    states[len(roll) if heard is None else heard :] = 0
    width = max(1, min(24, 1000 // len(roll)))
    return COLOURS[states.T[::-1]].repeat(8, axis=0).repeat(width, axis=1)
