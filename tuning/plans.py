"""What a folder was made for: the first thing that is written into it."""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from pathlib import Path
from typing import Any

from pipelines.errors import UserError
from pipelines.files import BESIDE

FORMAT = 1


def open_plan(folder: Path, kind: str, identity: dict[str, Any]) -> dict[str, Any]:
    """The plan in a folder, or a new one in an empty folder; writing it is the caller's.

    Args:
        folder: which exists.
        kind: "comparison" or "search".
        identity: what must be the same when it is resumed, as JSON.

    Raises:
        UserError: the folder holds something else, or the same kind for another request.
    """
    identity = json.loads(json.dumps(identity))
    path = folder / "plan.json"
    if not path.exists():
        if any(not entry.name.startswith(BESIDE) for entry in folder.iterdir()):
            raise UserError(
                f"{folder}: expected a {kind} or an empty folder. Received: a folder with other "
                "files and no plan.json. Use --folder NEW."
            )
        return {"format": FORMAT, "kind": kind, "request": identity}
    try:
        plan = json.loads(path.read_text("utf-8"))
        before = plan["request"]
        known = plan["format"] == FORMAT and plan["kind"] == kind
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path}: damaged, or of something else. Use --folder NEW.") from None
    if not known:
        raise UserError(
            f"{folder}: expected a {kind} of format {FORMAT}. Received: a {plan['kind']} of format "
            f"{plan['format']}. Use --folder NEW."
        )
    was, now = _flat(before), _flat(identity)
    for name in now | was:
        if was.get(name) != now.get(name):
            raise UserError(
                f"{folder}: holds a {kind} with {name} {_short(was.get(name))}. Received: "
                f"{name} {_short(now.get(name))}. Use --folder NEW, or the old value."
            )
    return plan


def same_data(plan: dict[str, Any], folder: Path, fingerprint: str) -> None:
    """Notes in a new plan what the data are, of an old one sees that they are still the same.

    Raises:
        UserError: they are others, so that scores of both would stand side by side.
    """
    if plan.setdefault("fingerprint", fingerprint) != fingerprint:
        raise UserError(
            f"{folder}: holds a {plan['kind']} on other data than those that have the name now. "
            "Bring the old data back, or use --folder NEW."
        )


def _flat(identity: dict[str, Any]) -> dict[str, Any]:
    """`{"space": {"units": 3}}` as `{"space units": 3}`, so that a message names what differs."""
    found: dict[str, Any] = {}
    for name, value in identity.items():
        inner = value if isinstance(value, dict) else {"": value}
        found |= {f"{name} {key}".strip(): each for key, each in inner.items()}
    return found


def read(path: Path, missing: Any = None) -> Any:
    """What a search or a comparison wrote into a file; `missing` where there is none.

    Raises:
        UserError: it is damaged.
    """
    if not path.exists():
        return missing
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise UserError(f"{path}: damaged. Delete it, and what it told is found again.") from None


def folder_of(folder: str | None, name: str, identity: dict[str, Any]) -> Path:
    """The folder that was asked for, or one whose name depends on what was asked."""
    if folder is not None:
        return Path(folder)
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
    return Path("runs") / f"{name}-{digest}"


def in_text(name: str | PathLike[str] | None) -> str | None:
    """The name of a source or a folder, as JSON can hold it."""
    return None if name is None else str(name)


def absolute(name: str | None) -> str | None:
    """A path that means the same from any folder; `tfds:NAME` and None as they are."""
    return name if name is None or name.startswith("tfds:") else str(Path(name).resolve())


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
