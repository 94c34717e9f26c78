"""Clips decoded by PyAV: scaled, and brought to one number of frames a second."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipelines.errors import require
from pipelines.video import cache

SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv")
FORMATS = {"rgb": "rgb24", "grey": "gray"}
# Containers that hold their pictures themselves: a playlist would have other files opened.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegvideo,mpegts,m4v,asf,flv,ogg,h264,hevc,gif"
)
EARLY = 1e-6  # seconds by which a time stamp may miss the time it stands for

T = TypeVar("T")


@dataclass(frozen=True)
class Look:
    """What is kept of a clip."""

    width: int
    height: int
    colour: str  # "rgb" or "grey"
    rate: float  # frames a second

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a frame."""
        return self.height, self.width, 3 if self.colour == "rgb" else 1


@dataclass(frozen=True)
class Decoded:
    """A clip in the cache, or why it is not there."""

    content: str = ""  # hash of the file
    store: Path = Path()
    frames: int = 0
    fault: str = ""


class DecodingError(Exception):
    """A file is no clip; the message says why."""


def decode_all(paths: Sequence[Path], look: Look, threads: int | None = None) -> list[Decoded]:
    """Decodes clips side by side into the cache; those that are there already are only hashed.

    Decoding releases Python's lock, so that threads use all cores. On a terminal a bar shows what
    is left.

    Args:
        paths: of the clips.
        look: what is kept of them.
        threads: how many decode at once; None: one a core.

    Raises:
        UserError: PyAV is not installed, or the cache cannot be written.
    """
    require("av", "video")
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        jobs = pool.map(lambda path: _decoded(path, look), paths)
        try:
            return list(watched(jobs, len(paths), "decoding clips"))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def watched(work: Iterable[T], total: int, words: str) -> Iterator[T]:
    """The same, with a bar on stderr that shows what is left; only on a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        yield from progress.track(work, total=total)


def _decoded(path: Path, look: Look) -> Decoded:
    try:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return Decoded(fault=f"cannot be read ({error.strerror})")
    store = cache.place("clip", content, look)
    if store.exists():
        return Decoded(content, store, cache.shape(store)[0])
    try:
        count = cache.write(store, decode(path, look))
    except DecodingError as error:
        return Decoded(fault=str(error))
    if count == 0:
        return Decoded(fault="expected a clip. Received: a file without a single frame")
    return Decoded(content, store, count)


def decode(path: str | Path, look: Look) -> Iterator[np.ndarray]:
    """The frames of a clip, (height, width, 1 or 3) uint8, `look.rate` of them a second.

    Pictures are turned upright, as the file says, and scaled by the mean of what a new pixel
    covers, without regard to their proportions.

    Raises:
        DecodingError: it cannot be decoded.
    """
    import av

    try:
        with av.open(str(path), options={"format_whitelist": CONTAINERS}) as container:
            if not container.streams.video:
                raise DecodingError("expected a clip. Received: a file without pictures")
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # clips are decoded side by side
            scaler = av.video.reformatter.VideoReformatter()
            shown: Any = None
            for frame in resample(_timed(container, stream), look.rate):
                if frame is not shown:
                    shown, picture = frame, _picture(frame, look, scaler)
                yield picture
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DecodingError(f"expected a clip. Received: {reason.splitlines()[0]}") from error


def resample(timed: Iterable[tuple[float, float, T]], rate: float) -> Iterator[T]:
    """What is shown at the times 0, 1/rate, 2/rate, ... after the first frame's, up to the end.

    Args:
        timed: (time, duration, frame), in seconds, in the order of times.
        rate: frames a second wanted: fewer leave some out, more repeat some.
    """
    k, start, end, held = 0, None, 0.0, None
    for time, duration, frame in timed:
        if start is None:
            start = time
        while k / rate < time - start - EARLY:
            yield held  # type: ignore[misc]
            k += 1
        held, end = frame, time - start + duration
    while start is not None and (k == 0 or k / rate < end - EARLY):
        yield held  # type: ignore[misc]
        k += 1


def _timed(container: Any, stream: Any) -> Iterator[tuple[float, float, Any]]:
    """(time, duration, frame). Where time stamps are missing or stand still, as in files that were
    put together carelessly, a frame begins where the one before ends."""
    usual = float(1 / stream.average_rate) if stream.average_rate else 0.04
    begun, end = -1.0, 0.0
    for frame in container.decode(stream):
        stamped = frame.time is not None and (frame.time > begun or begun < 0)
        time = frame.time if stamped else end
        duration = float(frame.duration * frame.time_base) if frame.duration else usual
        yield time, duration, frame
        begun, end = time, time + duration


def _picture(frame: Any, look: Look, scaler: Any) -> np.ndarray:
    turns = frame.rotation // 90 % 4  # counterclockwise
    width, height = (look.height, look.width) if turns % 2 else (look.width, look.height)
    scaled = scaler.reformat(
        frame, width, height, FORMATS[look.colour], interpolation="AREA", threads=1
    )
    picture = np.rot90(scaled.to_ndarray(), turns)
    return picture.reshape(look.shape)
