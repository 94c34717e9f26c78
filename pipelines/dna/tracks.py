"""Answers about places of sequences as BED and bedGraph, for genome browsers."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from pipelines.errors import UserError

Answer = dict[str, Any]
PROBABILITY = "p_"  # begins the key of a label's probability


def write_bed(answers: Iterable[Answer], path: Path) -> None:
    """An interval a finding: neighbouring places with the same call are one.

    Columns: sequence, start, end (from 0, the end excluded), label, 1000 times the highest
    probability, strand.
    """
    with path.open("w", encoding="utf-8") as file:
        for found in _findings(answers):
            score = round(1000 * found["probability"])
            row = (found["chromosome"], found["start"], found["end"], found["call"], score, ".")
            file.write("\t".join(map(str, row)) + "\n")


def _findings(answers: Iterable[Answer]) -> Iterator[Answer]:
    open_one: Answer | None = None
    for answer in answers:
        _check(answer, ".bed")
        if (
            open_one is not None
            and answer["call"] == open_one["call"]
            and answer["chromosome"] == open_one["chromosome"]
            and answer["start"] == open_one["end"]
        ):
            best = max(open_one["probability"], answer["probability"])
            open_one |= {"end": answer["end"], "probability": best}
            continue
        if open_one is not None:
            yield open_one
        open_one = dict(answer) if answer["call"] else None
    if open_one is not None:
        yield open_one


def write_bedgraph(answers: Iterable[Answer], path: Path) -> None:
    """A track a label, with its probability at every place; neighbours of one value are joined."""
    with contextlib.ExitStack() as stack:
        tracks: dict[str, _Track] = {}
        for answer in answers:
            _check(answer, ".bedgraph")
            for key, value in answer.items():
                if not key.startswith(PROBABILITY):
                    continue
                if key not in tracks:
                    file = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
                    tracks[key] = _Track(file)
                tracks[key].add(answer["chromosome"], answer["start"], answer["end"], value)
        with path.open("w", encoding="utf-8") as file:
            for key, track in tracks.items():
                name = key.removeprefix(PROBABILITY).replace('"', "'")
                file.write(f'track type=bedGraph name="{name}" viewLimits=0:1\n')
                track.copy_to(file)


class _Track:
    """The lines of a label, kept on disk until the tracks are written one after the other."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._last: tuple[str, int, int, str] | None = None

    def add(self, chromosome: str, start: int, end: int, value: float) -> None:
        text = f"{value:.4g}"
        last = self._last
        if last is not None and (last[0], last[2], last[3]) == (chromosome, start, text):
            self._last = (chromosome, last[1], end, text)
            return
        self._write()
        self._last = (chromosome, start, end, text)

    def copy_to(self, file: TextIO) -> None:
        self._write()
        self._file.seek(0)
        file.writelines(self._file)

    def _write(self) -> None:
        if self._last is not None:
            self._file.write("\t".join(map(str, self._last)) + "\n")
        self._last = None


def _check(answer: Answer, suffix: str) -> None:
    if "start" not in answer:
        raise UserError(
            f"{suffix} needs places on sequences. Expected a FASTA file to scan (--window N), or "
            "a BED file. Received: sequences without places; write them to .csv, .tsv or .jsonl."
        )
