"""Labelled texts as files: a folder a class."""

from __future__ import annotations

from pathlib import Path

from pipelines.errors import UserError
from pipelines.sentiment.reviews import Review
from pipelines.task import Dropped, Reading
from pipelines.text.files import kind, read_text

PARTS = {"train": "train", "valid": "valid", "validation": "valid", "dev": "valid", "test": "test"}


def read_folder(root: Path) -> Reading[Review]:
    """The texts of `root/<class>/*.txt`, or of `root/<part>/<class>/*.txt` with parts `train`,
    `valid` (or `validation`, `dev`) and `test`; each file, also as `.txt.gz`, is a text.

    Raises:
        UserError: there is no such file.
    """
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir())
    parts: dict[str, list[Review]] = {}
    dropped: list[Dropped] = []
    has_parts = any(folder.name == "train" for folder in folders)
    for folder in folders:
        if not has_parts:
            _read_class(root, folder, parts.setdefault("all", []), dropped)
        elif folder.name in PARTS:
            for inner in sorted(inner for inner in folder.iterdir() if inner.is_dir()):
                part = parts.setdefault(PARTS[folder.name], [])
                _read_class(root, inner, part, dropped)
    parts = {part: records for part, records in parts.items() if records}
    if not parts or (has_parts and "train" not in parts):
        names = ", ".join(folder.name for folder in folders[:5]) or "none"
        raise UserError(
            f"{root}: expected a folder a class with .txt files in it. Received the folders: "
            f"{names}, and no text in them."
        )
    counts = ", ".join(f"{len(records)} {part}" for part, records in parts.items())
    return Reading(parts, f"texts of {root.name}: {counts}", dropped)


def _read_class(root: Path, folder: Path, records: list[Review], dropped: list[Dropped]) -> None:
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith("."):
            continue
        if kind(path) != ".txt":
            dropped.append(Dropped(str(path), f"expected .txt. Received: {path.suffix or 'none'}"))
            continue
        text = read_text(path)
        if text.strip():
            records.append(Review(str(path.relative_to(root)), text, folder.name))
        else:
            dropped.append(Dropped(str(path), "expected a text. Received: an empty one"))
