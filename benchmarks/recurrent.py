"""Training steps of recurrent layers, side by side with what people use today.

    python benchmarks/recurrent.py [--full] [--cpu-time]

Both sides run in one process, in turns, and the table gives medians of the ratios of neighbouring
runs: other work on the machine slows both alike. Each side runs as a plain graph and under XLA, and
its faster form counts. A step is the forward pass, the gradients of inputs and weights, no update.

Without options, as `make bench` runs it: four shapes that people train with, in some minutes.
With --full: units 64 to 1024, batch 1 to 256, time 50 to 8192, and min_gru from 512 to 8192 steps;
the tables it printed are in recurrent.md.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

import rnnkit

Run = Callable[[], Any]

# batch, time, inputs, units; from units 64 to 1024, batch 1 to 256, time 50 to 8192.
SHAPES = [(32, 128, 128, 128), (64, 200, 64, 64), (32, 100, 256, 512), (1, 100, 64, 128)]
FULL = [
    *SHAPES,
    (1, 1000, 64, 64),
    (1, 50, 512, 512),
    (256, 50, 256, 256),
    (16, 100, 1024, 1024),
    (128, 512, 64, 128),
    (16, 2048, 64, 64),
    (4, 8192, 64, 64),
]
KERAS: dict[str, tuple[str, Callable[[int], keras.layers.Layer]]] = {
    "lstm": ("LSTM", lambda n: keras.layers.LSTM(n, return_sequences=True)),
    "gru_reset_after": ("GRU", lambda n: keras.layers.GRU(n, return_sequences=True)),
    "vanilla": ("SimpleRNN", lambda n: keras.layers.SimpleRNN(n, return_sequences=True)),
}
LENGTHS = [512, 1024, 2048, 4096, 8192]  # of what is parallel over time
VARIANTS: dict[str, Callable[[int], keras.layers.Layer]] = {
    "peephole_lstm": rnnkit.PeepholeLSTMCell,
    "coupled_lstm": rnnkit.CoupledLSTMCell,
    "layer_norm_lstm": rnnkit.LayerNormLSTMCell,
    "zoneout": lambda n: rnnkit.ZoneoutCell(rnnkit.LSTMCell(n)),
    "recurrent dropout": lambda n: rnnkit.RecurrentDropoutCell(rnnkit.LSTMCell(n)),
}


def training_step(layer: keras.layers.Layer, x: tf.Tensor, *, xla: bool) -> Run:
    """Forward and backward through one layer."""
    layer.build(x.shape)

    @tf.function(jit_compile=xla)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * y)
        return tape.gradient(loss, [x, *(v.value for v in layer.trainable_variables)])

    return lambda: step(x)


def products(x: tf.Tensor, units: int, gates: int) -> Run:
    """The limit: all products of a training step over the whole sequence at once, nothing else."""
    batch, steps, width = x.shape
    both = tf.random.normal((batch * steps, width + units))
    kernel = tf.random.normal((width + units, gates * units))
    upstream = tf.random.normal((batch * steps, gates * units))

    @tf.function
    def step():
        return (
            both @ kernel,
            tf.matmul(upstream, kernel, transpose_b=True),
            tf.matmul(both, upstream, transpose_a=True),
        )

    return step


def torch_step(name: str, x: tf.Tensor, units: int) -> Run:
    """The same in PyTorch, whose own kernels run the whole sequence."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    kind = {"lstm": torch.nn.LSTM, "gru_reset_after": torch.nn.GRU, "vanilla": torch.nn.RNN}[name]
    layer = kind(x.shape[-1], units, batch_first=True)
    inputs = torch.tensor(x.numpy(), requires_grad=True)

    def step():
        layer.zero_grad()
        inputs.grad = None
        (layer(inputs)[0] ** 2).sum().backward()

    return step


def measure(runs: dict[str, Run], seconds: float, clock: Callable[[], float]) -> dict[str, Any]:
    """`{name: (time of the first run, times of the others)}`, the runs in turns."""
    first, times = {}, {name: [] for name in runs}
    for name, run in runs.items():
        start = time.perf_counter()
        run()
        first[name] = time.perf_counter() - start
        run()
    start = time.perf_counter()
    while time.perf_counter() - start < seconds or len(times[name]) < 5:
        for name, run in runs.items():
            before = clock()
            run()
            times[name].append(clock() - before)
    return {name: (first[name], times[name]) for name in runs}


def ratio(slow: list[float], fast: list[float]) -> float:
    """How many times faster, by the median over neighbouring runs."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def faster(found: dict[str, Any], name: str) -> tuple[str, float, list[float]]:
    """The faster form of one side: `(form, seconds of its first run, times)`."""
    forms = {
        form: found[f"{name} {form}"] for form in ("graph", "xla") if f"{name} {form}" in found
    }
    form = min(forms, key=lambda form: statistics.median(forms[form][1]))
    return form, *forms[form]


def predicted(batch: int) -> float:
    """What the design promises against Keras: no step pays for its weights' gradient."""
    return 4.0 if batch == 1 else 1.3


def compare(shape: tuple[int, ...], name: str, options: argparse.Namespace) -> str:
    """One row: our layer against Keras's, the same cell in Keras's loop, PyTorch, and the limit."""
    batch, steps, width, units = shape
    x = tf.random.normal((batch, steps, width))
    cell = rnnkit.CELLS[name]
    sides = {
        "ours": lambda: rnnkit.RNN(cell(units), return_sequences=True),
        "keras": lambda: KERAS[name][1](units),
        "loop": lambda: keras.layers.RNN(cell(units), return_sequences=True),
    }
    runs = {
        f"{side} {form}": training_step(make(), x, xla=form == "xla")
        for side, make in sides.items()
        for form in ("graph", "xla")
    }
    runs["limit"] = products(x, units, len(cell(units).gates))
    if importlib.util.find_spec("torch"):
        runs["torch"] = torch_step(name, x, units)
    found = measure(runs, options.seconds, options.clock)
    form, first, ours = faster(found, "ours")
    keras_form, keras_first, keras_times = faster(found, "keras")
    _, _, loop = faster(found, "loop")
    won = ratio(keras_times, ours)
    options.won.append(won)
    cells = [
        f"{name} / {KERAS[name][0]}",
        ", ".join(map(str, shape)),
        f"{1e3 * statistics.median(ours):.1f} ({form}, {first:.1f} s)",
        f"{1e3 * statistics.median(keras_times):.1f} ({keras_form}, {keras_first:.1f} s)",
        f"{predicted(batch):.1f}",
        f"{won:.2f}",
        f"{ratio(loop, ours):.2f}",
        f"{ratio(found['torch'][1], ours):.2f}" if "torch" in found else "not installed",
        f"{ratio(ours, found['limit'][1]):.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def variants(shape: tuple[int, ...], options: argparse.Namespace) -> list[str]:
    """Rows: cells beyond the LSTM, against our LSTM."""
    batch, steps, width, units = shape
    x = tf.random.normal((batch, steps, width))
    makes = {"lstm": rnnkit.LSTMCell, **VARIANTS}
    runs = {
        f"{name} {form}": training_step(
            rnnkit.RNN(make(units), return_sequences=True), x, xla=form == "xla"
        )
        for name, make in makes.items()
        for form in ("graph", "xla")
    }
    found = measure(runs, options.seconds, options.clock)
    *_, own = faster(found, "lstm")
    rows = []
    for name in VARIANTS:
        form, _, times = faster(found, name)
        rows.append(f"| {name} ({form}) | {', '.join(map(str, shape))} | {ratio(times, own):.2f} |")
    return rows


def by_length(lengths: list[int], options: argparse.Namespace) -> Iterator[str]:
    """Rows: min_gru, parallel over time, against Keras's GRU, and its cost a step of each length.

    Batch 4, 64 inputs, 64 units: so small that Keras's loop is bound by its number of steps.
    """
    start = 0.0
    for steps in lengths:
        x = tf.random.normal((4, steps, 64))
        sides = {
            "ours": lambda: rnnkit.RNN(rnnkit.MinGRUCell(64), return_sequences=True),
            "keras": lambda: keras.layers.GRU(64, return_sequences=True),
        }
        runs = {
            f"{side} {form}": training_step(make(), x, xla=form == "xla")
            for side, make in sides.items()
            for form in ("graph", "xla")
        }
        found = measure(runs, options.seconds, options.clock)
        form, first, ours = faster(found, "ours")
        keras_form, keras_first, keras_times = faster(found, "keras")
        cost = 1e6 * statistics.median(ours) / steps
        start = start or cost
        cells = [
            ", ".join(map(str, (4, steps, 64, 64))),
            f"{1e3 * statistics.median(ours):.1f} ({form}, {first:.1f} s)",
            f"{1e3 * statistics.median(keras_times):.1f} ({keras_form}, {keras_first:.1f} s)",
            f"{ratio(keras_times, ours):.1f}",
            f"{cost:.1f}",
            f"{cost / start:.2f}",
        ]
        yield f"| {' | '.join(cells)} |"
        keras.backend.clear_session()
        gc.collect()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--full",
        action="store_true",
        help="all shapes, and min_gru by length (16 minutes)",
    )
    parser.add_argument("--cpu-time", action="store_true", help="time of the process, not the wall")
    parser.add_argument("--seconds", type=float, default=10.0, help="a row (default 10)")
    options = parser.parse_args()
    options.clock = time.process_time if options.cpu_time else time.perf_counter
    options.won = []
    print(
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}; "
        f"{'processor' if options.cpu_time else 'wall'} time of a training step.\n"
    )
    print(
        "Times in ms (form, first run with its compilation). Ratios: times faster than Keras's "
        "layer (predicted, measured), than Keras's RNN with the same cell, than PyTorch; and how "
        "many times the limit of its matrix products.\n"
    )
    print(
        "| cell / Keras | batch, time, in, units | ours | Keras | predicted | measured "
        "| RNN(cell) | PyTorch | / limit |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for shape in FULL if options.full else SHAPES:
        for name in KERAS:
            print(compare(shape, name, options), flush=True)
            keras.backend.clear_session()
            gc.collect()
    print(f"\nGeometric mean against Keras: {statistics.geometric_mean(options.won):.2f}.\n")
    print("| variant | batch, time, in, units | times our LSTM |")
    print("| --- | --- | --- |")
    print("\n".join(variants(SHAPES[0], options)))
    if options.full:
        print(
            "\nmin_gru against Keras's GRU, times in ms; us a step, and times that of the first.\n"
        )
        print("| batch, time, in, units | min_gru | GRU | times faster | us a step | growth |")
        print("| --- | --- | --- | --- | --- | --- |")
        for row in by_length(LENGTHS, options):
            print(row, flush=True)


if __name__ == "__main__":
    main()
