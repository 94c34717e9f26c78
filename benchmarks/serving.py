"""What the server adds to a model's own time, how soon it answers, and whether it lasts.

    python benchmarks/serving.py overhead [MODEL_DIR ...]
    python benchmarks/serving.py stream RUN ...
    python benchmarks/serving.py start MODEL_DIR ...
    python benchmarks/serving.py soak [--minutes 10] MODEL_DIR ...

A MODEL_DIR is an exported model's version; `overhead`, the default, makes a sentiment model of one
epoch when it is given none, because a model's time does not depend on how good it is.

- overhead: one request after the other. The bare call is the signature of `tf.saved_model.load`
  with its answer as NumPy arrays. The server is a process of its own on the same machine, asked
  over one connection that is kept, JSON both ways. Bare calls and requests take turns, so that both
  meet the same machine. p10 is what the machine gives when it is not disturbed.
- stream: one step of one session, by the core of a run's export, plain and compiled by XLA; every
  step takes the states of the step before.
- start: from the start of the server's process to its first answer: Python and TensorFlow are
  imported, the model is loaded and its warm-up requests are answered.
- soak: three clients ask all models and signatures in both forms, and send nonsense now and then.
  The server's memory is read once in ten seconds.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines import warmup

SECONDS = 30.0  # most that is spent on one row of a table
MOST = 2000
CLIENTS = 3
NONSENSE = 50  # requests between two that no model can answer


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    for command in (overhead, stream, start, soak):
        added = commands.add_parser(command.__name__)
        added.set_defaults(command=command)
        added.add_argument("folders", nargs="*" if command is overhead else "+", type=Path)
        if command is soak:
            added.add_argument("--minutes", type=float, default=10.0)
    arguments = vars(parser.parse_args(sys.argv[1:] or ["overhead"]))
    arguments.pop("command")(**arguments)


# --- overhead -------------------------------------------------------------------------------------


def overhead(folders: list[Path]) -> None:
    percentiles = (10, 50, 99)
    head = [f"{kind} p{p} ms" for kind in ("bare", "server") for p in percentiles]
    table("model", "batch", *head)
    with tempfile.TemporaryDirectory() as folder:
        for version in folders or [sentiment(Path(folder))]:
            for rows in (1, 32):
                times = [np.percentile(each, percentiles) for each in measure(version, rows)]
                row(version.parent.name, rows, *(f"{1000 * t:.2f}" for t in np.concatenate(times)))


def sentiment(folder: Path) -> Path:
    import pipelines

    run = pipelines.train("sentiment", run=folder / "run", epochs=1)
    return run.export(root=folder / "models")


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
    with serving([version]) as (port, _):
        connection = http.client.HTTPConnection("127.0.0.1", port)

        def ask() -> None:
            status, answer = post(connection, version, question)
            if status != 200:
                raise RuntimeError(answer.decode())

        for _ in range(20):
            call(), ask()
        begun = time.perf_counter()
        while len(bare) < MOST and time.perf_counter() - begun < SECONDS:
            bare.append(timed(call))
            served.append(timed(ask))
    return bare, served


# --- stream ---------------------------------------------------------------------------------------


def stream(folders: list[Path]) -> None:
    import pipelines

    table("run", "plain p10 ms", "plain p50 ms", "XLA p10 ms", "XLA p50 ms")
    for folder in folders:
        run = pipelines.load_run(folder)
        served = run.task.served(run.model)
        inputs = {
            name: tf.ones(spec.shape, spec.dtype) for name, spec in served.core_inputs.items()
        }
        times = []
        for compiled in (False, True):
            step = tf.function(served.core, jit_compile=True) if compiled else served.core
            times.append(steps(step, inputs))
        found = [np.percentile(each, (10, 50)) for each in times]
        row(folder.name, *(f"{1000 * each:.2f}" for each in np.concatenate(found)))


def steps(step: Callable[..., dict[str, tf.Tensor]], inputs: dict[str, tf.Tensor]) -> list[float]:
    """Seconds of each, the first ones left out."""
    times: list[float] = []

    def one() -> None:
        inputs.update({key: value for key, value in step(**inputs).items() if key in inputs})
        next(iter(inputs.values())).numpy()

    inputs = dict(inputs)
    for _ in range(20):
        one()
    while len(times) < MOST and sum(times) < SECONDS:
        times.append(timed(one))
    return times


# --- start ----------------------------------------------------------------------------------------


def start(folders: list[Path]) -> None:
    table("model", "seconds to the first answer")
    for version in folders:
        question = json.dumps({"inputs": first(version, "serving_default", rows=1)})
        begun = time.perf_counter()
        with serving([version]) as (port, _):
            status, answer = post(http.client.HTTPConnection("127.0.0.1", port), version, question)
            seconds = time.perf_counter() - begun
        row(version.parent.name, f"{seconds:.1f}" if status == 200 else answer.decode())


# --- soak -----------------------------------------------------------------------------------------


def soak(folders: list[Path], minutes: float) -> None:
    questions = [each for version in folders for each in all_questions(version)]
    statuses: collections.Counter[int] = collections.Counter()
    done = threading.Event()

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for count, (version, question) in enumerate(itertools.cycle(questions), start=number):
            if done.is_set():
                return
            broken = count % NONSENSE == 0
            status, _ = post(connection, version, question[:-2] if broken else question)
            statuses[status if broken is (status == 400) else -1] += 1

    table("minutes", "requests", "unexpected answers", "server MB")
    with serving(folders) as (port, process):
        threads = [threading.Thread(target=client, args=(n,)) for n in range(1, 1 + CLIENTS)]
        for thread in threads:
            thread.start()
        begun = time.monotonic()
        while (passed := (time.monotonic() - begun) / 60) < minutes:
            time.sleep(10)
            row(f"{passed:.1f}", statuses.total(), statuses[-1], memory(process.pid))
        done.set()
        for thread in threads:
            thread.join()
    print(dict(statuses))


def all_questions(version: Path) -> Iterator[tuple[Path, str]]:
    for signature in warmup.read(version):
        columns = first(version, signature)
        yield version, json.dumps({"signature_name": signature, "inputs": columns})
        rows = [
            dict(zip(columns, each, strict=True)) for each in zip(*columns.values(), strict=True)
        ]
        yield version, json.dumps({"signature_name": signature, "instances": rows})


def memory(pid: int) -> int:
    """Megabytes that a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS"))


# --- what they share ------------------------------------------------------------------------------


@contextmanager
def serving(versions: list[Path]) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """`rnnkit serve` of these models alone; gives its port and process."""
    program = "import sys; from pipelines.cli import main; sys.exit(main())"
    with tempfile.TemporaryDirectory() as root:
        for version in versions:
            Path(root, version.parent.name).symlink_to(version.parent.resolve())
        with subprocess.Popen(
            [sys.executable, "-c", program, "serve", root, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            try:
                yield int(process.stdout.readline().split(":")[2].partition("/")[0]), process
            finally:
                process.terminate()


def post(connection: http.client.HTTPConnection, version: Path, body: str) -> tuple[int, bytes]:
    connection.request("POST", f"/v1/models/{version.parent.name}:predict", body)
    response = connection.getresponse()
    return response.status, response.read()


def first(version: Path, signature: str, rows: int | None = None) -> dict[str, Any]:
    """The stored request, or the first rows of it, as JSON."""
    return {key: plain(value[:rows]) for key, value in warmup.read(version)[signature].items()}


def plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [plain(each) for each in value]
    return value.decode() if isinstance(value, bytes) else value.tolist()


def timed(function: Callable[[], None]) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def table(*names: str) -> None:
    row(*names)
    row(*["---"] * len(names))


def row(*cells: Any) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)


if __name__ == "__main__":
    main()
