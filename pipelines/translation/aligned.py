"""Line-aligned files: `train.en` beside `train.fr`; lines of one number are translations."""

from __future__ import annotations

from pathlib import Path

from pipelines.errors import UserError
from pipelines.text.files import kind

_DIRECTIONS = (("src", "tgt"), ("source", "target"), ("src", "trg"))  # names that say it


def partner(path: Path, target: str, kinds: str) -> Path:
    """The file with the translations of the sentences in `path`.

    Args:
        path: of the source sentences.
        target: suffix of its partner, as `fr`; empty: the only one there is.
        kinds: what is read at all, for the message.

    Raises:
        UserError: there is no partner, or several and `target` names none of them.
    """
    others = {
        kind(file)[1:]: file
        for file in sorted(path.parent.iterdir())
        if _stem(file) == _stem(path) and kind(file) not in ("", kind(path)) and file.is_file()
    }
    if target in others:
        return others[target]
    if len(others) == 1 and not target:
        return next(iter(others.values()))
    received = f"files of the suffixes {', '.join(others)}" if others else "none"
    if others:
        raise UserError(
            f"{path}: expected --target, the suffix of the file beside it with the translations. "
            f"Received: {f'--target {target} and ' if target else ''}{received}."
        )
    raise UserError(
        f"{path}: expected a file of the same name and another suffix beside it, with the "
        f"translations. Received: none. Data is {kinds}."
    )


def aligned_parts(folder: Path, source: str, target: str, kinds: str) -> list[tuple[Path, Path]]:
    """The pairs of line-aligned files in a folder, source first.

    Raises:
        UserError: they do not say which is the source, or one has no partner.
    """
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and kind(file)]
    suffixes = sorted({kind(file)[1:] for file in files})
    if not source:
        known = [two for two in _DIRECTIONS if set(two) <= set(suffixes)]
        if not known:
            raise UserError(_unclear(folder, suffixes, kinds))
        source, target = known[0]
    if source not in suffixes:
        raise UserError(
            f"{folder}: expected files named *.{source}, as --source {source} says. "
            f"Received: {', '.join(suffixes) or 'none'}."
        )
    ours = [file for file in files if kind(file) == f".{source}"]
    return [(file, partner(file, target, kinds)) for file in ours]


def _unclear(folder: Path, suffixes: list[str], kinds: str) -> str:
    if len(suffixes) < 2:
        return f"{folder}: no pairs of sentences there. Expected {kinds}."
    first, second = suffixes[:2]
    return (
        f"{folder}: expected to know which files are translated. Received: files of the suffixes "
        f"{', '.join(suffixes)}. Say it: --source {first} --target {second}"
    )


def _stem(path: Path) -> str:
    """`train` of `train.en.gz`."""
    name = path.stem if path.suffix.lower() == ".gz" else path.name
    return Path(name).stem
