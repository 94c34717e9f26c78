"""Truncated backpropagation through time by windows, against the two forms it must agree with and
against gradients of each window computed by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnkit
from rnnkit.windows import WindowedRNN, windows

N, T, M, UNITS = 4, 7, 2, 3
RATE = 0.1
random = np.random.default_rng(5)
X, Y = random.normal(size=(N, T, M)), random.normal(size=(N, T, UNITS))


def cell():
    return rnnkit.LSTMCell(UNITS, dtype="float64")


def start(layer):
    """The same random weights in every model."""
    draw = np.random.default_rng(1)
    layer.cell.set_weights([draw.normal(scale=0.8, size=w.shape) for w in layer.cell.get_weights()])


def compiled(model):
    loss = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight", dtype="float64")
    model.compile(keras.optimizers.SGD(RATE), loss)
    return model


def trained_by_windows(every, steps, batch_size=N):
    sequences = keras.Input(batch_shape=(batch_size, steps, M), dtype="float64")
    first = keras.Input(batch_shape=(batch_size,), dtype="bool")
    layer = WindowedRNN(cell(), every, dtype="float64")
    model = compiled(keras.Model([sequences, first], layer(sequences, first)))
    start(layer.rnn)
    cut = windows(X, Y, every=every, steps=steps, batch_size=batch_size)
    model.fit(
        [cut.x, cut.first],
        cut.y,
        sample_weight=cut.weight,
        batch_size=batch_size,
        shuffle=False,
        verbose=0,
    )
    return layer.rnn.cell.get_weights()


def trained_by_hand(every, steps, batch_size=N):
    """One gradient a window by autodiff of the plain loop, states handed on as numbers."""
    layer = keras.layers.RNN(cell(), return_sequences=True, return_state=True, dtype="float64")
    layer.build((None, None, M))
    start(layer)
    for group in range(0, N, batch_size):
        rows = slice(group, group + batch_size)
        states = [np.zeros((batch_size, UNITS))] * 2
        counted = 0
        begin = 0
        while counted < T:
            end = min(begin + steps, T)
            with tf.GradientTape() as tape:
                ys, *_ = layer(X[rows, begin:end], initial_state=list(states))
                wanted = Y[rows, counted:end]
                loss = tf.reduce_mean((ys[:, counted - begin :] - wanted) ** 2)
            _, *states = layer(X[rows, begin : begin + every], initial_state=list(states))
            states = [state.numpy() for state in states]
            gradients = tape.gradient(loss, layer.trainable_variables)
            for weight, gradient in zip(layer.trainable_variables, gradients, strict=True):
                weight.assign_sub(RATE * gradient)
            counted, begin = end, begin + every
    return layer.cell.get_weights()


def assert_equal(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


def test_a_window_of_the_whole_sequence_is_backpropagation_in_full():
    sequences = keras.Input((T, M), dtype="float64")
    layer = rnnkit.RNN(cell(), return_sequences=True)
    model = compiled(keras.Model(sequences, layer(sequences)))
    start(layer)
    model.fit(X, Y, batch_size=N, shuffle=False, verbose=0)
    assert_equal(trained_by_windows(every=T, steps=T), layer.cell.get_weights())


def test_windows_side_by_side_are_stateful_training():
    """k1 = k2 is what Keras users know as stateful=True with the sequence cut by hand."""
    size = 3
    sequences = keras.Input(batch_shape=(N, size, M), dtype="float64")
    layer = keras.layers.RNN(cell(), return_sequences=True, stateful=True, dtype="float64")
    model = compiled(keras.Model(sequences, layer(sequences)))
    start(layer)
    beyond = ((0, 0), (0, 2), (0, 0))
    x, y = np.pad(X, beyond), np.pad(Y, beyond)
    for k in range(3):
        part = slice(size * k, size * (k + 1))
        weight = np.tile(np.arange(size * k, size * (k + 1)) < T, (N, 1)).astype("float64")
        model.train_on_batch(x[:, part], y[:, part], sample_weight=weight)
    assert_equal(trained_by_windows(every=size, steps=size), layer.cell.get_weights())


@pytest.mark.parametrize(("every", "steps", "batch_size"), [(1, 3, N), (2, 4, 2), (3, 5, N)])
def test_the_updates_are_those_of_each_window_by_itself(every, steps, batch_size):
    """The state after k1 steps begins the next window, and each step's loss counts once."""
    assert_equal(
        trained_by_windows(every, steps, batch_size), trained_by_hand(every, steps, batch_size)
    )


@pytest.mark.parametrize(("every", "steps"), [(1, 1), (1, 4), (2, 3), (3, 3), (2, 6), (7, 7)])
def test_every_step_counts_once(every, steps):
    numbers = np.tile(np.arange(1, T + 1), (N, 1))
    cut = windows(numbers, numbers, every=every, steps=steps, batch_size=2)
    counted = np.bincount(cut.y.astype(int)[cut.weight > 0], minlength=T + 1)
    assert counted.tolist() == [0, *[N] * T]
    np.testing.assert_array_equal(cut.x, cut.y)


def test_batches_hold_one_window_of_the_same_sequences():
    names = np.repeat(np.arange(N)[:, None], T, axis=1)
    cut = windows(names, names, every=3, steps=4, batch_size=2)
    assert cut.x[:, 0].tolist() == [0, 1, 0, 1, 2, 3, 2, 3]
    assert cut.first.tolist() == [True, True, False, False] * 2


def test_stacked_cells_carry_all_their_states_and_a_file_keeps_them(tmp_path):
    layer = WindowedRNN([rnnkit.GRUCell(3), rnnkit.LSTMCell(2)], every=2)
    sequences, first = (
        keras.Input(batch_shape=(2, 4, M)),
        keras.Input(batch_shape=(2,), dtype="bool"),
    )
    model = keras.Model([sequences, first], layer(sequences, first))
    x = random.normal(size=(2, 8, M)).astype("float32")
    whole, *_ = layer.rnn(x)
    new, on = np.array([True, True]), np.array([False, False])
    model([x[:, :4], new])
    np.testing.assert_allclose(model([x[:, 2:6], on]), whole[:, 2:6], rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again([x[:, 4:], on]), whole[:, 4:], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "sizes",
    [
        {"every": 0, "steps": 3},
        {"every": 4, "steps": 3},
        {"every": 1, "steps": T + 1},
        {"every": 1, "steps": 3, "batch_size": 3},
        {"every": 1, "steps": 3, "batch_size": 1.0},
        {"every": 2.5, "steps": 4},
    ],
)
def test_sizes_that_do_not_fit_are_told(sizes):
    with pytest.raises(ValueError, match="Received: "):
        windows(X, Y, **sizes)


def test_another_batch_size_is_told():
    """`fit` without batch_size= cuts other batches than `windows` did."""
    layer = WindowedRNN(cell(), every=2)
    layer(np.zeros((3, 4, M), "float32"), np.ones(3, "bool"))
    with pytest.raises(ValueError, match=r"3 rows. Received: .*\(2, 4, .*Example: .*batch_size=3"):
        layer(np.zeros((2, 4, M), "float32"), np.ones(2, "bool"))


def test_an_unknown_batch_size_is_told():
    with pytest.raises(ValueError, match="fixed batch size"):
        WindowedRNN(cell(), every=2)(keras.Input((4, M)), keras.Input((), dtype="bool"))
    with pytest.raises(ValueError, match="every must be"):
        WindowedRNN(cell(), every=0)
