"""How much one request may ask for."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a client may spend of the server.

    The defaults let a chapter of text or a long piece of music through in one request, and keep
    what a model allocates for it under about a gigabyte.

    Args:
        body_bytes: size of a request.
        rows: size of a batch.
        length: size of any axis that the model leaves open; bytes of a string; steps that an
            input named `length` or `..._length` asks for.
        padded: strings, or rows of steps, times the longest of them: models pad to that.
        seconds: for the headers of a request, and from then to its answer.
        connections: that are open at the same time.
        waiting: requests that wait for a free worker.
        workers: requests that are computed at the same time.
    """

    body_bytes: int = 16 * 2**20
    rows: int = 1024
    length: int = 100_000
    padded: int = 1_000_000
    seconds: float = 30.0
    connections: int = 256
    waiting: int = 64
    workers: int = os.cpu_count() or 1
