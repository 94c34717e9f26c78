"""Cells around cells: their noise, their gradients, and what they hold."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnkit
from rnnkit.reference import REFERENCE
from rnnkit.testing import sample, step_by_step, weights_of
from tests import zoo

NOISY = ["ZoneoutCell", "RecurrentDropoutCell"]


def same(found, expected, **tolerance):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, **{"rtol": 1e-9, "atol": 1e-11, **tolerance})


def with_gradients(run, *sources):
    """Results of `run`, and the gradients of a loss of them."""
    with tf.GradientTape() as tape:
        tape.watch(sources)
        results = run()
        loss = sum(tf.reduce_sum(tf.sin(3 * result)) for result in results)
    return [*results, *tape.gradient(loss, sources)]


# --- zoneout --------------------------------------------------------------------------------------


def test_zoneout_mixes_by_the_rates_without_training():
    cell, xs, states = sample(rnnkit.ZoneoutCell(rnnkit.LSTMCell(4), hidden_rate=0.1))
    forward, _ = REFERENCE["lstm"]
    expected, (h, c) = [], states
    for t in range(xs.shape[1]):
        _, (new_h, new_c), _ = forward(xs[:, t], [h, c], weights_of(cell))
        h, c = 0.1 * h + 0.9 * new_h, 0.5 * c + 0.5 * new_c
        expected.append(h)
    ys, last = step_by_step(cell, xs, states)
    same([ys, *last], [np.stack(expected, axis=1), h, c])


def test_zoneout_keeps_some_units_as_they_were():
    """In training each unit is the old one or the new one, at its own rate."""
    cell = rnnkit.ZoneoutCell(rnnkit.LSTMCell(50), hidden_rate=0.2, memory_rate=0.7, seed=3)
    cell.build((None, 2))
    random = np.random.default_rng(0)
    x, *old = (ops.convert_to_tensor(random.normal(size=(80, n)), "float32") for n in (2, 50, 50))
    y, zoned = cell(x, old, training=True)
    _, new = cell.cell(x, old)
    assert y is zoned[0]
    for state, before, after, rate in zip(zoned, old, new, (0.2, 0.7), strict=True):
        kept = np.isclose(state, before, atol=1e-6)
        differ = ~np.isclose(before, after, atol=1e-4)  # some are alike by chance
        np.testing.assert_array_equal(kept[differ], ~np.isclose(state, after, atol=1e-6)[differ])
        assert abs(kept.mean() - rate) < 0.03
        assert len(np.unique(kept, axis=0)) == 80, "a draw a row"


@pytest.mark.parametrize("rate", [0, 1])
def test_zoneout_at_its_limits(rate):
    """Rate 0 is the cell itself, rate 1 stands still."""
    cell = rnnkit.ZoneoutCell(
        rnnkit.GRUCell(4, dtype="float64"), hidden_rate=rate, memory_rate=rate
    )
    layer = rnnkit.RNN(cell, return_sequences=True)
    inner, xs, (h,) = sample(rnnkit.GRUCell(4))
    xs, h = ops.convert_to_tensor(xs), ops.convert_to_tensor(h)
    layer.build(xs.shape)
    for weight, value in zip(cell.trainable_weights, inner.get_weights(), strict=True):
        weight.assign(value)
    ys = layer(xs, initial_state=[h], training=True)
    expected = ops.repeat(h[:, None], 5, axis=1) if rate else step_by_step(inner, xs, [h])[0]
    same([ys], [expected])


def test_the_gradient_of_zoneout_meets_the_noise_of_its_own_forward_pass():
    """The backward loop computes each step again: with new noise its gradients would be wrong."""
    cell, xs, states = sample(rnnkit.ZoneoutCell(rnnkit.LSTMCell(4), seed=7))
    xs, states = ops.convert_to_tensor(xs), [ops.convert_to_tensor(s) for s in states]
    layer = rnnkit.RNN(cell, return_sequences=True, return_state=True)
    weights = [weight.value for weight in cell.trainable_weights]
    seed = cell.seed_generator.state.numpy()

    def loop():
        cell.seed_generator.state.assign(seed)
        flat = ops.reshape(ops.swapaxes(xs, 0, 1), (-1, 2))
        projected = ops.reshape(cell.project(flat, training=True), (5, 3, -1))
        ys, now = [], states
        for t in range(5):
            y, now = cell.step(projected[t], now, training=True)
            ys.append(y)
        return [ops.stack(ys, axis=1), *now]

    def engine():
        cell.seed_generator.state.assign(seed)
        return layer(xs, initial_state=states, training=True)

    same(with_gradients(engine, xs, *states, *weights), with_gradients(loop, xs, *states, *weights))


# --- recurrent dropout ----------------------------------------------------------------------------


def test_one_mask_for_the_whole_sequence():
    """h is thinned before each product, by the same mask; c and the output never."""
    cell, xs, _ = sample(rnnkit.RecurrentDropoutCell(rnnkit.LSTMCell(4), 0.5, seed=2))
    *states, gone = cell.get_initial_state(3)
    mask = 1 - np.asarray(gone)
    assert set(np.unique(mask)) == {0, 2}
    forward, _ = REFERENCE["lstm"]
    expected, (h, c) = [], states
    for t in range(xs.shape[1]):
        _, (h, c), _ = forward(xs[:, t], [h * mask, c], weights_of(cell))
        expected.append(h)
    layer = rnnkit.RNN(cell, return_sequences=True, return_state=True)
    ys, *last = layer(ops.convert_to_tensor(xs), initial_state=[*states, gone], training=True)
    same([ys, *last], [np.stack(expected, axis=1), h, c, gone])


def test_what_a_gru_remembers_stays_whole():
    """A closed gate keeps h for ever, whatever the mask: dropout of h itself would wipe it out."""
    cell = rnnkit.RecurrentDropoutCell(rnnkit.GRUCell(6), 0.5)
    cell.build((None, 2))
    inner = cell.cell
    inner.bias.assign(np.repeat([-50.0, 0, 0], 6))
    inner.kernel.assign(np.zeros(inner.kernel.shape))
    inner.recurrent_kernel.assign(np.zeros(inner.recurrent_kernel.shape))
    h = ops.ones((3, 6))
    gone = cell.get_initial_state(3)[-1]
    y = rnnkit.RNN(cell)(np.ones((3, 9, 2)), initial_state=[h, gone], training=True)
    same([y], [h], rtol=1e-6)


def test_both_products_of_a_gru_see_the_thinned_state():
    """Its gates and its candidate: a unit that falls away for one alone still tells the net."""
    cell, xs, (h, _) = sample(rnnkit.RecurrentDropoutCell(rnnkit.GRUCell(4), 0.5, seed=2))
    gone = cell.get_initial_state(3)[-1]
    mask, x, weights = 1 - np.asarray(gone), xs[:, 0], weights_of(cell)
    x_z, x_r, x_g = np.split(x @ weights["kernel"] + weights["bias"], 3, axis=1)
    h_z, h_r = np.split((mask * h) @ weights["recurrent_kernel"], 2, axis=1)
    z, r = (1 / (1 + np.exp(-a)) for a in (x_z + h_z, x_r + h_r))
    g = np.tanh(x_g + (mask * r * h) @ weights["candidate_kernel"])
    y, _ = cell(x, [ops.convert_to_tensor(h), gone], training=True)
    same([y], [(1 - z) * h + z * g])


def test_without_training_nothing_is_dropped():
    """A prediction is the cell's own, whatever mask the states carry."""
    cell, xs, states = sample(rnnkit.RecurrentDropoutCell(rnnkit.LSTMCell(4), 0.5, seed=2))
    gone = cell.get_initial_state(3)[-1]
    states = [ops.convert_to_tensor(s) for s in states[:-1]]
    y, (h, c, _) = cell(xs[:, 0], [*states, gone], training=False)
    expected, (expected_h, expected_c) = cell.cell(xs[:, 0], states)
    same([y, h, c], [expected, expected_h, expected_c])


def test_the_gradient_of_recurrent_dropout():
    cell, xs, states = sample(rnnkit.RecurrentDropoutCell(rnnkit.GRUCell(4), 0.5))
    xs, states = ops.convert_to_tensor(xs), [ops.convert_to_tensor(s) for s in states[:1]]
    states.append(cell.get_initial_state(3)[-1])
    layers = [
        kind(cell, return_sequences=True, return_state=True, dtype="float64")
        for kind in (rnnkit.RNN, keras.layers.RNN)
    ]
    weights = [weight.value for weight in cell.trainable_weights]
    ours, loop = (
        with_gradients(
            lambda layer=layer: layer(xs, initial_state=states, training=True),
            xs,
            states[0],
            *weights,
        )
        for layer in layers
    )
    same(ours, loop)


def test_every_row_and_every_batch_has_its_own_mask():
    cell = rnnkit.RecurrentDropoutCell(rnnkit.GRUCell(40), 0.3, seed=1)
    first, second = (np.asarray(cell.get_initial_state(50)[-1]) for _ in range(2))
    assert not np.array_equal(first, second)
    assert len(np.unique(first, axis=0)) == 50
    assert abs((first == 1).mean() - 0.3) < 0.04
    np.testing.assert_allclose((1 - first).mean(), 1, atol=0.05)


# --- all of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [rnnkit.RNN, keras.layers.RNN])
@pytest.mark.parametrize("name", NOISY)
def test_noise_only_in_training(name, layer):
    """In our loop and in Keras's: a prediction is the same each time, a training step is not."""
    inputs = keras.Input((None, 2))
    model = keras.Model(inputs, layer(zoo.WRAPPERS[name]())(inputs))
    x = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")
    same([model(x), model.predict(x, verbose=0)], [model(x, training=False)] * 2, rtol=1e-5)
    assert not np.allclose(model(x, training=True), model(x, training=True))
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((3, 4)), verbose=0)


@pytest.mark.parametrize("name", NOISY)
def test_a_seed_fixes_the_noise(name):
    x = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(4)
        layer = rnnkit.RNN(zoo.WRAPPERS[name]())
        runs.append([layer(x, training=True), layer(x, training=True)])
    same(runs[0], runs[1], rtol=1e-6)
    assert not np.allclose(runs[0][0], runs[0][1])


def test_wrappers_around_wrappers_in_a_stack():
    """Masks, states and training find their way through every layer of them."""
    deep = rnnkit.ZoneoutCell(rnnkit.RecurrentDropoutCell(rnnkit.LSTMCell(4), 0.5))
    assert deep.state_size == [4, 4, 4]
    layer = rnnkit.RNN([deep, rnnkit.ResidualCell(rnnkit.GRUCell(4))], return_sequences=True)
    x = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")
    mask = ops.convert_to_tensor([[True] * 5, [True] * 3 + [False] * 2, [True] * 5])
    long = layer(x, mask=mask)
    short = layer(x[:, :3])
    same([long[1, 2], long[1, 4]], [short[1, 2]] * 2, rtol=1e-5, atol=1e-6)
    assert layer(x, mask=mask, training=True).shape == (3, 5, 4)


@pytest.mark.parametrize("wrap", [rnnkit.ZoneoutCell, rnnkit.ResidualCell])
def test_somebody_elses_cell_inside(wrap):
    """Keras's cells have no projection: they see x itself, in our loop, with its gradients."""
    rnnkit.testing.check_cell(wrap(keras.layers.GRUCell(2)))


def test_residual_adds_the_input():
    cell, xs, states = sample(rnnkit.ResidualCell(rnnkit.GRUCell(2)))
    ys, _ = step_by_step(cell, xs, states)
    inner, _ = step_by_step(cell.cell, xs, states)
    same([ys], [xs + inner])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rnnkit.ZoneoutCell(rnnkit.LSTMCell(4), hidden_rate=1.5), "hidden_rate=1.5"),
        (lambda: rnnkit.ZoneoutCell(rnnkit.LSTMCell(4), memory_rate=-0.1), "memory_rate=-0.1"),
        (lambda: rnnkit.ZoneoutCell(64), "Received: cell=64"),
        (lambda: rnnkit.RecurrentDropoutCell(rnnkit.LSTMCell(4), 1), "Received: rate=1"),
        (lambda: rnnkit.RecurrentDropoutCell(keras.layers.LSTMCell(4)), "a cell of rnnkit's"),
        (
            lambda: rnnkit.RNN(rnnkit.RecurrentDropoutCell(rnnkit.MinGRUCell(4)))(
                np.zeros((1, 2, 3), "float32")
            ),
            "Received: MinGRUCell, which has none",
        ),
        (
            lambda: rnnkit.RNN(rnnkit.ResidualCell(rnnkit.GRUCell(4))).build((None, None, 3)),
            "Received: inputs of width 3",
        ),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
