"""Folders of MIDI and MusicXML files to songs."""

from __future__ import annotations

import contextlib
import gzip
import os
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from pipelines.errors import UserError, require
from pipelines.music.grid import Song
from pipelines.music.midi import UnreadableError, read_midi
from pipelines.music.musicxml import read_musicxml

MIDI = (".mid", ".midi")
MUSICXML = (".xml", ".musicxml", ".mxl")
FEW = 16  # files up to here are read at once, as starting processes takes about two seconds
MOST_PROCESSES = 8
SAFE_PATH = "PYTHONSAFEPATH"


def kind(path: Path) -> str:
    """The suffix in small letters, `.gz` aside."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def music_files(folder: Path) -> list[Path]:
    """Every music file in a folder and the folders in it, sorted."""
    return sorted(
        path for path in folder.rglob("*") if kind(path) in MIDI + MUSICXML and path.is_file()
    )


def read_file(path: Path, name: str, tracks: Collection[int] = ()) -> list[Song] | str:
    """The songs of a file, or the reason why there are none."""
    try:
        data = path.read_bytes()
        if path.name.lower().endswith(".gz"):
            data = gzip.decompress(data)
        if kind(path) in MIDI:
            return read_midi(data, name, tracks)
        with tempfile.NamedTemporaryFile(suffix=kind(path)) as file:  # music21 reads .mxl by path
            file.write(data)
            file.flush()
            return [read_musicxml(file.name, name, tracks)]
    except UnreadableError as reason:
        return _one_line(str(reason))
    except (OSError, EOFError, zlib.error) as error:
        return _one_line(f"cannot be read: {error}")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def read_files(
    paths: Sequence[Path], names: Sequence[str], tracks: Collection[int] = ()
) -> list[list[Song] | str]:
    """`read_file` of each, in parallel where there are many."""
    jobs = [(path, name, tracks) for path, name in zip(paths, names, strict=True)]
    return list(in_parallel(read_file, jobs, "Reading music"))


def in_parallel(function: Callable, jobs: Sequence[tuple], doing: str) -> Iterator[Any]:
    """`function(*job)` of each job, in order, in several processes, with progress on stderr."""
    many = len(jobs) > FEW
    console = Console(stderr=True)
    hidden = not many or not console.is_terminal
    with _safe_path():
        results: Iterable
        if many:
            # joblib and not multiprocessing: its processes do not run the user's script again.
            joblib = require("joblib", "music")
            processes = min(MOST_PROCESSES, joblib.cpu_count())
            results = joblib.Parallel(n_jobs=processes, return_as="generator", batch_size=4)(
                joblib.delayed(function)(*job) for job in jobs
            )
        else:
            results = (function(*job) for job in jobs)
        if many and hidden:
            console.print(f"{doing} ...")
        yield from track(
            results, doing, total=len(jobs), console=console, transient=True, disable=hidden
        )


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Processes that begin in this block import nothing from the folder that they begin in."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        os.environ.pop(SAFE_PATH)
        if before is not None:
            os.environ[SAFE_PATH] = before


def parse_tracks(text: str) -> tuple[int, ...]:
    """`"0,2"` as (0, 2); an empty text, for all tracks, as ().

    Raises:
        UserError: it is no list of track numbers.
    """
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    if not all(word.isascii() and word.isdecimal() for word in words):
        raise UserError(f"--tracks must be track numbers from 0, such as 0,2. Received: {text}.")
    return tuple(int(word) for word in words)
