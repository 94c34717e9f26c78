"""TensorFlow's start, without its lines on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


def start_tensorflow() -> None:
    """Imports TensorFlow and finds its devices, with stderr closed to what it says meanwhile."""
    if "tensorflow" in sys.modules:
        return
    with silenced():
        import tensorflow as tf

        tf.config.list_logical_devices()


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Closes stderr. TensorFlow's C++ code writes to the file itself, before it looks at any log
    level; errors still raise."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
