"""Stdout for answers, stderr for what a user wants to know while waiting, and nothing else."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator

from pipelines.quiet import start_tensorflow

debug = False
"""Whether `--debug` was given: everything is shown, tracebacks and TensorFlow's notes included."""


@contextlib.contextmanager
def work() -> Iterator[None]:
    """While a command computes: TensorFlow keeps its notes to itself, prints go to stderr."""
    if not debug:
        start_tensorflow()
        for name in ("tensorflow", "absl"):
            logging.getLogger(name).setLevel(logging.ERROR)
    with contextlib.redirect_stdout(sys.stderr):
        yield
