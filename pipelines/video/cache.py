"""Where decoded frames lie: files that are read row by row, so that memory holds a batch of them.

A file is named after what it was made of, content and settings, so that no run decodes twice what
another has decoded, and nothing is ever out of date. Whoever needs the room deletes the folder.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipelines.errors import UserError

VERSION = 2  # of how frames are made; another one leaves older files alone


def folder() -> Path:
    """`RNNKIT_CACHE`, or `rnnkit` where the system keeps caches; in it `video`."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("RNNKIT_CACHE") or Path(caches) / "rnnkit") / "video"


def place(*made_of: object) -> Path:
    """The file of what was made of these."""
    key = hashlib.sha256(repr((VERSION, *made_of)).encode()).hexdigest()[:32]
    return folder() / key[:2] / f"{key}.npy"


def write(path: Path, frames: Iterable[np.ndarray]) -> int:
    """Writes frames as they come, whole or not at all, as an array (frames, ...).

    Args:
        path: of the file; several processes may write it at once.
        frames: arrays of one shape and type, any number.

    Returns:
        How many there were; where there was none, no file.

    Raises:
        UserError: the folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, beside = tempfile.mkstemp(dir=path.parent, prefix="writing-")
            stack.callback(Path(beside).unlink, missing_ok=True)
            file = stack.enter_context(os.fdopen(handle, "wb"))
        except OSError as error:
            raise _cannot_write(error) from error
        count = 0
        for frame in frames:
            try:
                if count == 0:
                    _header(file, frame, 0)
                file.write(np.ascontiguousarray(frame).tobytes())
            except OSError as error:
                raise _cannot_write(error) from error
            count += 1
        if count == 0:
            return 0
        try:
            file.seek(0)
            _header(file, frame, count)  # of the same size: NumPy leaves room for the first axis
            file.close()
            os.replace(beside, path)
        except OSError as error:
            raise _cannot_write(error) from error
    return count


def rows(path: str | Path, places: np.ndarray | slice) -> np.ndarray:
    """Some of the frames of a file, (places, ...); no more of it than these is read."""
    frames = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.array(frames[places])


@functools.lru_cache(maxsize=1 << 16)
def shape(path: Path) -> tuple[int, ...]:
    """(frames, ...) of a file."""
    return np.load(path, mmap_mode="r", allow_pickle=False).shape


def _header(file, frame: np.ndarray, count: int) -> None:
    description = np.lib.format.dtype_to_descr(frame.dtype)
    np.lib.format.write_array_header_1_0(
        file, {"descr": description, "fortran_order": False, "shape": (count, *frame.shape)}
    )


def _cannot_write(error: OSError) -> UserError:
    reason = (error.strerror or str(error)).lower()
    return UserError(
        f"{folder()}: decoded frames cannot be written ({reason}). Make room, or set RNNKIT_CACHE "
        "to a folder with more."
    )
