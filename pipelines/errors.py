"""The user's mistakes: one line that says what was expected, what came, and the way out."""

from __future__ import annotations

import contextlib
import difflib
import importlib
from collections.abc import Iterable, Iterator
from types import ModuleType


class UserError(Exception):
    """The input was wrong. The command line prints the message as one line and exits with 2."""


class UnavailableError(UserError):
    """What is needed is not there: data, or a package. That may not be so tomorrow, or on another
    machine."""


@contextlib.contextmanager
def as_unavailable() -> Iterator[None]:
    """Marks the mistakes of a block as `UnavailableError`."""
    try:
        yield
    except UserError as error:
        raise UnavailableError(str(error)) from error


def unknown_name(
    kind: str, name: str, known: Iterable[str], aliases: dict[str, str] | None = None
) -> UserError:
    """A `UserError` for a name that is none of `known`, with the nearest as a suggestion."""
    known, aliases = list(known), aliases or {}
    near = [aliases[name]] if name in aliases else difflib.get_close_matches(name, known, n=2)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return UserError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}.")


def require(module: str, extra: str) -> ModuleType:
    """Imports `module`, or says which extra of rnnkit brings it.

    Raises:
        UnavailableError: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise UnavailableError(
            f"{error.name} is not installed. Install it with: pip install 'rnnkit[{extra}]'"
        ) from None
