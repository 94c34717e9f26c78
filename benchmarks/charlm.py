"""The tables of the character language model: `benchmarks/charlm.md`.

    python benchmarks/charlm.py --data FILE [--row NAME ...] [--seeds 0]     what runs reach
    python benchmarks/charlm.py --data FILE --min-char-rnn [--windows 4000]  against karpathy's

FILE is a text, tinyshakespeare for the published table. Its last tenth is the test part, the
hundredth before it validates. Each row runs `rnnkit train charlm` once a seed, in
`runs/benchmark-charlm/`, where a finished run is taken as it is. Without FILE it prints the
commands and measures nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

RUNS = Path("runs/benchmark-charlm")
ROWS = {  # options of `rnnkit train charlm`, besides --data, --run and --seed
    "three minutes": "--units 256 --batch-size 16 --dropout 0.1 --decay 1 --epochs 2",
    "default": "",
}


def make_parts(data: str) -> None:
    """Cuts a text in three, by position."""
    text = Path(data).read_text("utf-8")
    ends = [0, int(0.89 * len(text)), int(0.9 * len(text)), len(text)]
    for part, (start, end) in zip(
        ("train", "valid", "test"), itertools.pairwise(ends), strict=True
    ):
        path = RUNS / f"{part}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text[start:end], "utf-8")


def command(name: str, seed: int) -> list[str]:
    run = RUNS / f"{name.replace(' ', '-')}-{seed}"
    data = f"--data {RUNS}/train.txt --valid {RUNS}/valid.txt --test {RUNS}/test.txt"
    return shlex.split(f"rnnkit train charlm {data} {ROWS[name]} --seed {seed} --run {run}")


def measure(name: str, seed: int) -> dict[str, float]:
    """Trains, or takes up, one run and returns what the table needs of it."""
    words = command(name, seed)
    subprocess.run([Path(sys.executable).with_name(words[0]), *words[1:]], check=True)
    run = Path(words[-1])
    metrics = json.loads((run / "metrics.json").read_text())
    rows = (run / "metrics.csv").read_text().splitlines()
    seconds = rows[0].split(",").index("seconds")
    return {
        "test": metrics["test"]["metrics"]["nll"],
        "valid": metrics["valid"]["metrics"]["nll"],
        "5-gram": metrics["test"]["floors"]["5-gram"]["nll"],
        "parameters": metrics["parameters"],
        "epochs": len(rows) - 1,
        "minutes": sum(float(row.split(",")[seconds]) for row in rows[1:]) / 60,
    }


def quality(data: str, names: list[str], seeds: list[int]) -> None:
    """A row of the table of scores for each name."""
    make_parts(data)
    print(
        "| row | test nll | valid nll | 5-gram | parameters | epochs | minutes | seeds | options |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        found = [measure(name, seed) for seed in seeds]
        means = {key: statistics.mean(each[key] for each in found) for key in found[0]}
        shown = ROWS[name] or "none"
        print(
            f"| {name} | {means['test']:.3f} | {means['valid']:.3f} | {means['5-gram']:.2f} "
            f"| {means['parameters']:,.0f} | {means['epochs']:.0f} | {means['minutes']:.1f} "
            f"| {' '.join(map(str, seeds))} | `{shown}` |",
            flush=True,
        )


# --- min-char-rnn --------------------------------------------------------------------------------

UNITS, STEPS, RATE, LIMIT = 100, 25, 0.1, 5.0
Weights = dict[str, np.ndarray]


def initial_weights(symbols: int) -> Weights:
    """Small normal numbers, and biases of zero."""
    draw = np.random.default_rng(0).normal
    return {
        "W": draw(size=(symbols, UNITS)) * 0.01,
        "U": draw(size=(UNITS, UNITS)) * 0.01,
        "b": np.zeros(UNITS),
        "V": draw(size=(UNITS, symbols)) * 0.01,
        "c": np.zeros(symbols),
    }


def pairs(ids: np.ndarray, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Inputs and targets of window after window, one character apart."""
    for start in range(0, count * STEPS, STEPS):
        yield ids[start : start + STEPS], ids[start + 1 : start + STEPS + 1]


def in_numpy(ids: np.ndarray, symbols: int, count: int) -> list[float]:
    """The loss of each window, by the equations alone.

    h_t = tanh(W[x_t] + h_{t-1} U + b)        L = sum_t -log softmax(h_t V + c)[x_{t+1}]
    each gradient element cut at 5 and -5     m += g^2     w -= 0.1 g / sqrt(m + 1e-8)
    """
    w = initial_weights(symbols)
    memory = {name: np.zeros_like(value) for name, value in w.items()}
    h_0, losses = np.zeros(UNITS), []
    for x, wanted in pairs(ids, count):
        hs = np.empty((STEPS + 1, UNITS))
        hs[0] = h_0
        for t in range(STEPS):
            hs[t + 1] = np.tanh(w["W"][x[t]] + hs[t] @ w["U"] + w["b"])
        scores = hs[1:] @ w["V"] + w["c"]
        odds = np.exp(scores - scores.max(1, keepdims=True))
        odds /= odds.sum(1, keepdims=True)
        losses.append(float(-np.log(odds[np.arange(STEPS), wanted]).sum()))

        odds[np.arange(STEPS), wanted] -= 1  # dL/dscores
        d_h = odds @ w["V"].T
        d_a = np.empty((STEPS, UNITS))
        later = np.zeros(UNITS)
        for t in reversed(range(STEPS)):
            d_a[t] = (d_h[t] + later) * (1 - hs[t + 1] ** 2)
            later = d_a[t] @ w["U"].T
        d_w = np.zeros_like(w["W"])
        np.add.at(d_w, x, d_a)
        gradients = {
            "W": d_w,
            "U": hs[:-1].T @ d_a,
            "b": d_a.sum(0),
            "V": hs[1:].T @ odds,
            "c": odds.sum(0),
        }
        for name, gradient in gradients.items():
            gradient = gradient.clip(-LIMIT, LIMIT)
            memory[name] += gradient**2
            w[name] -= RATE * gradient / np.sqrt(memory[name] + 1e-8)
        h_0 = hs[-1]
    return losses


def with_layers(ids: np.ndarray, symbols: int, count: int, dtype: str = "float32") -> list[float]:
    """The same from `VanillaCell`, `WindowedRNN` and Keras's Adagrad."""
    import keras
    import tensorflow as tf

    import rnnkit
    from rnnkit.windows import WindowedRNN

    keras.config.set_floatx(dtype)
    entrance = keras.Input(batch_shape=(1, STEPS, symbols))
    first = keras.Input(batch_shape=(1,), dtype="bool")
    recurrent = WindowedRNN(rnnkit.VanillaCell(UNITS), every=STEPS)
    head = keras.layers.Dense(symbols)
    model = keras.Model([entrance, first], head(recurrent(entrance, first)))
    start = initial_weights(symbols)
    cell = recurrent.rnn.cell
    weights = (cell.kernel, cell.recurrent_kernel, cell.bias, head.kernel, head.bias)
    for weight, value in zip(weights, start.values(), strict=True):
        weight.assign(value)
    adagrad = keras.optimizers.Adagrad(
        RATE, initial_accumulator_value=0.0, epsilon=1e-8, clipvalue=LIMIT
    )
    adagrad.build(model.trainable_variables)

    @tf.function(autograph=False)
    def update(x: tf.Tensor, wanted: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model([tf.one_hot(x, symbols, dtype=dtype)[None], first], training=True)[0]
            loss = tf.reduce_sum(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=wanted, logits=logits)
            )
        values = [weight.value for weight in model.trainable_variables]
        adagrad.apply(tape.gradient(loss, values), model.trainable_variables)
        return loss

    losses = [
        update(tf.constant(x), tf.constant(wanted), tf.constant([k == 0]))
        for k, (x, wanted) in enumerate(pairs(ids, count))
    ]
    keras.config.set_floatx("float32")
    return [float(loss) for loss in losses]


def in_streams(ids: np.ndarray, symbols: int, count: int, **sizes: object) -> None:
    """`count` updates as `rnnkit train charlm` makes them, with some settings of the default."""
    import keras
    import tensorflow as tf

    from pipelines.charlm.settings import CharLMSettings
    from pipelines.charlm.task import CharLMTask

    task = CharLMTask(CharLMSettings(**sizes))
    task.learnt = {"characters": [chr(97 + k) for k in range(symbols)]}
    settings = task.settings
    model = task.model()
    model.compile(keras.optimizers.Adam(settings.learning_rate), **task.compile_arguments())
    shape = (settings.batch_size, settings.window)
    x = {"ids": tf.constant(np.resize(ids, shape)), "first": tf.fill(shape[:1], False)}
    batch = (x, tf.constant(np.resize(ids[1:], shape)), tf.ones(shape))
    data = tf.data.Dataset.from_tensors(batch).repeat(count)
    model.fit(data, verbose=0)


def min_char_rnn(data: str, count: int) -> None:
    """The loss curves side by side, then characters a second."""
    from pipelines.charlm.reading import read_source
    from pipelines.charlm.texts import distinct, to_ids

    (text,) = read_source(data).parts["all"]
    vocabulary = distinct([text])
    ids, symbols = to_ids(text.characters, vocabulary) - 1, len(vocabulary)
    curves = {"NumPy": in_numpy(ids, symbols, count), "rnnkit": with_layers(ids, symbols, count)}
    print(f"25 ln {symbols} = {STEPS * np.log(symbols):.2f}")
    print("| characters seen | NumPy, nats for 25 | rnnkit, nats for 25 |\n| --- | --- | --- |")
    edges = [0, 1, *np.linspace(count // 8, count, 8, dtype=int)]
    for low, high in itertools.pairwise(edges):
        means = [float(np.mean(curve[low:high])) for curve in curves.values()]
        print(f"| {low * STEPS:,} to {high * STEPS:,} | {means[0]:.3f} | {means[1]:.3f} |")
    apart = np.abs(np.subtract(*curves.values())) / np.array(curves["NumPy"])
    print(f"\nWindows differ by {np.median(apart):.1e} of the loss in the median.")
    exact = np.subtract(in_numpy(ids, symbols, 10), with_layers(ids, symbols, 10, "float64"))
    print(f"The first ten in float64 differ by {np.abs(exact).max():.1e} nats at most.\n")

    kept = {"units": UNITS, "cell": "vanilla", "embedding": symbols, "dropout": 0.0}
    ways = {
        "NumPy, its set-up: 1 stream, 25 characters": (
            lambda n: in_numpy(ids, symbols, n),
            STEPS,
            400,
        ),
        "rnnkit's layers, its set-up": (lambda n: with_layers(ids, symbols, n), STEPS, 400),
        "its net in the default set-up: 32 streams, 64 characters": (
            lambda n: in_streams(ids + 1, symbols, n, **kept),
            32 * 64,
            100,
        ),
        "three layers of min_gru, 256 wide, in the default set-up": (
            lambda n: in_streams(
                ids + 1, symbols, n, cell="min_gru", units=256, layers=3, embedding=256
            ),
            32 * 64,
            30,
        ),
        "the default net in the default set-up": (
            lambda n: in_streams(ids + 1, symbols, n),
            32 * 64,
            12,
        ),
    }
    print(
        "| way | characters a second | of NumPy's | a processor second |\n| --- | --- | --- | --- |"
    )
    base = None
    for name, (run, characters, updates) in ways.items():
        wall, cpu = time_of(run, updates)
        speed = characters * updates / wall
        base = base or speed
        print(
            f"| {name} | {speed:,.0f} | {speed / base:.1f} | {characters * updates / cpu:,.0f} |",
            flush=True,
        )


def time_of(run, updates: int) -> tuple[float, float]:
    """Seconds of `updates` updates on the clock and on the processors: what twice as many take
    more, so that building and tracing do not count."""

    def once(count: int) -> tuple[float, float]:
        started = time.perf_counter(), time.process_time()
        run(count)
        return time.perf_counter() - started[0], time.process_time() - started[1]

    short, long = once(updates), once(2 * updates)
    return long[0] - short[0], long[1] - short[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="a text file")
    parser.add_argument("--row", nargs="*", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--min-char-rnn", action="store_true")
    parser.add_argument("--windows", type=int, default=4000, help="of the loss curves")
    arguments = parser.parse_args()
    if arguments.data is None:
        for name in arguments.row:
            print(shlex.join(command(name, arguments.seeds[0])))
        print("\nGive --data FILE to run these; the measured tables are in charlm.md.")
    elif arguments.min_char_rnn:
        min_char_rnn(arguments.data, arguments.windows)
    else:
        quality(arguments.data, arguments.row, arguments.seeds)


if __name__ == "__main__":
    main()
