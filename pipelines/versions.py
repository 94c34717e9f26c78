"""The folder of a served model: numbered versions that appear whole or not at all."""

from __future__ import annotations

import errno
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from pipelines.errors import UserError

DAY = 24 * 3600  # seconds after which a draft belongs to nobody: no export takes that long


def versions(folder: Path) -> list[int]:
    """The version numbers in `folder`, rising: the names that TensorFlow Serving looks at."""
    if not folder.is_dir():
        return []
    return sorted(int(each.name) for each in folder.iterdir() if each.name.isdecimal())


@contextmanager
def draft(folder: Path) -> Iterator[Path]:
    """A new folder inside `folder` under a name that is no version; what is left of it at the end,
    however that comes, is removed."""
    created = not folder.exists()
    place = folder / f".draft-{uuid.uuid4().hex}"
    try:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob(".draft-*"):  # of exports that were killed
                if time.time() - leftover.stat().st_mtime > DAY:
                    shutil.rmtree(leftover, ignore_errors=True)
            place.mkdir()
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        if created and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def publish(place: Path) -> Path:
    """Renames a draft to the next version of its folder and returns the new path."""
    while True:
        version = place.parent / str(max(versions(place.parent), default=0) + 1)
        try:
            return place.rename(version)
        except OSError as error:  # another export was faster and has taken the number
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Failures of the file system, which TensorFlow reports in its own ways, as a `UserError`."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        said = getattr(error, "message", None) or str(error)
        # TensorFlow's message names its operation and its file before the reason.
        reason = getattr(error, "strerror", None) or said.splitlines()[0].rpartition("; ")[2]
        raise UserError(
            f"{folder}: cannot write the export: {reason}. Expected a folder that "
            "may be written, with free space; choose another with --root."
        ) from error
