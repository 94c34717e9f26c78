"""A careless hand's mistake in a function, and the test that has to notice it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

from tests.rnnkit.mutants import edited


@dataclass(frozen=True)
class Slip:
    """Pieces of the source of `owner.name`, what stands there by mistake, and who notices."""

    what: str
    owner: Any  # a module, where the function is looked up when it is called, or a class
    name: str
    noticed_by: str
    edits: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.what}"

    @contextlib.contextmanager
    def made(self) -> Iterator[None]:
        """Meanwhile the mistake is in the library."""
        broken = edited(getattr(self.owner, self.name), self.edits)
        with mock.patch.object(self.owner, self.name, broken):
            yield


def slips(owner: Any, name: str, *lines: tuple[str, ...]) -> list[Slip]:
    """Of one function: lines of what, who notices, and old and new pieces in turn."""
    return [
        Slip(what, owner, name, test, tuple(zip(pieces[::2], pieces[1::2], strict=True)))
        for what, test, *pieces in lines
    ]
