"""Between clips and batches: what frames are like, and how those of a batch are read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.errors import UserError
from pipelines.video import cache
from pipelines.video.clips import Clip


def frame_of(clip: Clip) -> tuple[int, ...]:
    """The shape of its frames."""
    return cache.shape(Path(clip.store))[1:]


def check_frame(clip: Clip, frame: tuple[int, ...], whose: str) -> None:
    """Refuses frames of another shape.

    Raises:
        UserError: with `whose` the expected shape is.
    """
    if (found := frame_of(clip)) != frame:
        expected, received = (" x ".join(map(str, each)) for each in (frame, found))
        raise UserError(
            f"{clip.name}: expected frames of {expected} numbers, which {whose}. "
            f"Received: {received}."
        )


def group_number(group: str) -> int:
    """A group as a number, on every machine the same."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:4]) >> 1


def moments(clips: Sequence[Clip]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each number of their frames, clip by clip; 1 for a number
    that never changes."""
    count, total, squares = 0, 0.0, 0.0
    for clip in clips:
        values = clip.frames().astype(np.float64)
        count += len(values)
        total = total + values.sum(0)
        squares = squares + (values**2).sum(0)
    mean = np.asarray(total / count)
    spread = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return mean, np.where(spread > 1e-9, spread, 1.0)


def load(stores: np.ndarray, places: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The frames of a batch, read from their files.

    Args:
        stores: (batch,) names of files, as bytes.
        places: int (batch, T), rows of these files.
        lengths: int (batch,), how many of a row's places count; 0 for a row that fills the batch.

    Returns:
        (batch, T, ...), zeros where a row has ended.
    """
    some = int(np.argmax(lengths))
    first = cache.rows(stores[some].decode(), places[some, :1])
    batch = np.zeros((*places.shape, *first.shape[1:]), first.dtype)
    for row, store, at, length in zip(batch, stores, places, lengths, strict=True):
        if length:
            row[:length] = cache.rows(store.decode(), at[:length])
    return batch
