"""Which folder a training belongs to, and whether that folder holds the same training."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipelines.cells import short_name
from pipelines.errors import UserError
from pipelines.files import BESIDE, is_place, write_json
from pipelines.run import FORMAT, PARTS, Run
from pipelines.sources import Data
from pipelines.task import Task

PACKAGES = ("rnnkit", "keras", "tensorflow", "numpy")


@dataclasses.dataclass(frozen=True)
class Request:
    """What was asked of `train`: the task with its settings, and where its data come from."""

    task: Task
    data: Data
    source: str | None
    valid: str | None
    test: str | None
    init: str | None
    folder: str | None

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two trainings the same one."""
        return {
            "task": self.task.name,
            "settings": self.task.settings.identity,
            "fingerprint": self.data.fingerprint,
            "init": _absolute(self.init),
        }

    @property
    def path(self) -> Path:
        if self.folder is not None:
            return Path(self.folder)
        text = json.dumps(self.identity, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        cell = short_name(self.task.settings.cell)
        return Path("runs") / f"{self.task.name}-{cell}-{digest}"

    @property
    def command(self) -> str:
        """The command line that asks for the same."""
        words = ["rnnkit", "train", self.task.name]
        flags = {
            "data": self.source,
            "valid": self.valid,
            "test": self.test,
            "run": self.folder,
            "init": self.init,
            **self.task.settings.to_dict(),
        }
        defaults = type(self.task.settings)().to_dict()
        for name, value in flags.items():
            flag = name.replace("_", "-")
            if value == defaults.get(name):
                continue
            if isinstance(value, bool):
                words.append(f"--{flag}" if value else f"--no-{flag}")
            else:
                words += [f"--{flag}", str(value)]
        return shlex.join(words)


def create(request: Request, boundaries: list[int]) -> Run:
    """A new run; the task has learnt from the training part.

    Raises:
        UserError: the folder holds something else, or cannot be written.
    """
    path, task, data = request.path, request.task, request.data
    if any(not entry.name.startswith(BESIDE) for entry in path.iterdir()):
        raise UserError(
            f"{path}: expected a run or an empty folder. Received: a folder with other files and "
            "no config.json. Use --run NEW."
        )
    config = {
        "format": FORMAT,
        "task": task.name,
        "settings": task.settings.to_dict(),
        "learnt": task.learnt,
        "data": {
            "name": request.source or "embedded default",
            "source": _absolute(request.source),
            "valid": _absolute(request.valid),
            "test": _absolute(request.test),
            "description": data.description,
            "fingerprint": data.fingerprint,
            "records": {part: len(data.parts[part]) for part in PARTS},
            "dropped": len(data.dropped),
            "remarks": list(data.remarks),
        },
        "init": _absolute(request.init),
        "boundaries": boundaries,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
        "command": request.command,
    }
    write_json(path / "config.json", config)
    return Run.load(path)


def reopen(request: Request) -> Run:
    """The run that is there already.

    Raises:
        UserError: it is another one, or has more epochs than asked for.
    """
    run = Run.load(request.path)
    before, now = _identity(run), request.identity
    if before["task"] != now["task"]:
        raise _refused(run, "task", before["task"], now["task"])
    for name in sorted(before["settings"].keys() | now["settings"].keys()):
        old, new = before["settings"].get(name), now["settings"].get(name)
        if old != new:
            raise _refused(run, name.replace("_", "-"), old, new)
    if before["init"] != now["init"]:
        raise _refused(run, "init", before["init"], now["init"])
    if before["fingerprint"] != now["fingerprint"]:
        raise UserError(
            f"{run.path}: was trained on other data, or the data changed "
            f"({run.config['data']['name']}, now {request.source or 'embedded default'}). "
            "Use --run NEW."
        )
    epochs = request.task.settings.epochs
    if epochs < len(run.history):
        raise UserError(
            f"{run.path}: has {len(run.history)} epochs already; --epochs can only be raised. "
            f"Received: {epochs}. Use --run NEW."
        )
    if request.task.settings != run.settings:
        settings = request.task.settings.to_dict()
        config = {**run.config, "settings": settings, "command": request.command}
        write_json(run.path / "config.json", config)
        run = Run.load(run.path)
    return run


def _identity(run: Run) -> dict[str, Any]:
    return {
        "task": run.task.name,
        "settings": run.settings.identity,
        "fingerprint": run.config["data"]["fingerprint"],
        "init": run.config["init"],
    }


def _refused(run: Run, name: str, old: Any, new: Any) -> UserError:
    return UserError(
        f"{run.path}: was trained with {name} {old}. Received: {name} {new}. "
        "Use --run NEW, or the old value."
    )


def _absolute(name: str | None) -> str | None:
    """A path that means the same from any folder; `tfds:NAME` and None as they are."""
    return str(Path(name).resolve()) if name is not None and is_place(name) else name
