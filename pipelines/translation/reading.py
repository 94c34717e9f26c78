"""Reads pairs of sentences: the one door to all their sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipelines.errors import UserError
from pipelines.task import Dropped, Reading
from pipelines.text.files import kind, read_lines
from pipelines.translation import dates
from pipelines.translation.aligned import aligned_parts, partner
from pipelines.translation.pairs import Pair, spaced

TABLES = (".tsv", ".tab", ".txt")  # also as .gz
KINDS = (
    f"a table ({', '.join(TABLES)}) with source, tab, target in each line; a file of source "
    "sentences beside one of the same name with the translations (train.en, train.fr); or a "
    "folder of such files named train, valid and test"
)
_PART = {"train": "train", "valid": "valid", "val": "valid", "dev": "valid", "test": "test"}
_PART |= {"training": "train", "validation": "valid"}
_SHOWN = 60  # characters of a line in a message


def read_pairs(path: str | None, source: str = "", target: str = "") -> Reading[Pair]:
    """The pairs of a source of data.

    Spaces of all kinds become single blanks, as the model itself treats them.

    Args:
        path: a table, a file of source sentences whose partner stands beside it, a folder of such
            files, `tfds:NAME`; `dates:held-out`, or None for the embedded dates.
        source, target: the two sides: the numbers of a table's columns, from 1; the suffixes of
            line-aligned files, or the keys of a TFDS data set. Empty: what there is, the first
            before the second.

    Returns:
        The pairs: under "train", "valid" and "test" where files or splits are named so, else under
        "all".

    Raises:
        UserError: files of unequal length, a pair with an empty side, or nothing to read.
    """
    if path is None or path == dates.HELD_OUT:
        return _dates(held_out=path is not None)
    if path.startswith("tfds:"):
        from pipelines.translation.tfds_pairs import read_tfds  # imports TensorFlow Datasets

        return _reading(path, read_tfds(path, source, target))
    place = Path(path)
    if not place.exists():
        raise UserError(f"{path}: no such file or folder. Expected {KINDS}.")
    if place.is_file():
        return _reading(path, {"all": list(_file(place, source, target))})
    return _reading(path, _folder(place, source, target))


def _dates(held_out: bool) -> Reading[Pair]:
    pairs = dates.date_pairs(held_out=held_out)
    count = len({pair.name[:2] for pair in pairs})  # British and American are one language
    what = "formats that training never saw" if held_out else "the same dates in ISO 8601"
    return Reading(
        {"all": pairs},
        f"{len(pairs)} dates in {count} languages (CLDR through Babel), {what}",
        remarks=["a text that could be read as two dates never occurs"],
    )


Raw = list[tuple[str, str, str]]  # place, source, target


def _file(path: Path, source: str, target: str) -> Iterator[tuple[str, str, str]]:
    if kind(path) in TABLES:
        yield from _table(path, source, target)
    else:
        yield from _side_by_side(path, partner(path, target, KINDS))


def _folder(path: Path, source: str, target: str) -> dict[str, Raw]:
    tables = [file for file in sorted(path.iterdir()) if kind(file) in TABLES]
    if tables:
        found = {_stem(file): _table(file, source, target) for file in tables}
    else:
        found = {
            _stem(ours): _side_by_side(ours, theirs)
            for ours, theirs in aligned_parts(path, source, target, KINDS)
        }
    if "train" not in {_PART.get(stem) for stem in found}:
        return {"all": [pair for pairs in found.values() for pair in pairs]}
    if unknown := [stem for stem in found if stem not in _PART]:
        raise UserError(
            f"{path}: expected files named train, valid and test. Received: {', '.join(unknown)} "
            "besides. Move what is no part of the data elsewhere."
        )
    return {_PART[stem]: list(pairs) for stem, pairs in found.items()}


def _stem(path: Path) -> str:
    return path.name.partition(".")[0]


def _table(path: Path, source: str, target: str) -> Iterator[tuple[str, str, str]]:
    columns = [_column(path, "source", source or "1"), _column(path, "target", target or "2")]
    for number, line in enumerate(read_lines(path), 1):
        cells = line.rstrip("\r\n").split("\t")
        if not line.strip():
            yield f"{path}:{number}", "", ""
            continue
        if max(columns) >= len(cells):
            aligned = (
                ". If line n of another file translates line n of this one, give the two one name "
                f"and two suffixes: {_stem(path)}.en beside {_stem(path)}.fr."
            )
            raise UserError(
                f"{path}:{number}: expected {max(columns) + 1} columns with tabs between. "
                f"Received: {len(cells)}: {line.strip()[:_SHOWN]}{aligned * (len(cells) == 1)}"
            )
        yield f"{path}:{number}", cells[columns[0]], cells[columns[1]]


def _column(path: Path, side: str, number: str) -> int:
    if not number.isdecimal() or int(number) < 1:
        raise UserError(
            f"{path}: --{side} of a table is the number of a column, from 1. Received: {number}."
        )
    return int(number) - 1


def _side_by_side(ours: Path, theirs: Path) -> Iterator[tuple[str, str, str]]:
    missing = object()
    first, second = read_lines(ours), read_lines(theirs)
    number = 0
    while True:
        a, b = next(first, missing), next(second, missing)
        if a is missing and b is missing:
            return
        if a is missing or b is missing:
            counts = (number + (a is not missing) + sum(1 for _ in first),
                      number + (b is not missing) + sum(1 for _ in second))  # fmt: skip
            raise UserError(
                f"{ours}: expected as many lines as {theirs}. Received: {counts[0]} and "
                f"{counts[1]} lines. Line n of one must translate line n of the other."
            )
        number += 1
        yield f"{ours}:{number}", str(a), str(b)


def _reading(path: str, parts: dict[str, Raw]) -> Reading[Pair]:
    dropped: list[Dropped] = []
    pairs = {part: _pairs(raw, dropped) for part, raw in parts.items()}
    for part, found in pairs.items():
        if not found:
            where = path if part == "all" else f"{path}: {part}"
            raise UserError(f"{where}: no pairs of sentences there. Expected {KINDS}.")
    counts = [f"{len(found)} pairs of part {part}" for part, found in pairs.items()]
    name = path if path.startswith("tfds:") else Path(path).name
    if "all" in pairs:
        counts = [f"{len(pairs['all'])} pairs"]
    texts = (text for raw in parts.values() for _, *both in raw for text in both)
    moved = sum(spaced(text) != text.rstrip("\r\n") for text in texts)
    remarks = [f"{moved} sentences in which other spaces became single blanks"] if moved else []
    return Reading(pairs, f"{', '.join(counts)} of {name}", dropped, remarks)


def _pairs(raw: Raw, dropped: list[Dropped]) -> list[Pair]:
    pairs = []
    for place, *both in raw:
        source, target = map(spaced, both)
        if source and target:
            pairs.append(Pair(place, source, target))
        elif source or target:
            side, other = ("target", source) if source else ("source", target)
            raise UserError(
                f"{place}: expected a pair of sentences. Received: an empty {side} beside "
                f"{other[:_SHOWN]!r}. Fill it, or take the pair out."
            )
        else:
            dropped.append(Dropped(place, "an empty line"))
    return pairs
