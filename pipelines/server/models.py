"""The folder of models, watched: the newest version of each that loads is served."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Any

import tensorflow as tf

from pipelines.errors import UserError
from pipelines.server.errors import RequestError
from pipelines.server.version import Version
from pipelines.versions import versions

_BROKEN = (UserError, OSError, ValueError, KeyError, TypeError, tf.errors.OpError, RuntimeError)

Stamp = frozenset[tuple[str, int, int]]
"""Name, size and time of every file of a version."""


@dataclass
class _Model:
    served: Version | None = None
    stamp: Stamp = frozenset()
    broken: dict[int, tuple[Stamp, str]] = field(default_factory=dict)
    states: dict[int, tuple[str, str, str]] = field(default_factory=dict)  # state, code, words


class Models:
    """What is in `root/<name>/<version>/`.

    The rules are TensorFlow Serving's own: the newest version is served; a newer one is loaded and
    warmed up while the old one answers, and takes over when it can; one that does not load changes
    nothing, until its files do; a version whose folder is gone is let go when another one, or
    none, is left. Requests keep the version that they began with.

    Args:
        root: the folder of all served models.
        say: is given a line whenever something has changed.
    """

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self.root = root
        self._say = say
        self._models: dict[str, _Model] = {}
        self._stopping = threading.Event()

    @property
    def served(self) -> dict[str, Version]:
        """The version that answers now, by the model's name."""
        found = {name: model.served for name, model in list(self._models.items())}
        return {name: version for name, version in found.items() if version is not None}

    def find(self, name: str, number: int | None = None) -> Version:
        """The version that is to answer.

        Raises:
            RequestError: there is none (404).
        """
        version = self.served.get(name)
        if version is None or number not in (None, version.number):
            wanted = f"Latest({name})" if number is None else f"Specific({name}, {number})"
            raise RequestError(f"Servable not found for request: {wanted}", status=404)
        return version

    def status(self, name: str, number: int | None = None) -> list[dict[str, Any]]:
        """Every version that was looked at, the newest first, as TensorFlow Serving tells it.

        Raises:
            RequestError: there is none (404).
        """
        model = self._models.get(name)
        states = dict(model.states) if model else {}
        if number is not None:
            states = {number: states[number]} if number in states else {}
        if not states:
            which = "any versions" if number is None else f"version {number}"
            raise RequestError(f"Could not find {which} of model {name}", status=404)
        return [
            {
                "version": str(number),
                "state": state,
                "status": {"error_code": code, "error_message": words},
            }
            for number, (state, code, words) in sorted(states.items(), reverse=True)
        ]

    # --- watching --------------------------------------------------------------------------------

    def watch(self, seconds: float = 1.0) -> threading.Thread:
        """Looks again every so many seconds in a thread of its own, until `stop`."""

        def looking() -> None:
            said = ""
            while not self._stopping.wait(seconds):
                try:
                    self.look()
                    said = ""
                except Exception as error:  # whatever it was, the models go on answering
                    if str(error) != said:
                        said = str(error)
                        self._say(f"cannot look at {self.root}: {said}")

        thread = threading.Thread(target=looking, name="versions", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Ends the watching."""
        self._stopping.set()

    def look(self) -> None:
        """Brings what is served up to what lies in the folder."""
        folders = [folder for folder in sorted(self.root.iterdir()) if versions(folder)]
        for folder in folders:
            self._update(folder, self._models.setdefault(folder.name, _Model()))
        for name in self._models.keys() - {folder.name for folder in folders}:
            if self._models.pop(name).served:
                self._say(f"{name}: no version is left")
                gc.collect()

    def _update(self, folder: Path, model: _Model) -> None:
        stamps = {number: _stamp(folder / str(number)) for number in versions(folder)}
        before = model.served
        for number in sorted(stamps, reverse=True):
            if before and number == before.number and stamps[number] == model.stamp:
                break
            if number in model.broken and model.broken[number][0] == stamps[number]:
                continue
            if self._load(folder / str(number), stamps[number], model):
                break
        kept = {*stamps, *([model.served.number] if model.served else [])}
        for known in (model.broken, model.states):
            for number in known.keys() - kept:
                known.pop(number)

    def _load(self, path: Path, stamp: Stamp, model: _Model) -> bool:
        number, before = int(path.name), model.served
        replaces_itself = before is not None and before.number == number
        if not replaces_itself:
            model.states[number] = ("LOADING", "OK", "")
        try:
            version = Version(path)
        except _BROKEN as error:
            words = (str(error).strip().splitlines() or [type(error).__name__])[0]
            model.broken[number] = (stamp, words)
            if not replaces_itself:
                model.states[number] = ("END", "UNKNOWN", words)
            rest = f"; version {before.number} goes on" if before else ""
            self._say(f"{path.parent.name}: version {number} does not load{rest}: {words}")
            return False
        model.broken.pop(number, None)
        if before and not replaces_itself:
            model.states[before.number] = ("END", "OK", "")
        model.served, model.stamp = version, stamp
        model.states[number] = ("AVAILABLE", "OK", "")
        self._say(f"{path.parent.name}: version {number} is served")
        del before
        gc.collect()  # graphs hold themselves in cycles
        return True


def _stamp(folder: Path) -> Stamp:
    found = set()
    for file in folder.rglob("*"):
        try:
            seen = file.stat()
        except FileNotFoundError:  # deleted meanwhile
            continue
        if S_ISREG(seen.st_mode):
            found.add((str(file.relative_to(folder)), seen.st_size, seen.st_mtime_ns))
    return frozenset(found)
