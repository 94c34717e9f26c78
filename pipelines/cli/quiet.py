"""Stdout for answers, stderr for what a user wants to know while waiting, and nothing else."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator

debug = False
"""Whether `--debug` was given: everything is shown, tracebacks and TensorFlow's notes included."""


@contextlib.contextmanager
def work() -> Iterator[None]:
    """While a command computes: what libraries print goes to stderr, what they note nowhere."""
    if not debug:
        _import_tensorflow_silently()
    with contextlib.redirect_stdout(sys.stderr):
        yield


def _import_tensorflow_silently() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" not in sys.modules:
        # Its C++ part writes to file descriptor 2 before it reads any setting.
        with _stderr_held_back():
            import tensorflow  # noqa: F401
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)


@contextlib.contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Drops what is written to file descriptor 2, unless it ends in an error."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
