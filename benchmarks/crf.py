"""The CRF against the recursions as they are usually written: a TensorFlow loop of log-sum-exp.

    python benchmarks/crf.py [--shape 32,100,50] [--lengths] [--cpu-time]

Loss and gradient: `crf_log_likelihood` and its gradients, against the forward recursion in
`tf.while_loop`, differentiated by TensorFlow. Viterbi: `crf_decode` against the same loop with a
maximum and back-pointers. All sides run in one process, in turns; the table gives medians, and the
medians of the ratios of neighbouring runs: other work on the machine slows both alike.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import rnnkit

Run = Callable[[], Any]


def plain_log_partition(emissions: tf.Tensor, transitions: tf.Tensor, lengths: Any) -> tf.Tensor:
    """The forward recursion, step by step."""
    steps = tf.shape(emissions)[1]
    each = tf.TensorArray(emissions.dtype, steps).unstack(tf.transpose(emissions, (1, 0, 2)))

    def body(t, alpha):
        new = tf.reduce_logsumexp(alpha[:, :, None] + transitions, axis=1) + each.read(t)
        if lengths is not None:
            new = tf.where((t < lengths)[:, None], new, alpha)
        return t + 1, new

    _, alpha = tf.while_loop(
        lambda t, _: t < steps, body, (1, emissions[:, 0]), maximum_iterations=steps
    )
    return tf.reduce_logsumexp(alpha, axis=1)


def plain_score(emissions: tf.Tensor, tags: tf.Tensor, transitions: tf.Tensor, lengths: Any):
    """The score of given tags."""
    unary = tf.gather(emissions, tags, batch_dims=2)
    moves = tf.gather_nd(transitions, tf.stack([tags[:, :-1], tags[:, 1:]], axis=-1))
    if lengths is not None:
        real = tf.sequence_mask(lengths, tf.shape(tags)[1])
        unary = tf.where(real, unary, 0.0)
        moves = tf.where(real[:, 1:], moves, 0.0)
    return tf.reduce_sum(unary, axis=1) + tf.reduce_sum(moves, axis=1)


def plain_viterbi(emissions: tf.Tensor, transitions: tf.Tensor, lengths: Any) -> tf.Tensor:
    """The same loop with a maximum, and the way back along the stored pointers."""
    batch, steps, width = emissions.shape
    each = tf.TensorArray(emissions.dtype, steps).unstack(tf.transpose(emissions, (1, 0, 2)))
    pointers = tf.TensorArray(tf.int32, steps, element_shape=(batch, width))
    stay = tf.broadcast_to(tf.range(width), (batch, width))
    pointers = pointers.write(0, stay)

    def body(t, values, pointers):
        scores = values[:, :, None] + transitions
        new = tf.reduce_max(scores, axis=1) + each.read(t)
        came = tf.argmax(scores, axis=1, output_type=tf.int32)
        if lengths is not None:
            real = (t < lengths)[:, None]
            new, came = tf.where(real, new, values), tf.where(real, came, stay)
        return t + 1, new, pointers.write(t, came)

    _, values, pointers = tf.while_loop(
        lambda t, *_: t < steps, body, (1, emissions[:, 0], pointers), maximum_iterations=steps
    )
    came = tf.TensorArray(tf.int32, steps).unstack(pointers.stack())
    tags = tf.TensorArray(tf.int32, steps, element_shape=(batch,))
    tag = tf.argmax(values, axis=1, output_type=tf.int32)

    def back(t, tag, tags):
        return t - 1, tf.gather(came.read(t), tag, batch_dims=1), tags.write(t, tag)

    *_, tags = tf.while_loop(
        lambda t, *_: t >= 0, back, (steps - 1, tag, tags), maximum_iterations=steps
    )
    return tf.transpose(tags.stack())


def sides(shape: tuple[int, int, int], with_lengths: bool) -> dict[str, dict[str, Callable]]:
    """What is compared: by task and side."""
    batch, steps, width = shape
    random = np.random.default_rng(0)
    emissions = tf.constant(random.normal(size=shape), tf.float32)
    transitions = tf.constant(random.normal(size=(width, width)), tf.float32)
    tags = tf.constant(random.integers(width, size=(batch, steps)), tf.int32)
    lengths = mask = None
    if with_lengths:
        lengths = tf.constant(random.integers(1, steps + 1, size=batch), tf.int32)
        mask = tf.sequence_mask(lengths, steps)

    def plain_loss(emissions, transitions):
        score = plain_score(emissions, tags, transitions, lengths)
        return plain_log_partition(emissions, transitions, lengths) - score

    def our_loss(emissions, transitions):
        return -rnnkit.crf_log_likelihood(emissions, tags, transitions, mask=mask)

    def with_gradients(loss):
        def step():
            with tf.GradientTape() as tape:
                tape.watch([emissions, transitions])
                value = tf.reduce_mean(loss(emissions, transitions))
            return value, *tape.gradient(value, [emissions, transitions])

        return step

    return {
        "loss and gradient": {
            "plain": with_gradients(plain_loss),
            "ours": with_gradients(our_loss),
        },
        "Viterbi": {
            "plain": lambda: plain_viterbi(emissions, transitions, lengths),
            "ours": lambda: rnnkit.crf_decode(emissions, transitions, mask=mask)[0],
        },
    }


def measure(
    runs: dict[str, Run], seconds: float, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Times of each run, the runs in turns."""
    for run in runs.values():
        for _ in range(3):
            run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    start = time.perf_counter()
    while time.perf_counter() - start < seconds or min(map(len, times.values())) < 10:
        for name, run in runs.items():
            before = clock()
            tf.nest.map_structure(lambda x: tf.convert_to_tensor(x).numpy(), run())
            times[name].append(clock() - before)
    return times


def ratio(slow: list[float], fast: list[float]) -> float:
    """How many times faster, by the median over neighbouring runs."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default="32,100,50", help="batch, time, tags")
    parser.add_argument("--lengths", action="store_true", help="rows of 1 to T steps, not all of T")
    parser.add_argument("--cpu-time", action="store_true", help="time of the process, not the wall")
    parser.add_argument("--seconds", type=float, default=10.0, help="a row (default 10)")
    options = parser.parse_args()
    shape = tuple(map(int, options.shape.split(",")))
    clock = time.process_time if options.cpu_time else time.perf_counter
    print(
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
        f"{', ' + str(len(tf.config.list_physical_devices('GPU'))) + ' GPU'}; "
        f"batch, time, tags: {options.shape}{', rows of 1 to T steps' if options.lengths else ''}; "
        f"{'processor' if options.cpu_time else 'wall'} time in ms.\n"
    )
    print("| | plain graph | ours graph | times faster | plain XLA | ours XLA | times faster |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for task, both in sides(shape, options.lengths).items():
        runs = {
            f"{side} {form}": tf.function(step, autograph=False, jit_compile=form == "XLA")
            for form in ("graph", "XLA")
            for side, step in both.items()
        }
        for a, b in zip(
            tf.nest.flatten(runs["plain graph"]()),
            tf.nest.flatten(runs["ours graph"]()),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
        found = measure(runs, options.seconds, clock)
        cells = [task]
        for form in ("graph", "XLA"):
            plain, ours = found[f"plain {form}"], found[f"ours {form}"]
            cells += [f"{1e3 * statistics.median(times):.1f}" for times in (plain, ours)]
            cells.append(f"{ratio(plain, ours):.2f}")
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
