"""The engine eagerly, in graphs and under XLA, in half precision, and with cells that draw."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnkit
from tests.rnnkit.by_autodiff import (
    BATCH,
    INPUTS,
    MASK,
    Unusual,
    assert_same,
    layer_of,
    sample,
    unrolled,
    with_gradients,
)

pytestmark = pytest.mark.usefixtures("float64")


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


def test_a_backend_without_an_engine_runs_the_plain_loop_and_says_so(monkeypatch):
    cell = rnnkit.GRUCell(4)
    x, _ = sample(cell)
    layer = layer_of(cell)
    expected = layer(x)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.warns(UserWarning, match="no engine for the torch backend"):
        found = layer(x)
    assert_same(tf.nest.flatten(found), tf.nest.flatten(expected))
