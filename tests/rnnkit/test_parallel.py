"""Linear cells over all steps at once: what the loop gives, for any length, at a cost like T."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnkit
from rnnkit.cells import scan
from rnnkit.cells.scan import CHUNK, linear_scan
from rnnkit.testing import sample, step_by_step

LINEAR = {"min_gru": rnnkit.MinGRUCell, "min_lstm": rnnkit.MinLSTMCell}


def problem(steps, dtype="float64"):
    random = np.random.default_rng(steps)
    shapes = (steps, 2, 3), (steps, 2, 3), (2, 3)
    return [tf.constant(random.uniform(-1, 1, shape), dtype) for shape in shapes]


def loop(a, b, h):
    hs = []
    for t in range(a.shape[0]):
        h = a[t] * h + b[t]
        hs.append(h)
    return tf.stack(hs)


UNKNOWN = [tf.TensorSpec((None, None, 3), "float64")] * 2 + [tf.TensorSpec((None, 3), "float64")]


def with_gradients(run, tensors):
    """h, dL/da, dL/db, dL/dh_0."""
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        hs = run(*tensors)
        loss = tf.reduce_sum(tf.sin(3 * hs))
    return [hs, *tape.gradient(loss, tensors)]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-11)


LENGTHS = [1, CHUNK, CHUNK + 1, CHUNK**2 + 3]


@pytest.mark.parametrize("steps", LENGTHS)
def test_the_scan_is_the_loop(steps):
    """Values, gradients and second derivatives, at lengths that fill their chunks and do not."""
    tensors = problem(steps)
    found = []
    for run in (linear_scan, loop):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            first = with_gradients(run, tensors)
            total = sum(tf.reduce_sum(tf.cos(2 * d)) for d in first[1:])
        found.append([*first, *tape.gradient(total, tensors)])
    assert_same(*found)


def test_one_graph_for_every_length():
    """A model built for sequences of any length."""
    run = tf.function(lambda *tensors: with_gradients(linear_scan, tensors), UNKNOWN)
    for steps in LENGTHS:
        tensors = problem(steps)
        assert_same(run(*tensors), with_gradients(loop, tensors))


def test_the_scan_under_xla():
    run = tf.function(lambda *tensors: with_gradients(linear_scan, tensors), jit_compile=True)
    tensors = problem(CHUNK + 1)
    assert_same(run(*tensors), with_gradients(loop, tensors))


def test_no_length_is_too_long_for_an_unknown_time(monkeypatch):
    """Beyond the levels of chunks that a graph has, the rest is a loop."""
    monkeypatch.setattr(scan._solve, "__defaults__", (1,))
    tensors = problem(CHUNK**2 * 2 + 3)
    run = tf.function(lambda *tensors: linear_scan(*tensors), input_signature=UNKNOWN)
    np.testing.assert_allclose(run(*tensors), loop(*tensors), rtol=1e-10, atol=1e-12)


def test_faded_memory_is_no_accident():
    """Over 20,000 steps the products underflow: h is right, and nothing is infinite or NaN.

    In log space, or by dividing cumulative products, this is where care is needed.
    """
    a, b, h = problem(20_000, "float32")
    a = tf.abs(a) * 0.5
    hs = linear_scan(a, b, h)
    np.testing.assert_allclose(hs[-9:], loop(a[-200:], b[-200:], hs[-201])[-9:], rtol=1e-5)
    assert np.all(np.isfinite(hs))


@pytest.mark.parametrize(
    "pattern", [None, "1" * 21, "1" * 15 + "0" * 6, "0" * 4 + "1" * 17, "011" * 7]
)
@pytest.mark.parametrize("name", LINEAR)
def test_parallel_is_sequential(name, pattern):
    """`RNN` equals Keras's loop over the same cell: values and gradients, from a carried state,
    with masks anywhere."""
    cell, _, (h,) = sample(LINEAR[name](4))
    xs = ops.convert_to_tensor(np.random.default_rng(0).normal(size=(3, 21, 2)))
    h = ops.convert_to_tensor(h)
    mask = None if pattern is None else ops.convert_to_tensor([[c == "1" for c in pattern]] * 3)
    weights = [weight.value for weight in cell.trainable_weights]
    found = []
    for kind in (rnnkit.RNN, keras.layers.RNN):
        layer = kind(cell, return_sequences=True, return_state=True, dtype="float64")
        with tf.GradientTape() as tape:
            tape.watch([xs, h])
            ys, last = layer(xs, initial_state=[h], mask=mask)
            loss = tf.reduce_sum(tf.sin(3 * ys)) + tf.reduce_sum(last**2)
        found.append([ys, last, *tape.gradient(loss, [xs, h, *weights])])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", LINEAR)
def test_truncation_cuts_the_parallel_form_too(name):
    """Whoever asks for it gets the loop, whose gradient can be cut."""
    cell, xs, _ = sample(LINEAR[name](4))
    xs = ops.convert_to_tensor(xs)
    reaches = []
    for truncate in (None, 5, 2):
        layer = rnnkit.RNN(cell, truncate_gradient=truncate, dtype="float64")
        with tf.GradientTape() as tape:
            tape.watch(xs)
            loss = tf.reduce_sum(layer(xs))
        d = tape.gradient(loss, xs)
        reaches.append(np.any(d, axis=(0, 2)).tolist())
    assert reaches == [[True] * 5, [True] * 5, [False] * 3 + [True] * 2]


@pytest.mark.parametrize("name", LINEAR)
def test_no_step_waits_for_the_one_before(name):
    """The graph of a long sequence has no loop, log T operations, and work that grows like T."""
    layer = rnnkit.RNN(LINEAR[name](4), return_sequences=True)
    layer.build((None, None, 2))

    def graph(steps):
        spec = tf.TensorSpec((3, steps, 2))
        return tf.function(lambda x: layer(x)).get_concrete_function(spec).graph

    def operations(graph):
        every = [*graph.get_operations()]
        for function in graph._functions.values():
            every += getattr(function, "graph", graph).get_operations()
        return every

    def work(graph):
        """Elements written by the arithmetic of the scan."""
        kinds = "Mul", "AddV2"
        counts = [op.outputs[0].shape for op in operations(graph) if op.type in kinds]
        return sum(int(np.prod(shape)) for shape in counts if shape.is_fully_defined())

    short, long = graph(CHUNK**2), graph(CHUNK**4)
    assert not [op for op in operations(long) if "While" in op.type]
    assert len(operations(long)) < 3 * len(operations(short))
    assert work(long) < 1.1 * CHUNK**2 * work(short)


def test_half_precision_sums_in_float32():
    """A mean over thousands of steps, in a type with three digits."""
    cell = rnnkit.MinGRUCell(8, dtype="mixed_bfloat16")
    exact = rnnkit.MinGRUCell(8)
    x = np.random.default_rng(0).normal(size=(2, 3000, 2)).astype("float32")
    layers = [rnnkit.RNN(c) for c in (cell, exact)]
    for layer in layers:
        layer.build(x.shape)
    bias = np.repeat([-6.0, 1.0], 8)  # renews a 400th of the state a step
    for c in (cell, exact):
        c.kernel.assign(exact.kernel)
        c.bias.assign(bias)
    coarse, fine = (np.asarray(ops.cast(layer(x), "float32")) for layer in layers)
    np.testing.assert_allclose(coarse, fine, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("name", ["min_gru", "min_lstm"])
def test_half_precision_in_parallel_is_no_worse_than_step_by_step(name):
    """Trained in parallel, served step by step: in float16 the two are one net, to its digits."""
    kind = rnnkit.CELLS[name]
    cell, exact = kind(8, dtype="float16"), kind(8, dtype="float64")
    x = np.random.default_rng(0).normal(size=(3, 100, 5)).astype("float16")
    expected, steps, states = [], [], [[np.zeros((3, 8))] for _ in range(2)]
    for t in range(100):
        y, states[0] = cell(x[:, t], [ops.cast(states[0][0], "float16")])
        if t == 0:  # both are built by their first step
            exact.build((None, 5))
            exact.set_weights([np.asarray(weight, "float64") for weight in cell.get_weights()])
        right, states[1] = exact(x[:, t].astype("float64"), states[1])
        steps.append(y)
        expected.append(right)
    expected = np.stack(expected, axis=1)
    parallel = rnnkit.RNN(cell, return_sequences=True)(x)
    off = [
        np.abs(np.asarray(found, "float64") - expected).max()
        for found in (parallel, ops.stack(steps, 1))
    ]
    assert off[0] < min(0.002, off[1] + 1e-4)
    assert off[1] < 0.02


def test_the_gates_of_min_lstm_may_underflow():
    """f / (f + i) of two gates that are both 0 in float16 is a half, not NaN."""
    cell = rnnkit.MinLSTMCell(1, dtype="float16")
    cell.build((None, 1))
    cell.bias.assign([-40.0, -40.0, 1.0])
    y, _ = cell(np.zeros((1, 1)), [ops.zeros((1, 1), dtype="float16")])
    np.testing.assert_allclose(y, 0.5, rtol=1e-3)


def test_a_new_linear_cell_writes_its_coefficients_only():
    """Users' cells run in parallel as ours do."""

    class Decay(rnnkit.LinearCell):
        gates = ("b",)

        def coefficients(self, projected):
            return ops.full_like(projected, 0.5), projected

    cell, xs, states = sample(Decay(4))
    layer = rnnkit.RNN(cell, return_sequences=True, dtype="float64")
    ys = layer(ops.convert_to_tensor(xs), initial_state=[ops.convert_to_tensor(s) for s in states])
    np.testing.assert_allclose(ys, step_by_step(cell, xs, states)[0], rtol=1e-10)
