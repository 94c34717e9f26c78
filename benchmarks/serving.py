"""What the server adds to a model's own time, one request after the other.

    python benchmarks/serving.py [MODEL_DIR ...]

For each exported model, the version's folder; by default a sentiment model that is trained for one
epoch and exported first, because a model's time does not depend on how good it is. The bare call is
the signature of `tf.saved_model.load` with its answer as NumPy arrays. The server is a process of
its own on the same machine, asked over one connection that is kept, JSON both ways. Bare calls and
requests take turns, so that both meet the same machine.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines import warmup

SECONDS = 30.0  # most that is spent on one row of the table
MOST = 2000


def main() -> None:
    print("| model | batch | bare p50 ms | bare p99 ms | server p50 ms | server p99 ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for version in map(Path, sys.argv[1:] or [sentiment(Path(folder))]):
            for rows in (1, 32):
                bare, served = measure(version.resolve(), rows)
                times = [*np.percentile(bare, [50, 99]), *np.percentile(served, [50, 99])]
                cells = " | ".join(f"{1000 * each:.2f}" for each in times)
                print(f"| {version.parent.name} | {rows} | {cells} |", flush=True)


def sentiment(folder: Path) -> str:
    import pipelines

    run = pipelines.train("sentiment", run=folder / "run", epochs=1)
    return str(run.export(root=folder / "models"))


def measure(version: Path, rows: int) -> tuple[list[float], list[float]]:
    model = tf.saved_model.load(str(version))
    stored = warmup.read(version)["serving_default"]
    inputs = {name: np.resize(value, (rows, *value.shape[1:])) for name, value in stored.items()}
    tensors = {name: tf.constant(value) for name, value in inputs.items()}
    question = json.dumps({"inputs": {name: plain(value) for name, value in inputs.items()}})

    def call() -> None:
        for value in model.signatures["serving_default"](**tensors).values():
            value.numpy()

    bare: list[float] = []
    served: list[float] = []
    with serving(version.parents[1]) as connection:

        def ask() -> None:
            path = f"/v1/models/{version.parent.name}/versions/{version.name}:predict"
            connection.request("POST", path, question)
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200:
                raise RuntimeError(answer.decode())

        for _ in range(20):
            call(), ask()
        start = time.perf_counter()
        while len(bare) < MOST and time.perf_counter() - start < SECONDS:
            bare.append(timed(call))
            served.append(timed(ask))
    return bare, served


def timed(function: Callable[[], None]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def plain(value: np.ndarray) -> list:
    if value.dtype == object:
        return [text.decode() for text in value]
    return value.tolist()


@contextmanager
def serving(root: Path) -> Iterator[http.client.HTTPConnection]:
    program = "import sys; from pipelines.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", program, "serve", str(root), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split(":")[2].partition("/")[0])
        try:
            yield http.client.HTTPConnection("127.0.0.1", port)
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
