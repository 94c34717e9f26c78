"""The layer against autodiff of the plain loop, for the tests of the engine."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import rnnkit

BATCH, STEPS, INPUTS = 3, 7, 5
MASK = np.array([[1, 0, 1, 1, 0, 1, 0], [0, 0, 1, 1, 1, 1, 1], [0] * 7], "bool")


def unrolled(cell, x, states, mask=None, truncate=None, training=None):
    """The plain loop, written out: `(outputs, states)`."""
    steps, ys, y = x.shape[1], [], 0.0
    for t in range(steps):
        if truncate and t and (steps - t) % truncate == 0:
            states, y = [ops.stop_gradient(s) for s in states], ops.stop_gradient(y)
        new_y, new = cell(x[:, t], states, training=training)
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


def compare(cell, mask=None, mode="graph", trainings=(None,), **options):
    """The layer, for each value of `training`, against autodiff of the plain loop."""
    x, states = sample(cell)
    layer = layer_of(cell, **options)
    truncate = options.get("truncate_gradient")
    mask = None if mask is None else tf.constant(mask)

    def plain(x, states):
        ys, last = unrolled(cell, x, states, mask, truncate, trainings[0])
        return [ys if layer.return_sequences else ys[:, -1], *last]

    expected = with_gradients(plain, cell, x, states)
    for training in trainings:
        ours = lambda x, s, on=training: layer(x, initial_state=s, mask=mask, training=on)
        assert_same(with_gradients(ours, cell, x, states, mode), expected)


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
