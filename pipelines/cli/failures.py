"""What went wrong, as one line for the user and an exit status: 2 their input, 1 anything else."""

from __future__ import annotations

import contextlib
import difflib
import errno
import sys
from collections.abc import Iterator

import typer

from pipelines.errors import UserError

WRONG_INPUT = 2
UNEXPECTED = 1

_PLACE = {
    errno.ENOSPC: "no space left on the disk. Free some, or name another place",
    errno.EDQUOT: "the disk quota is used up. Free some, or name another place",
    errno.EACCES: "no permission. Change it, or name another place",
    errno.EPERM: "not permitted there. Name another place",
    errno.EROFS: "a read-only file system. Name another place",
    errno.EISDIR: "expected a file. Received: a folder",
    errno.ENOENT: "no such file or folder",
    errno.ENOTDIR: "expected a folder. Received: a file on the way there",
    errno.ENAMETOOLONG: "the name is too long. Choose a shorter one",
}


@contextlib.contextmanager
def resumable(what: str) -> Iterator[None]:
    """Ctrl-C ends the command, and one line says that it goes on where it was."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"interrupted: the same command resumes the {what}", file=sys.stderr)
        raise typer.Exit(UNEXPECTED) from None


def explain(error: BaseException) -> tuple[str, int]:
    """The line and the exit status for whatever ended a command."""
    if isinstance(error, UserError):
        return str(error), WRONG_INPUT
    if isinstance(error, typer.TyperException):
        return _usage(error), WRONG_INPUT
    number, place = _errno(error), getattr(error, "filename", None)
    if number in _PLACE and (place or number != errno.ENOENT):
        return (f"{place}: " if place else "") + f"{_PLACE[number]}.", WRONG_INPUT
    words = str(error).strip().splitlines()
    reason = f"{type(error).__name__}: {words[0]}" if words else type(error).__name__
    return f"unexpected {reason} (the same command with --debug shows where)", UNEXPECTED


def _errno(error: BaseException) -> int | None:
    """The system's error number. HDF5 and TensorFlow write it into their messages only."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    words = str(error)
    if "No space left on device" in words:
        return errno.ENOSPC
    if type(error).__name__ == "PermissionDeniedError":
        return errno.EACCES
    return None


def _usage(error: typer.TyperException) -> str:
    """Typer's message as one line in our words; empty where Typer has printed the help."""
    words = " ".join(getattr(error, "format_message", error.__str__)().split())
    if hasattr(error, "possibilities"):
        option = getattr(error, "option_name", "")
        near = difflib.get_close_matches(option, error.possibilities or [], n=1)
        if near:
            return f"unknown option {option}. Did you mean {near[0]}?"
        words = f"unknown option {option}"
    parameter, details = getattr(error, "param", None), getattr(error.__cause__, "errors", None)
    if parameter is not None and details is not None:
        found = details()[0]
        rule = found["msg"].partition(",")[0].replace("Input should be", "must be")
        _, among, choices = found["msg"].partition(" is not one of ")
        if among:
            rule = f"must be one of {choices.rstrip('.')}"
        return f"{parameter.opts[0]} {rule}. Received: {found['input']}."
    context = getattr(error, "ctx", None)
    if not words or context is None:
        return words
    return f"{words.rstrip('.')}. See: {context.command_path} --help"
