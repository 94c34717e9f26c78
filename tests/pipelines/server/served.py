"""Small SavedModels to serve, and a client that speaks to them."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines import warmup

SPEC = tf.TensorSpec


class Toy(tf.Module):
    """A signature for every kind of tensor that JSON can carry."""

    def __init__(self, number: int) -> None:
        self.number = tf.Variable(number, dtype=tf.int64)
        self.kernel = tf.Variable(np.random.default_rng(0).normal(size=(2, 3)).astype("float32"))

    @tf.function(
        input_signature=[SPEC((None, None, 2), name="x"), SPEC([None], tf.int32, "length")]
    )
    def serving_default(self, x, length):
        real = tf.sequence_mask(length, tf.shape(x)[1], tf.float32)[:, :, None]
        score = tf.tanh(tf.reduce_sum(x * real, axis=1) @ self.kernel)
        return {"score": score, "best": tf.argmax(score, axis=1)}

    @tf.function(input_signature=[SPEC([None], tf.string, "text")])
    def words(self, text):
        return {"upper": tf.strings.upper(text, "utf-8")}

    @tf.function(input_signature=[SPEC([None], tf.string, "image_bytes")])
    def pixels(self, image_bytes):
        return {"same_bytes": image_bytes, "size": tf.strings.length(image_bytes)}

    @tf.function(
        input_signature=[
            SPEC([None], tf.bool, "flag"),
            SPEC([None, 2], tf.uint8, "small"),
            SPEC([None], tf.int64, "large"),
            SPEC([None], tf.float64, "wide"),
        ]
    )
    def kinds(self, flag, small, large, wide):
        return {"flag": ~flag, "small": small, "large": large, "wide": wide}

    @tf.function(input_signature=[SPEC([None], tf.float32, "x")])
    def double(self, x):
        return {"y": 2 * x}

    @tf.function(input_signature=[SPEC([None], tf.float32, "x")])
    def total(self, x):
        return {"total": tf.reduce_sum(x), "x": x}

    @tf.function(input_signature=[SPEC([None], tf.int32, "steps")])
    def slow(self, steps):
        most = tf.reduce_max(steps)
        count = tf.while_loop(lambda i: i < most, lambda i: i + 1, [tf.constant(0)])[0]
        return {"steps": tf.fill(tf.shape(steps), count)}

    @tf.function(input_signature=[SPEC([None], tf.float32, "x")])
    def positive(self, x):
        with tf.control_dependencies([tf.debugging.assert_positive(x, "x must be above 0")]):
            return {"root": tf.sqrt(x)}

    @tf.function(input_signature=[SPEC([None], tf.int32, "x")])
    def which(self, x):
        return {"version": tf.fill(tf.shape(x), self.number), "x": x}


NAMES = [
    "serving_default",
    "words",
    "pixels",
    "kinds",
    "double",
    "total",
    "slow",
    "positive",
    "which",
]
REQUESTS = {
    "serving_default": {
        "x": np.linspace(-1, 1, 16, dtype="float32").reshape(2, 4, 2),
        "length": np.array([4, 2], np.int32),
    },
    "words": {"text": np.array(["é", "b"], object)},
}


def write(folder: Path, number: int, signatures: list[str] = NAMES, model: Any = None) -> Path:
    """The next version, beside and then renamed, as an export is."""
    toy = model or Toy(number)
    beside = folder / f".draft-{uuid.uuid4().hex}"
    functions = {name: getattr(toy, name) for name in signatures}
    tf.saved_model.save(toy, str(beside), signatures=functions)
    warmup.write(beside, folder.name, {k: v for k, v in REQUESTS.items() if k in signatures})
    (beside / "batching_parameters.txt").write_text("max_batch_size { value: 32 }\n")
    return beside.rename(folder / str(number))


@contextlib.contextmanager
def running(models: Any, limits: Any = None, demo: bool = False) -> Iterator[int]:
    """The models behind a real socket, in a thread; gives its port."""
    import uvicorn

    from pipelines.server.running import configuration, listen

    server = uvicorn.Server(configuration(models, limits, demo))
    sockets = [listen("127.0.0.1", 0)]
    thread = threading.Thread(target=server.run, args=(sockets,), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)


class Client:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, path: str, question: Any = None) -> tuple[int, Any]:
        """Status and JSON of a GET, or of a POST where there is a question."""
        method, body = ("GET", None) if question is None else ("POST", json.dumps(question))
        self.connection.request(method, path, body)
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())
