"""A request that is not answered: the status, and words for the client."""

from __future__ import annotations

import re

import tensorflow as tf

# How TensorFlow Serving maps the codes of TensorFlow's errors; every other one is a 500.
_STATUS = {
    tf.errors.INVALID_ARGUMENT: 400,
    tf.errors.FAILED_PRECONDITION: 400,
    tf.errors.OUT_OF_RANGE: 400,
    tf.errors.NOT_FOUND: 404,
    tf.errors.RESOURCE_EXHAUSTED: 429,
    tf.errors.UNIMPLEMENTED: 501,
    tf.errors.UNAVAILABLE: 503,
    tf.errors.DEADLINE_EXCEEDED: 504,
}


class RequestError(Exception):
    """Becomes `{"error": words}` with an HTTP status.

    Args:
        words: what was expected, what was received.
        status: of HTTP; 400 by default, the client's mistake.
    """

    def __init__(self, words: str, status: int = 400) -> None:
        super().__init__(words)
        self.status = status


def from_tensorflow(error: tf.errors.OpError) -> RequestError:
    """What a graph said of its inputs: the first reason, without the names of its nodes."""
    said = error.__context__ or error  # a session raises again, with the places in our source
    lines = [line.strip() for line in getattr(said, "message", str(said)).splitlines()]
    reasons = [line for line in lines if line and "root error(s) found" not in line]
    reason = re.sub(r"^\(\d+\) [A-Z_]+: ", "", reasons[0] if reasons else type(error).__name__)
    return RequestError(_short(reason.partition(" [[{{")[0]), _STATUS.get(error.error_code, 500))


def _short(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:297]}..."
