"""Reads clips: the one door to all their formats."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pipelines.errors import UserError
from pipelines.labelled import NoLabelsError, check_spelling
from pipelines.task import Dropped, Reading
from pipelines.text.files import kind, read_lines
from pipelines.text.rows import KINDS, open_table
from pipelines.video import listing, vectors
from pipelines.video.clips import Clip, with_groups
from pipelines.video.columns import find_columns
from pipelines.video.decoding import SUFFIXES, Look, decode_all
from pipelines.video.listing import Listed
from pipelines.video.rendering import STEPS, render
from pipelines.video.settings import VideoSettings

EXPECTED = (
    f"a folder with a folder of clips ({', '.join(SUFFIXES[:3])}, ...) a class, a manifest "
    f"({', '.join(KINDS[:3])}) with the columns path,label, a table (.csv) or .npz file of vectors "
    "a frame, or a clip"
)


def look_of(settings: VideoSettings) -> Look:
    """What is kept of a clip."""
    return Look(settings.width, settings.height, settings.colour, settings.rate)


def read_clips(
    source: str | None, settings: VideoSettings, *, labelled: bool = True
) -> Reading[Clip]:
    """The clips of a source; pictures are decoded into the cache, both cores at work.

    Args:
        source: a folder with a folder of clips a class, or with such folders in `train`, `valid`,
            `test`; a manifest; a table or `.npz` file of vectors; a clip; None: rendered clips.
        settings: of the task.
        labelled: bool, whether there must be labels.

    Raises:
        NoLabelsError: there are clips without labels.
        UserError: nothing there can be used, or two classes have one name.
    """
    if source is None:
        return _rendered(settings)
    return _gathered(source, _rows(source, settings, labelled), settings, labelled)


def read_files(paths: Sequence[Path], settings: VideoSettings) -> Reading[Clip]:
    """These clips, whose labels are not asked for.

    Raises:
        UserError: none of them can be decoded.
    """
    files = [Listed(str(path), path, None) for path in paths]
    return _gathered(str(paths[0]), _pictures(files, settings, False), settings, False)


def _gathered(
    source: str,
    rows: Iterable[vectors.Row | Dropped],
    settings: VideoSettings,
    labelled: bool,
) -> Reading[Clip]:
    dropped: list[Dropped] = []
    parts: dict[str | None, list[Clip]] = {}
    for row in rows:
        if isinstance(row, Dropped):
            dropped.append(row)
        else:
            parts.setdefault(row[0] if labelled else None, []).append(row[1])
    if not parts:
        raise UserError(_nothing(source, dropped))
    kept = _parts(source, parts, dropped)
    clips = [clip for part in kept.values() for clip in part]
    _check_labels(clips, settings, labelled)
    kept = grouped(kept)
    if settings.per_frame and settings.frames and labelled:
        kept = {
            part: [piece for clip in members for piece in clip.cut(settings.frames)]
            for part, members in kept.items()
        }
    counts = ", ".join(f"{len(members)} {part}" for part, members in kept.items() if part != "all")
    description = f"{len(clips)} clips of {Path(source).name}{counts and ': '}{counts}"
    return Reading(kept, description, dropped, _remarks(clips))


def grouped(parts: Mapping[str, Sequence[Clip]]) -> dict[str, list[Clip]]:
    """The same clips with groups that link what belongs together, in whatever part it stands."""
    linked = iter(with_groups([clip for members in parts.values() for clip in members]))
    return {part: [next(linked) for _ in members] for part, members in parts.items()}


def _rendered(settings: VideoSettings) -> Reading[Clip]:
    if settings.per_frame:
        raise UserError("--per-frame needs --data: rendered clips have a label each.")
    clips = render(settings.rendered, look_of(settings), settings.seed)
    description = (
        f"{len(clips)} rendered clips: a disc goes {', '.join(STEPS)}. The clips of a scene "
        "are orders of the same pictures, so that nothing but order tells the class"
    )
    return Reading({"all": clips}, description)


def _parts(
    source: str, parts: dict[str | None, list[Clip]], dropped: list[Dropped]
) -> dict[str, list[Clip]]:
    if set(parts) == {None}:
        return {"all": parts[None]}
    for clip in parts.pop(None, []):
        dropped.append(Dropped(clip.name, "stands in no part, where others do"))
    if "train" not in parts:
        raise UserError(
            f"{source}: expected a part train. Received: {', '.join(map(str, parts))} alone."
        )
    return {str(part): clips for part, clips in parts.items()}


def _nothing(source: str, dropped: list[Dropped]) -> str:
    if not dropped:
        return f"{source}: no clips found. Expected {EXPECTED}."
    more = f" (and {len(dropped) - 1} more)" if len(dropped) > 1 else ""
    return f"{dropped[0].place}: {dropped[0].reason}{more}. Nothing is left to read of {source}."


def _check_labels(clips: list[Clip], settings: VideoSettings, labelled: bool) -> None:
    """Labels are there, and no two have one name."""
    bare = next((c for c in clips if (c.labels if settings.per_frame else c.label) is None), None)
    if labelled and bare is not None:
        if settings.per_frame:
            raise NoLabelsError(
                f"{bare.name}: expected labels of frames: a manifest with the columns path,label,"
                "start,end (seconds), or a table or .npz file of vectors. Received: none."
            )
        raise NoLabelsError(f"{bare.name}: expected a label. Received: none. Expected {EXPECTED}.")
    if labelled:
        check_spelling(clips)


def _remarks(clips: list[Clip]) -> list[str]:
    labels: dict[str, set[object]] = {}
    for clip in clips:
        labels.setdefault(clip.content, set()).add(clip.label or clip.labels)
    found = []
    if copies := len(clips) - len(labels):
        found.append(f"{copies} clips are copies of others; copies stay in one part")
    if torn := sum(len(each) > 1 for each in labels.values()):
        found.append(f"{torn} clips have copies with another label")
    return found


# --- formats -------------------------------------------------------------------------------------


def _rows(source: str, settings: VideoSettings, labelled: bool) -> Iterator[vectors.Row | Dropped]:
    if source.startswith("tfds:"):
        raise UserError(f"{source}: video reads no TFDS set. Expected {EXPECTED}.")
    path = Path(source)
    if not path.exists():
        raise UserError(f"{source}: no such file or folder. Expected {EXPECTED}.")
    if path.is_dir():
        return _pictures(listing.folder(path, labelled), settings, labelled)
    suffix = kind(path)
    if suffix == ".npz":
        return vectors.read_npz(path, settings)
    if suffix in SUFFIXES:
        if labelled:
            raise NoLabelsError(f"{source}: expected clips with labels. Received: one clip.")
        return _pictures([Listed(source, path, None)], settings, labelled)
    if suffix not in KINDS:
        got = f"a file that ends in {suffix!r}" if suffix else "a file without a suffix"
        raise UserError(f"{source}: expected {EXPECTED}. Received: {got}.")
    if settings.channels is not None:
        return vectors.read_wide(path, settings)
    _refuse_nameless(path)
    table = open_table(path)
    columns = find_columns(table, settings, labelled)
    if not columns.path:
        return vectors.read_long(table, columns, settings)
    if settings.per_frame and columns.label:
        return _pictures(listing.intervals(table, columns, labelled), settings, labelled)
    return _pictures(listing.manifest(table, columns, labelled), settings, labelled)


def _refuse_nameless(path: Path) -> None:
    first = next(iter(read_lines(path)), "").rstrip("\r\n").split(",")
    try:
        numbers = len([float(cell) for cell in first[1:]])
    except ValueError:
        return
    if numbers > 1:
        raise UserError(
            f"{path}:1: expected names of columns. Received: {numbers} numbers. For rows of a "
            "label and the numbers of all frames, say how many a frame has: --channels N."
        )


def _pictures(
    files: Iterable[Listed | Dropped], settings: VideoSettings, labelled: bool
) -> Iterator[vectors.Row | Dropped]:
    """Every clip, opened and decoded; the broken ones are named."""
    listed = list(files)
    good = [file for file in listed if isinstance(file, Listed)]
    yield from (file for file in listed if isinstance(file, Dropped))
    pattern = _compiled(settings.group_from)
    decoded = decode_all([file.path for file in good], look_of(settings))
    for file, found in zip(good, decoded, strict=True):
        if found.fault:
            through = "" if str(file.path) == file.place else f"{file.path}: "
            yield Dropped(file.place, through + found.fault)
            continue
        group = file.group
        if not group and pattern and (match := pattern.search(str(file.path))):
            group = (match[1] if pattern.groups else match[0]) or ""
        clip = Clip(
            name=file.place,
            store=str(found.store),
            first=0,
            count=found.frames,
            content=found.content,
            label=file.label,
            labels=listing.frame_labels(file, found.frames, settings.rate),
            group=group,
            columns=file.columns,
        )
        yield file.part, clip


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    try:
        return None if pattern is None else re.compile(pattern)
    except re.error as error:
        raise UserError(
            f"--group-from must be a regular expression ({error}). Received: {pattern}."
        ) from None
