"""Files that are there whole or not at all, whatever kills the process that writes them."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.errors import UserError

BESIDE = "writing-"  # what a killed write leaves behind starts so; the next one overwrites it

Row = dict[str, float]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; afterwards it takes the place of `path` in one step.

    Raises:
        UserError: the disk is full, or writing is not permitted there. `path` is as it was.
    """
    beside = path.with_name(BESIDE + path.name)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            _to_disk(beside)
            os.replace(beside, path)
            _to_disk(path.parent)
        except OSError:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns what the system says about writing `path` into one line with a way out."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
        raise cannot_write(path, reason) from error


def is_place(source: str) -> bool:
    """Whether `source` is a file or folder, and not what a task knows by name: `tfds:NAME`,
    `dates:held-out`."""
    return re.match("[a-z]+:", source) is None or Path(source).exists()


def cannot_write(path: Path, reason: str) -> UserError:
    """One line that names `path`, why the system refused it, and the way out."""
    return UserError(
        f"{path}: cannot be written ({reason.lower()}). Nothing that was finished is lost: "
        "make room or give permission, and the same command goes on."
    )


def _to_disk(path: Path) -> None:
    """So that a power cut cannot undo the order of two writes."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(folder: Path, option: str = "--run") -> Iterator[None]:
    """Keeps a second process out of `folder`; the system itself unlocks it when a process dies.

    Args:
        folder: is made where it is missing.
        option: of the command, that names another folder.

    Raises:
        UserError: another process trains there, or the folder cannot be made.
    """
    import fcntl

    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: expected a folder. Received: a file. Use {option} NEW.")
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{folder}: another process is training there. Wait for it, or use {option} NEW."
            ) from None
        yield
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Replaces `path` by `value` as indented JSON."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def write_rows(path: Path, rows: list[Row]) -> None:
    """A CSV in which every float has all its digits."""
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: Path) -> list[Row]:
    """The rows of such a CSV; none if there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    return [{**row, "epoch": int(row["epoch"])} for row in rows]
