"""Which clips there are: in folders, and in manifests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.labelled import NoLabelsError
from pipelines.task import Dropped
from pipelines.text.rows import Row, Table
from pipelines.video.columns import PARTS, Columns
from pipelines.video.decoding import SUFFIXES

UNLABELLED = "none"  # the label of frames that no interval holds


@dataclass(frozen=True)
class Listed:
    """A clip that is to be decoded."""

    place: str  # for messages
    path: Path
    label: str | None
    group: str = ""
    part: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    intervals: tuple[tuple[float, float, str], ...] = ()  # from, to (seconds), label


def folder(root: Path, labelled: bool) -> Iterator[Listed | Dropped]:
    """The files of `root/<class>/`, or of `root/<part>/<class>/`; where no labels are needed, those
    beside the folders of classes too.

    Raises:
        NoLabelsError: there are clips, and no folders at all.
    """
    there = [each for each in sorted(root.iterdir()) if each.name[0] != "."]
    folders = [each for each in there if each.is_dir()]
    if any(folder.name.lower() == "train" for folder in folders):
        for folder in folders:
            if part := PARTS.get(folder.name.lower()):
                yield from _classes(folder, part, labelled)
            else:
                yield Dropped(str(folder), "is no part, as train, valid and test are")
        return
    if labelled and not folders and any(each.suffix.lower() in SUFFIXES for each in there):
        raise NoLabelsError(f"{root}: expected a folder of clips a class. Received: no folders.")
    yield from _classes(root, None, labelled)


def _classes(root: Path, part: str | None, labelled: bool) -> Iterator[Listed | Dropped]:
    for each in sorted(root.iterdir()):
        if each.name.startswith("."):
            continue
        if not each.is_dir():
            if labelled:
                yield Dropped(str(each), "stands in no folder of a class")
            else:
                yield _listed(each, None, part)
            continue
        count = 0
        for path in sorted(each.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                found = _listed(path, each.name, part)
                count += isinstance(found, Listed)
                yield found
        if not count:
            yield Dropped(str(each), "expected clips of a class. Received: none")


def _listed(path: Path, label: str | None, part: str | None) -> Listed | Dropped:
    if path.suffix.lower() in SUFFIXES:
        return Listed(str(path), path, label, part=part)
    ends = path.suffix or "no suffix"
    return Dropped(str(path), f"expected {', '.join(SUFFIXES[:3])}. Received: {ends}")


def manifest(table: Table, columns: Columns, labelled: bool) -> Iterator[Listed | Dropped]:
    """A clip a row."""
    for row in table.rows:
        place = f"{table.path}:{row.line}"
        label = columns.value(row.values, columns.label)
        if fault := _fault(table, row, columns, labelled):
            yield Dropped(place, fault)
            continue
        yield Listed(
            place,
            table.path.parent / columns.value(row.values, columns.path),
            label or None,
            columns.value(row.values, columns.group),
            PARTS.get(columns.value(row.values, columns.split).lower()),
            {key: str(value) for key, value in row.values.items()},
        )


def intervals(table: Table, columns: Columns, labelled: bool) -> Iterator[Listed | Dropped]:
    """A stretch of a clip a row, with the columns start and end, in seconds: what its frames are.
    Frames of the clip that no row holds are `none`.

    Raises:
        UserError: there are no such columns.
    """
    start = table.column("", ("start", "begin", "from", "starttime"), "start")
    end = table.column("", ("end", "stop", "to", "endtime"), "end")
    found: dict[str, list[Row]] = {}
    for row in table.rows:
        place = f"{table.path}:{row.line}"
        if fault := _fault(table, row, columns, labelled) or _interval_fault(row, start, end):
            yield Dropped(place, fault)
        else:
            found.setdefault(columns.value(row.values, columns.path), []).append(row)
    for name, rows in found.items():
        first = rows[0]
        yield Listed(
            f"{table.path}:{first.line}",
            table.path.parent / name,
            None,
            columns.value(first.values, columns.group),
            PARTS.get(columns.value(first.values, columns.split).lower()),
            intervals=tuple(
                (
                    float(row.values[start]),
                    float(row.values[end]),
                    columns.value(row.values, columns.label),
                )
                for row in rows
            ),
        )


def frame_labels(file: Listed, frames: int, rate: float) -> tuple[str, ...] | None:
    """The label of each frame of a clip with intervals: of the last one that holds its time."""
    if not file.intervals:
        return None
    labels = [UNLABELLED] * frames
    for start, end, label in file.intervals:
        for k in range(frames):
            if start <= k / rate < end:
                labels[k] = label
    return tuple(labels)


def _fault(table: Table, row: Row, columns: Columns, labelled: bool) -> str:
    if row.fault:
        return row.fault
    name = columns.value(row.values, columns.path)
    split = columns.value(row.values, columns.split)
    if not name:
        return f"expected a file in column {columns.path}. Received: none"
    if not (path := table.path.parent / name).is_file():
        return f"{path}: no such file"
    if labelled and not columns.value(row.values, columns.label):
        return f"expected a label in column {columns.label}. Received: none"
    if split and split.lower() not in PARTS:
        return f"split must be train, valid or test, not {split}"
    return ""


def _interval_fault(row: Row, start: str, end: str) -> str:
    try:
        begin, stop = float(row.values[start]), float(row.values[end])
    except (TypeError, ValueError):
        begin, stop = 0.0, 0.0
    if 0 <= begin < stop:
        return ""
    return (
        f"expected seconds, {start} before {end}. "
        f"Received: {row.values[start]!r} and {row.values[end]!r}"
    )
