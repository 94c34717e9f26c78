"""Per-frame vectors (poses, finger tips, sensor channels) out of tables and `.npz` files."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipelines.errors import UserError
from pipelines.task import Dropped
from pipelines.text.files import read_lines
from pipelines.text.rows import Table
from pipelines.video import cache
from pipelines.video.clips import Clip
from pipelines.video.columns import PARTS, Columns
from pipelines.video.settings import VideoSettings

VALUES, LABELS, LENGTHS = ("values", "x"), ("labels", "label", "y"), ("lengths", "length")
GROUPS, SPLITS, NAMES = ("groups", "group"), ("splits", "split", "parts"), ("names", "name")
TIMES = ("frame", "frames", "time", "timestamp", "second", "seconds", "step", "t")
Row = tuple[str | None, Clip]  # its part, where the file tells one


@dataclass
class _Sequence:
    """Frames of one clip as they are read."""

    place: str
    frames: list[np.ndarray] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    group: str = ""
    split: str = ""
    fault: Dropped | None = None


def read_wide(path: Path, settings: VideoSettings) -> Iterator[Row | Dropped]:
    """A clip a row: its label, then all numbers of its frames, `settings.channels` a frame.

    Rows may have other lengths. A first line that names columns is passed over.
    """
    channels = settings.channels or 1
    found: list[_Sequence] = []
    dropped: list[Dropped] = []
    block, last = -1, ("", 0)
    for number, line in enumerate(read_lines(path), 1):
        cells = [cell.strip() for cell in line.rstrip("\r\n").split(",")]
        if cells == [""] or (number == 1 and len(cells) > 1 and not _is_number(cells[1])):
            continue
        place = f"{path}:{number}"
        label, values = cells[0], _numbers(cells[1:])
        if fault := _wide_fault(label, cells[1:], values, channels):
            dropped.append(Dropped(place, fault))
            continue
        assert values is not None
        if settings.block:
            run = last[1] + 1 if label == last[0] else 0
            block, last = block + (run % settings.block == 0), (label, run)
        frames = values.reshape(-1, channels)
        group = f"block {block}" if settings.block else ""
        found.append(_Sequence(place, list(frames), [label], group))
    yield from _stored(path, found, settings)
    yield from dropped


def _wide_fault(label: str, cells: list[str], values: np.ndarray | None, channels: int) -> str:
    if not label:
        return "expected a label, then numbers. Received: no label"
    if values is None:
        return f"expected numbers after the label. Received: {_first_wrong(cells)!r}"
    if not len(values) or len(values) % channels:
        return (
            f"expected {channels} numbers a frame (--channels {channels}). "
            f"Received: {len(values)} numbers"
        )
    return ""


def read_long(table: Table, columns: Columns, settings: VideoSettings) -> Iterator[Row | Dropped]:
    """A frame a row; rows of a clip have one value in its column, and follow one another."""
    numeric = [
        name for name in table.columns if name not in columns.named and name.lower() not in TIMES
    ]
    if not numeric:
        raise UserError(
            f"{table.path}:1: expected columns of numbers beside {', '.join(columns.named)}. "
            "Received: none."
        )
    found: dict[str, _Sequence] = {}
    for row in table.rows:
        place = f"{table.path}:{row.line}"
        if row.fault:
            yield Dropped(place, row.fault)
            continue
        name = columns.value(row.values, columns.clip)
        if not name:
            yield Dropped(place, f"expected a clip in column {columns.clip}. Received: none")
            continue
        sequence = found.setdefault(name, _Sequence(place))
        cells = [str(row.values.get(each, "")) for each in numeric]
        values = _numbers(cells)
        if values is None:
            wrong = _first_wrong(cells)
            sequence.fault = sequence.fault or Dropped(
                place, f"expected numbers in {', '.join(numeric[:3])} ... Received: {wrong!r}"
            )
            continue
        label = columns.value(row.values, columns.label)
        sequence.frames.append(values)
        sequence.labels.append(label)
        sequence.group = sequence.group or columns.value(row.values, columns.group)
        sequence.split = sequence.split or columns.value(row.values, columns.split)
        if not settings.per_frame and label != sequence.labels[0]:
            sequence.fault = sequence.fault or Dropped(
                place,
                f"clip {name} has the labels {sequence.labels[0]} and {label}; with a label a "
                "frame use --per-frame",
            )
    good = [each for each in found.values() if each.fault is None]
    yield from _stored(table.path, good, settings)
    yield from (each.fault for each in found.values() if each.fault is not None)


def read_npz(path: Path, settings: VideoSettings) -> Iterator[Row | Dropped]:
    """Arrays `values` (clips, T, channels), or (frames, channels) with `lengths` (clips,); and
    `labels` (clips,), with `per_frame` of the shape of values without channels. `lengths` also cuts
    padding off the first form. Further arrays that are read: `groups`, `splits`, `names`."""
    arrays = _arrays(path)
    values, lengths = _first(arrays, VALUES), _first(arrays, LENGTHS)
    if values is None or values.dtype.kind not in "fiub" or values.ndim not in (2, 3):
        got = ", ".join(f"{k} {v.dtype} {v.shape}" for k, v in arrays.items()) or "no arrays"
        raise UserError(
            f"{path}: expected numbers `values` of shape (clips, T, channels), or (frames, "
            f"channels) with `lengths`. Received: {got[:200]}."
        )
    counts = _counts(path, values, lengths)
    labels, clips = _first(arrays, LABELS), (len(counts),)
    _check_shape(path, LABELS, labels, values.shape[:-1] if settings.per_frame else clips, settings)
    for names in (GROUPS, SPLITS, NAMES):
        _check_shape(path, names, _first(arrays, names), clips, settings)
    joined, begin, found = values.ndim == 2, 0, []
    for k, count in enumerate(counts):
        here = slice(begin, begin + count) if joined else (k, slice(count))
        frames = values[here].astype(np.float32)
        own: list[str] = []
        if labels is not None:
            own = [str(each) for each in np.atleast_1d(labels[here if settings.per_frame else k])]
        group = f"block {k // settings.block}" if settings.block else _text(arrays, GROUPS, k)
        name = _text(arrays, NAMES, k) or f"{path}[{k}]"
        sequence = _Sequence(name, list(frames), own, group, _text(arrays, SPLITS, k))
        if not np.isfinite(frames).all():
            yield Dropped(sequence.place, "expected numbers. Received: nan or inf")
        elif len(frames):
            found.append(sequence)
        else:
            yield Dropped(sequence.place, "expected frames. Received: none")
        begin += count
    yield from _stored(path, found, settings)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    wrong = (
        OSError,
        ValueError,
        AttributeError,
        EOFError,
        TypeError,
        zipfile.BadZipFile,
        zlib.error,
    )
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name.lower(): file[name] for name in file.files}
        return {k: v.astype(str) if v.dtype.kind == "S" else v for k, v in arrays.items()}
    except wrong as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: expected an .npz file of arrays. Received: {reason}.") from None


def _counts(path: Path, values: np.ndarray, lengths: np.ndarray | None) -> list[int]:
    """Frames of each clip."""
    joined = values.ndim == 2
    if lengths is None:
        if joined:
            raise UserError(
                f"{path}: expected lengths of {len(values)} in all. Received: no lengths."
            )
        return [values.shape[1]] * len(values)
    if lengths.dtype.kind not in "iu" or lengths.ndim != 1 or lengths.min(initial=0) < 0:
        least = f", from {lengths.min()}" if lengths.size and lengths.dtype.kind in "iuf" else ""
        raise UserError(
            f"{path}: expected whole numbers `lengths` of at least 0, one a clip. Received: "
            f"{lengths.dtype} {lengths.shape}{least}."
        )
    counts: list[int] = lengths.tolist()
    if joined and sum(counts) != len(values):
        raise UserError(
            f"{path}: expected lengths of {len(values)} in all. Received: lengths of {sum(counts)} "
            "in all."
        )
    if not joined and (len(counts) != len(values) or max(counts, default=0) > values.shape[1]):
        raise UserError(
            f"{path}: expected {len(values)} lengths of at most {values.shape[1]}. Received: "
            f"{len(counts)}, up to {max(counts, default=0)}."
        )
    return counts


def _check_shape(
    path: Path,
    names: tuple[str, ...],
    array: np.ndarray | None,
    shape: tuple[int, ...],
    settings: VideoSettings,
) -> None:
    """Refuses what is not told of every clip, or of every frame."""
    if array is None or array.shape == shape:
        return
    whole = names is not LABELS or not settings.per_frame
    way = ". With a label a frame use --per-frame" if names is LABELS and whole else ""
    raise UserError(
        f"{path}: expected `{names[0]}` of shape {shape}, one a {'clip' if whole else 'frame'}. "
        f"Received: {array.shape}{way}."
    )


def _first(arrays: Mapping[str, np.ndarray], names: Iterable[str]) -> np.ndarray | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _text(arrays: Mapping[str, np.ndarray], names: Iterable[str], k: int) -> str:
    array = _first(arrays, names)
    return "" if array is None else str(array[k])


def _numbers(cells: list[str]) -> np.ndarray | None:
    try:
        values = np.array(cells, np.float64)
    except ValueError:
        return None
    return values.astype(np.float32) if np.isfinite(values).all() else None


def _is_number(cell: str) -> bool:
    return _numbers([cell]) is not None


def _first_wrong(cells: list[str]) -> str:
    return next((cell for cell in cells if not _is_number(cell)), "")


def _stored(
    path: Path, sequences: list[_Sequence], settings: VideoSettings
) -> Iterator[Row | Dropped]:
    """The sequences as clips; all their frames go into one file of the cache."""
    if not sequences:
        return
    frames = np.concatenate([np.stack(each.frames) for each in sequences])
    store = cache.place("vectors", hashlib.sha256(frames.tobytes()).hexdigest(), frames.shape)
    if not store.exists():
        cache.write(store, frames)
    first = 0
    for each in sequences:
        count = len(each.frames)
        if (split := each.split.lower()) and split not in PARTS:
            yield Dropped(each.place, f"split must be train, valid or test, not {each.split}")
        else:
            content = hashlib.sha256(frames[first : first + count].tobytes()).hexdigest()
            known = [label for label in each.labels if label]
            whole = known[0] if known and not settings.per_frame else None
            labels = tuple(each.labels) if settings.per_frame and known else None
            if labels and len(labels) != count:
                yield Dropped(each.place, f"{len(labels)} labels for {count} frames")
            else:
                yield (
                    PARTS.get(split),
                    Clip(
                        name=each.place,
                        store=str(store),
                        first=first,
                        count=count,
                        content=content,
                        label=whole,
                        labels=labels,
                        group=each.group,
                    ),
                )
        first += count
