"""Backpropagation through time by hand: the gradients of autodiff, in every mode and on JAX."""

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnkit
from rnnkit import engine, engine_tensorflow
from tests import zoo

BATCH, STEPS, INPUTS = 3, 7, 5
MASK = np.array([[1, 0, 1, 1, 0, 1, 0], [0, 0, 1, 1, 1, 1, 1], [0] * 7], "bool")


def unrolled(cell, x, states, mask=None, truncate=None):
    """The plain loop, written out: `(outputs, states)`."""
    steps, ys, y = x.shape[1], [], 0.0
    for t in range(steps):
        if truncate and t and (steps - t) % truncate == 0:
            states, y = [ops.stop_gradient(s) for s in states], ops.stop_gradient(y)
        new_y, new = cell(x[:, t], states)
        if mask is not None:
            real = mask[:, t, None]
            new_y = ops.where(real, new_y, y)
            new = [ops.where(real, a, b) for a, b in zip(new, states, strict=True)]
        y, states = new_y, list(new)
        ys.append(y)
    return ops.stack(ys, axis=1), states


def sample(cell, dtype="float64"):
    """A built cell with random weights that differ, inputs, and states that are not zero."""
    random = np.random.default_rng(1)
    cell.build((BATCH, INPUTS))
    for variable in cell.trainable_variables:
        variable.assign(random.normal(size=variable.shape) * 0.5)
    x = random.normal(size=(BATCH, STEPS, INPUTS)).astype(dtype)
    states = [random.normal(size=(BATCH, n)).astype(dtype) for n in cell.state_sizes]
    return x, states


def with_gradients(run, cell, x, states, mode="graph"):
    """`run(x, states)`, and gradients of inputs, states and weights of a loss with curvature."""

    def step(x, states):
        with tf.GradientTape() as tape:
            tape.watch([x, states])
            found = tf.nest.flatten(run(x, states))
            loss = sum(tf.reduce_sum(tf.sin((k + 1) * y)) for k, y in enumerate(found))
        sources = [x, *states, *(v.value for v in cell.trainable_variables)]
        return found, tape.gradient(loss, sources, unconnected_gradients="zero")

    if mode != "eager":
        step = tf.function(step, jit_compile=mode == "xla")
    return tf.nest.flatten(step(tf.constant(x), [tf.constant(s) for s in states]))


def assert_same(found, expected, rtol=1e-9, atol=1e-10):
    for received, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(received, wanted, rtol=rtol, atol=atol)


def layer_of(cell, **options):
    return rnnkit.RNN(cell, **{"return_sequences": True, "return_state": True, **options})


@pytest.fixture(autouse=True)
def float64():
    """Everything is compared in double precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(before)


def compare(cell, mask=None, mode="graph", **options):
    """The layer against autodiff of the plain loop."""
    x, states = sample(cell)
    layer = layer_of(cell, **options)
    truncate = options.get("truncate_gradient")
    mask = None if mask is None else tf.constant(mask)
    found = with_gradients(lambda x, s: layer(x, initial_state=s, mask=mask), cell, x, states, mode)

    def plain(x, states):
        ys, last = unrolled(cell, x, states, mask, truncate)
        return [ys if layer.return_sequences else ys[:, -1], *last]

    assert_same(found, with_gradients(plain, cell, x, states))


# --- gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", zoo.CELLS)
def test_the_gradients_are_those_of_autodiff(name):
    """Of every weight, the inputs and the initial states: a wrong one trains a wrong model."""
    compare(zoo.CELLS[name](), MASK)


@pytest.mark.parametrize("name", ["lstm", "gru", "output_recurrent"])
def test_the_gradients_of_the_last_output_alone_are_those_of_autodiff(name):
    compare(zoo.CELLS[name](), return_sequences=False)


@pytest.mark.parametrize("name", zoo.WRAPPERS)
def test_cells_around_cells_have_the_gradients_of_autodiff(name):
    cell = zoo.WRAPPERS[name]()
    compare(ResizedTo(cell) if name == "ResidualCell" else cell, MASK)


class ResizedTo(rnnkit.cells.wrappers.Wrapper):
    """Gives a residual cell inputs as wide as it needs."""

    paper = ""

    def build(self, input_shape):
        self.cell.build((None, self.cell.output_size))

    def project(self, inputs, training=None):
        return super().project(inputs[..., : self.cell.output_size], training)

    def step(self, projected, states, training=None):
        return self.step_within(projected, states, training)


@pytest.mark.parametrize("mode", ["eager", "xla"])
def test_eager_and_xla_equal_the_graph(mode):
    """Someone who debugs eagerly, or compiles with XLA, gets the same training."""
    compare(rnnkit.FullPeepholeLSTMCell(4), MASK, mode)
    compare(rnnkit.GRUCell(4), None, mode)


def test_an_lstm_equals_numpy_and_finite_differences():
    """The engine and its oracle above share the cell; this one shares nothing."""
    cell = rnnkit.PeepholeLSTMCell(4)
    x, states = sample(cell)
    layer = layer_of(cell)
    weights = [v.numpy() for v in cell.trainable_variables]
    sigmoid = lambda z: 1 / (1 + np.exp(-z))

    def loss(arrays):
        x, h, c, W, b, U, p_i, p_f, p_o = arrays
        total, ys = 0.0, []
        for t in range(STEPS):
            i, f, g, o = np.split(x[:, t] @ W + b + h @ U, 4, axis=-1)
            new = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * np.tanh(g)
            real = MASK[:, t, None]
            h = np.where(real, sigmoid(o + p_o * new) * np.tanh(new), h)
            c = np.where(real, new, c)
            ys.append(np.where(MASK[:, : t + 1].any(1, keepdims=True), h, 0))
        for k, y in enumerate([np.stack(ys, 1), h, c]):
            total += np.sum(np.sin((k + 1) * y))
        return total

    run = lambda x, s: layer(x, initial_state=s, mask=tf.constant(MASK))
    gradients = with_gradients(run, cell, x, states)[3:]
    arrays = [x, *states, *weights]
    random = np.random.default_rng(2)
    for place, gradient in enumerate(gradients):
        towards = random.normal(size=arrays[place].shape)
        moved = [
            [a + shift * towards if i == place else a for i, a in enumerate(arrays)]
            for shift in (1e-6, -1e-6)
        ]
        slope = (loss(moved[0]) - loss(moved[1])) / 2e-6
        np.testing.assert_allclose(np.sum(gradient * towards), slope, rtol=1e-6)


@pytest.mark.parametrize("name", zoo.CELLS)
def test_no_cell_adds_up_weight_gradients_in_the_loop(name):
    """A cell that goes around `dot`, `scale` and `shift` is right, and slow for no reason."""
    cell = zoo.CELLS[name]()
    x, states = sample(cell)
    weights = [tf.convert_to_tensor(v.value) for v in cell.variables]
    states = [tf.constant(s) for s in states]
    projected = tf.convert_to_tensor(cell.project(x[:, 0]))
    step = engine.Step(cell, False)
    step.try_out(projected, states, weights)
    if step.output_rides:
        states.append(tf.zeros((BATCH, step.output_size), "float64"))
    plan = engine_tensorflow._plan(step, projected, states, weights)
    assert plan.direct == []


class Unusual(rnnkit.Cell):
    """Uses one weight in pieces, one through a layer, one twice, one both ways; y is no state."""

    gates, paper = ("h",), ""

    @property
    def state_size(self):
        return [self.units, self.units]

    @property
    def output_size(self):
        return self.units + 1

    def build_recurrent(self):
        shape = (self.units, 2 * self.units)
        self.pieces = self.add_weight(name="pieces", shape=shape)
        self.twice = self.add_weight(name="twice", shape=(self.units, self.units))
        self.both = self.add_weight(name="both", shape=(self.units,))
        self.dense = keras.layers.Dense(self.units + 1)
        self.dense.build((None, self.units))

    def step(self, projected, states):
        a, b = states
        n = self.units
        new = ops.tanh(projected + a @ self.pieces[:, :n] + self.dot(b, self.twice))
        b = self.scale(b, self.both) + self.dot(new * b, self.twice) * self.both
        return self.dense(new), [new + a @ self.pieces[:, n:], ops.tanh(b)]


def test_weights_used_in_other_ways_get_their_gradients_too():
    """People's own cells need not know how the engine works."""
    compare(Unusual(4), MASK)


def test_one_tensor_as_two_states_is_two_states():
    """`initial_state=[zeros, zeros]` must not mix up h and c."""
    cell = rnnkit.FullPeepholeLSTMCell(4)
    x, (h, _) = sample(cell)
    layer = layer_of(cell)
    one = with_gradients(lambda x, s: layer(x, initial_state=[s[0], s[0]]), cell, x, [h])
    two = with_gradients(lambda x, s: layer(x, initial_state=[s[0], s[0] + 0]), cell, x, [h])
    assert_same(one, two)


# --- truncation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 3, STEPS - 1, STEPS, STEPS + 5])
def test_truncation_cuts_the_gradient_where_it_says(steps):
    """Against a loop with stop_gradient at the cuts; from T on there is no cut at all."""
    compare(rnnkit.LSTMCell(4), MASK if steps == 3 else None, truncate_gradient=steps)


def test_a_loss_reaches_k_steps_back_and_no_further():
    cell = rnnkit.MinGRUCell(4)
    x, _ = sample(cell)
    layer = rnnkit.RNN(cell, truncate_gradient=3)
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    reached = np.any(tape.gradient(y, x), axis=(0, 2))
    np.testing.assert_array_equal(reached, [False] * (STEPS - 3) + [True] * 3)


# --- modes ----------------------------------------------------------------------------------------


def test_time_and_batch_may_be_unknown():
    """One traced function serves every length, in training too."""
    cell = rnnkit.GRUCell(4)
    x, _ = sample(cell)
    layer = rnnkit.RNN(cell)

    @tf.function(input_signature=[tf.TensorSpec((None, None, INPUTS), "float64")])
    def gradient(x):
        return tf.gradients(layer(x) ** 2, x)[0]

    for part in (x, x[:2, :3], x[:1, :1]):
        with tf.GradientTape() as tape:
            part = tf.constant(part)
            tape.watch(part)
            y = unrolled(cell, part, cell.get_initial_state(part.shape[0]))[0][:, -1] ** 2
        np.testing.assert_allclose(gradient(part), tape.gradient(y, part), rtol=1e-9)


@pytest.mark.parametrize(
    ("policy", "mode", "tolerance"),
    [
        ("mixed_bfloat16", "graph", 0.25),
        ("mixed_bfloat16", "xla", 0.25),
        ("mixed_float16", "graph", 0.05),
    ],
)
def test_mixed_precision_stays_close_to_float64(policy, mode, tolerance):
    """Half the memory, and still the gradient: to the digits that the format has."""
    cell = rnnkit.PeepholeLSTMCell(4)
    x, states = sample(cell)
    layer = layer_of(cell)
    expected = with_gradients(lambda x, s: layer(x, initial_state=s), cell, x, states)
    small = rnnkit.PeepholeLSTMCell(4, dtype=policy)
    small.build((BATCH, INPUTS))
    small.set_weights(cell.get_weights())
    half = layer_of(small)
    x, states = x.astype("float32"), [s.astype("float32") for s in states]
    cast = lambda tensors: [tf.cast(t, "float32") for t in tensors]
    found = with_gradients(lambda x, s: cast(half(x, initial_state=s)), small, x, states, mode)
    assert half(x)[0].dtype == half.compute_dtype != "float32"
    for received, wanted in zip(found, expected, strict=True):
        error = np.abs(np.asarray(received, "float64") - wanted).max() / np.abs(wanted).max()
        assert error < tolerance


@pytest.mark.parametrize(
    ("make", "mode"), [(rnnkit.FullPeepholeLSTMCell, "graph"), (Unusual, "eager")]
)
def test_second_derivatives_are_those_of_autodiff(make, mode):
    """A gradient penalty must not be silently zero, or without the weights' part in it."""
    cell = make(4)
    x, states = sample(cell)
    mask, layer = tf.constant(MASK), layer_of(cell)

    def gradient(run):
        def inner(x, states):
            weights = [v.value for v in cell.trainable_variables]
            with tf.GradientTape() as tape:
                tape.watch([x, states])
                loss = sum(tf.reduce_sum(tf.sin(y)) for y in tf.nest.flatten(run(x, states)))
            return tape.gradient(loss, [x, *states, *weights])

        return with_gradients(inner, cell, x, states, mode)

    found = gradient(lambda x, s: layer(x, initial_state=s, mask=mask))
    assert_same(found, gradient(lambda x, s: unrolled(cell, x, s, mask)))


class Noisy(rnnkit.Cell):
    """Draws new noise at every step."""

    gates, paper = ("h",), ""

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.noise = keras.random.SeedGenerator(1)

    state_size = output_size = property(lambda self: self.units)

    def build_recurrent(self):
        self.kernel_h = self.add_recurrent_kernel("kernel_h", gates=1)

    def step(self, projected, states, training=None):
        h = ops.tanh(projected + self.dot(states[0], self.kernel_h))
        if training:
            h = h + keras.random.normal(ops.shape(h), seed=self.noise, dtype=h.dtype)
        return h, [h]


def test_a_cell_that_draws_at_random_draws_anew_at_every_step():
    """Recomputing such a step would train with other noise than it predicts with."""
    cell = Noisy(4)
    x, _ = sample(cell)
    x = np.zeros_like(x)
    for weight in cell.trainable_variables:
        weight.assign(np.zeros(weight.shape))
    noise = tf.function(layer_of(cell))(x, training=True)[0].numpy()
    assert len(np.unique(noise)) == noise.size
    assert not np.any(layer_of(cell)(x, training=False)[0])
    with pytest.raises(ValueError, match="random draw"):
        layer_of(cell, truncate_gradient=2)(x, training=True)


# --- other backends -------------------------------------------------------------------------------


def test_a_backend_without_an_engine_runs_the_plain_loop_and_says_so(monkeypatch):
    cell = rnnkit.GRUCell(4)
    x, _ = sample(cell)
    layer = layer_of(cell)
    expected = layer(x)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.warns(UserWarning, match="no engine for the torch backend"):
        found = layer(x)
    assert_same(tf.nest.flatten(found), tf.nest.flatten(expected))


JAX = """
import jax, numpy as np, keras, jax.numpy as jnp
from keras import ops
keras.config.set_dtype_policy("float64")
import rnnkit
random = np.random.default_rng(0)
mask = np.array([[1, 0, 1, 1, 0, 1], [0, 0, 1, 1, 1, 1], [0] * 6], "bool")

def plain(cell, x, states, truncate):
    ys, y = [], 0.0
    for t in range(6):
        if truncate and t and (6 - t) % truncate == 0:
            states, y = jax.lax.stop_gradient((states, y))
        new_y, new = cell(x[:, t], states)
        real = mask[:, t, None]
        y = jnp.where(real, new_y, y)
        states = [jnp.where(real, a, b) for a, b in zip(new, states)]
        ys.append(y)
    return [jnp.stack(ys, 1), *states]

cells = [rnnkit.LSTMCell(4), rnnkit.FullPeepholeLSTMCell(4), rnnkit.ResetAfterGRUCell(4),
         rnnkit.GRUCell(4), rnnkit.PeepholeLSTMCell(4), rnnkit.MinGRUCell(4)]
for cell, truncate in [(cell, k) for cell in cells for k in (None, 4)]:
    layer = rnnkit.RNN(cell, return_sequences=True, return_state=True, truncate_gradient=truncate)
    x = random.normal(size=(3, 6, 5))
    layer.build(x.shape)
    weights = [random.normal(size=v.shape) * 0.5 for v in cell.trainable_variables]
    states = [random.normal(size=(3, 4)) for _ in cell.state_sizes]

    def loss(x, states, weights, ours):
        scope = keras.StatelessScope(list(zip(cell.trainable_variables, weights)))
        with scope:
            if ours:
                found = layer(x, initial_state=states, mask=mask)
            else:
                found = plain(cell, x, states, truncate)
        return sum(jnp.sum(jnp.sin((k + 1) * y)) for k, y in enumerate(found))

    run = jax.jit(jax.value_and_grad(loss, (0, 1, 2)), static_argnums=3)
    found, expected = (jax.tree.leaves(run(x, states, weights, ours)) for ours in (True, False))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10, err_msg=cell.name)

keras.config.set_dtype_policy("float32")
model = keras.Sequential([keras.Input((None, 5)), rnnkit.BiRNN(rnnkit.LSTMCell(4))])
model.compile("adam", "mse")
model.fit(random.normal(size=(6, 7, 5)), np.zeros((6, 8)), verbose=0)

def penalty(x, layer):
    return jnp.sum(jax.grad(lambda x: jnp.sum(jnp.sin(layer(x))))(x) ** 2)

layer = model.layers[0].forward_layer
plainly = keras.layers.RNN(layer.cell)
x = jnp.ones((2, 3, 5))
found, expected = (jax.grad(penalty)(x, run) for run in (layer, plainly))
np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
print("all equal")
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
def test_jax_gives_the_same_values_and_gradients():
    """A model moves to another backend, and stays the model it was."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "1"}
    environment["JAX_PLATFORMS"] = "cpu"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(JAX)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.stdout.strip().endswith("all equal"), done.stderr
