"""Backpropagation through time by hand: the gradients of autodiff."""

import numpy as np
import pytest
import tensorflow as tf

import rnnkit
from rnnkit import engine, engine_tensorflow_loops
from tests import zoo
from tests.rnnkit.by_autodiff import (
    BATCH,
    MASK,
    STEPS,
    Unusual,
    assert_same,
    compare,
    layer_of,
    sample,
    with_gradients,
)

pytestmark = pytest.mark.usefixtures("float64", "short_chunks")


@pytest.mark.parametrize("name", zoo.CELLS)
def test_the_gradients_are_those_of_autodiff(name):
    """Of every weight, the inputs and the initial states: a wrong one trains a wrong model.

    In training the sequence goes through the loops in chunks, else as a whole.
    """
    compare(zoo.CELLS[name](), MASK, trainings=(None, True))


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


# p_t goes nowhere but into a sum with one product: the two are kept as one tensor.
FOLDED = {
    *("vanilla", "output_recurrent", "lstm", "peephole_lstm", "full_peephole_lstm"),
    *("coupled_lstm", "projected_lstm"),
}


@pytest.mark.parametrize("name", zoo.CELLS)
def test_no_cell_adds_up_weight_gradients_in_the_loop(name):
    """A cell that goes around `dot`, `scale` and `shift` is right, and slow for no reason; so is
    one whose sum p_t + h_{t-1} U the engine no longer recognises and keeps twice."""
    cell = zoo.CELLS[name]()
    x, states = sample(cell)
    weights = [tf.convert_to_tensor(v.value) for v in cell.variables]
    states = [tf.constant(s) for s in states]
    projected = tf.convert_to_tensor(cell.project(x[:, 0]))
    step = engine.Step(cell, False)
    step.try_out(projected, states, weights)
    if step.output_rides:
        states.append(tf.zeros((BATCH, step.output_size), "float64"))
    plan = engine_tensorflow_loops.plan_of(step, projected, states, weights)
    assert plan.direct == []
    assert (plan.folded is not None) == (name in FOLDED)


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
