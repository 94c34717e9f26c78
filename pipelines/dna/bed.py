"""Intervals of a BED file, cut out of a genome."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.dna.alphabets import ALPHABETS
from pipelines.dna.fasta import Entry, open_file, read_entries, wrong_letter
from pipelines.dna.sequences import BioSequence
from pipelines.errors import UserError
from pipelines.task import Dropped

TILE = 500  # letters of a piece of genome whose letters have labels
OUTSIDE = "none"  # the label of letters in no interval


@dataclass(frozen=True)
class Interval:
    """Letters `start` to `end` - 1 (from 0) of a chromosome."""

    place: str  # file:line
    chromosome: str
    start: int
    end: int
    name: str | None
    strand: str


def read_bed(path: Path) -> Iterator[Interval | Dropped]:
    """The intervals: chromosome, start, end and, if they are there, name, score and strand."""
    with open_file(path) as (file, _):
        for number, line in enumerate(file, 1):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if not text.strip() or text.startswith(("#", "track", "browser")):
                continue
            yield _interval(f"{path}:{number}", text)


def _interval(place: str, text: str) -> Interval | Dropped:
    cells = text.split("\t") if "\t" in text else text.split()
    shown = " ".join(cells)[:60]
    if len(cells) < 3 or not (cells[1].isdecimal() and cells[2].isdecimal()):
        return Dropped(place, f"expected chromosome, start and end. Received: {shown}")
    start, end = int(cells[1]), int(cells[2])
    if start >= end:
        return Dropped(place, f"expected start before end. Received: {shown}")
    name = cells[3] if len(cells) > 3 and cells[3] not in ("", ".") else None
    strand = cells[5] if len(cells) > 5 else "."
    if strand not in "+-.":
        return Dropped(place, f"expected strand +, - or '.'. Received: {strand[:20]}")
    return Interval(place, cells[0], start, end, name, strand)


def cut(
    intervals: list[Interval], genome: Path, alphabet: str, width: int | None
) -> Iterator[BioSequence | Dropped]:
    """A sequence an interval, in the order of the intervals; one on strand - is the reverse
    complement. A chromosome at a time is in memory.

    Args:
        intervals: of one file.
        genome: FASTA file.
        alphabet: of its letters.
        width: letters around the middle of each interval; None for the interval itself.
    """
    wanted: dict[str, list[int]] = {}
    for k, interval in enumerate(intervals):
        wanted.setdefault(interval.chromosome, []).append(k)
    found: dict[int, BioSequence | Dropped] = {}
    names: list[str] = []
    for entry in chromosomes(genome):
        if isinstance(entry, Dropped):
            yield entry
            continue
        names.append(entry.header.name)
        for k in wanted.pop(entry.header.name, []):
            found[k] = _piece(intervals[k], entry.letters, alphabet, width)
    for chromosome, rows in wanted.items():
        reason = f"{genome.name} has no sequence {chromosome}, it has {_few(names)}"
        found |= {k: Dropped(intervals[k].place, reason) for k in rows}
    yield from (found[k] for k in sorted(found))


def chromosomes(genome: Path) -> Iterator[Entry | Dropped]:
    """The sequences of a genome. Their letters are not looked at: one wrong letter costs the piece
    it lies in, not its chromosome.

    Raises:
        UserError: two have one name, or the file is no FASTA.
    """
    seen: set[str] = set()
    for entry in read_entries(genome, None):
        if isinstance(entry, Entry):
            name = entry.header.name
            if name in seen:
                raise UserError(
                    f"{genome}:{entry.header.line}: expected a name a sequence. Received: {name} "
                    "a second time."
                )
            seen.add(name)
        yield entry


def _piece(
    interval: Interval, letters: str, alphabet: str, width: int | None
) -> BioSequence | Dropped:
    start, end = interval.start, interval.end
    if width is not None:
        start = (start + end) // 2 - width // 2
        end = start + width
    if start < 0 or end > len(letters):
        around = "" if width is None else f" (--width {width} around its middle)"
        return Dropped(
            interval.place,
            f"{start} to {end}{around} lies outside of {interval.chromosome}, which has "
            f"{len(letters)} letters",
        )
    kind, text = ALPHABETS[alphabet], letters[start:end]
    if (wrong := strange(text, start, alphabet)) is not None:
        return Dropped(interval.place, wrong)
    if interval.strand == "-":
        if not kind.complement:
            return Dropped(interval.place, f"{alphabet} has no strand -")
        text = kind.reverse_complement(text)
    return BioSequence(
        name=f"{interval.chromosome}:{start}-{end}",
        letters=text,
        label=interval.name,
        chromosome=interval.chromosome,
        span=(start, end),
    )


def strange(text: str, start: int, alphabet: str) -> str | None:
    """What is said of a piece of a chromosome that has a letter outside the alphabet."""
    place = ALPHABETS[alphabet].stranger(text)
    if place is None:
        return None
    return f"letter {start + place + 1} of its chromosome: {wrong_letter(text[place], alphabet)}"


def tile(
    intervals: list[Interval], genome: Path, alphabet: str, width: int | None
) -> Iterator[BioSequence | Dropped]:
    """The chromosomes that have intervals, in pieces of `width` letters, each letter labelled with
    the name of the interval it lies in, or `none`. Of intervals that overlap the later counts."""
    wanted: dict[str, list[Interval]] = {}
    for interval in intervals:
        wanted.setdefault(interval.chromosome, []).append(interval)
    names: list[str] = []
    size = width or TILE
    for entry in chromosomes(genome):
        if isinstance(entry, Dropped):
            yield entry
            continue
        name, letters = entry.header.name, entry.letters
        names.append(name)
        if name not in wanted:
            continue
        labels = [OUTSIDE] * len(letters)
        for interval in wanted.pop(name):
            if interval.end > len(letters):
                reason = f"{interval.start} to {interval.end} lies outside of {name}, which has "
                yield Dropped(interval.place, f"{reason}{len(letters)} letters")
                continue
            label = interval.name or "inside"
            labels[interval.start : interval.end] = [label] * (interval.end - interval.start)
        for start in range(0, len(letters), size):
            end = min(start + size, len(letters))
            if (wrong := strange(letters[start:end], start, alphabet)) is not None:
                yield Dropped(f"{genome}: {name}:{start}-{end}", wrong)
                continue
            yield BioSequence(
                name=f"{name}:{start}-{end}",
                letters=letters[start:end],
                labels=tuple(labels[start:end]),
                chromosome=name,
                span=(start, end),
            )
    for chromosome, lost in wanted.items():
        for interval in lost:
            reason = f"{genome.name} has no sequence {chromosome}, it has {_few(names)}"
            yield Dropped(interval.place, reason)


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") if names else "none"
