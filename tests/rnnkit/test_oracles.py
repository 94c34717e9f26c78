"""Our cells against implementations that share no line with them: TensorFlow's own kernels.

Keras's layers and PyTorch's modules are in `test_convert.py`. These kernels know float32 only.
"""

import numpy as np
import pytest
import tensorflow as tf

import rnnkit
from rnnkit.testing import sample, step_by_step, weights_of

TIGHT = {"rtol": 1e-5, "atol": 2e-6}


def float32(*arrays):
    return [tf.constant(array, tf.float32) for array in arrays]


def block_lstm(xs, states, weights, peepholes):
    """BlockLSTM V1 over time: its gates stand in the order i, c, f, o, x and h in one kernel."""

    def reordered(array):
        i, f, g, o = tf.split(array, 4, axis=-1)
        return tf.concat([i, g, f, o], axis=-1)

    h, c = states
    gates = tf.concat([weights["kernel"], weights["recurrent_kernel"]], axis=0)
    *_, ys_c, _, ys = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.constant(xs.shape[1], tf.int64),
        x=tf.transpose(xs, [1, 0, 2]),
        cs_prev=c,
        h_prev=h,
        w=reordered(gates),
        wci=peepholes[0],
        wcf=peepholes[1],
        wco=peepholes[2],
        b=reordered(weights["bias"]),
        forget_bias=0.0,
        cell_clip=0.0,
        use_peephole=True,
    )[1:]
    return tf.transpose(ys, [1, 0, 2]), ys_c


@pytest.mark.parametrize("make", [rnnkit.LSTMCell, rnnkit.PeepholeLSTMCell])
def test_lstm_and_peepholes_equal_block_lstm(make):
    """Values, and gradients for every weight, input and initial state."""
    cell, xs, states = sample(make(4))
    weights = {name: float32(weight)[0] for name, weight in weights_of(cell).items()}
    vectors = [weights.get(f"peephole_{gate}", tf.zeros(4)) for gate in "ifo"]
    x32, *states32 = float32(xs, *states)
    sources = [x32, *states32, *weights.values()]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        ys, _ = block_lstm(x32, states32, weights, vectors)
        loss = tf.reduce_sum(tf.sin(3 * ys))
    expected = tape.gradient(loss, sources)

    layer = rnnkit.RNN(cell, return_sequences=True, dtype="float64")
    inputs = [tf.constant(array) for array in (xs, *states)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        ours = layer(inputs[0], initial_state=inputs[1:])
        loss = tf.reduce_sum(tf.sin(3 * ours))
    found = tape.gradient(loss, [*inputs, *(w.value for w in cell.trainable_weights)])
    np.testing.assert_allclose(ours, ys, **TIGHT)
    for gradient, exact in zip(found, expected, strict=True):
        np.testing.assert_allclose(gradient, exact, rtol=1e-4, atol=2e-5)


def test_reset_before_gru_equals_gru_block_cell():
    """Its u keeps the past where our z renews it, so the weights of z are negated."""
    cell, xs, (h,) = sample(rnnkit.GRUCell(4))
    weights = weights_of(cell)
    kernel = np.concatenate([weights["kernel"][:, :8], weights["recurrent_kernel"]], axis=0)
    candidate = np.concatenate([weights["kernel"][:, 8:], weights["candidate_kernel"]], axis=0)
    z, r = np.split(kernel, 2, axis=1)
    b_z, b_r, b_g = np.split(weights["bias"], 3)
    w_ru, w_c, b_ru, b_c = float32(
        np.concatenate([r, -z], axis=1), candidate, np.concatenate([b_r, -b_z]), b_g
    )
    expected = []
    (now,) = float32(h)
    for t in range(xs.shape[1]):
        *_, now = tf.raw_ops.GRUBlockCell(
            x=float32(xs[:, t])[0], h_prev=now, w_ru=w_ru, w_c=w_c, b_ru=b_ru, b_c=b_c
        )
        expected.append(now)
    ys, _ = step_by_step(cell, xs, [h])
    np.testing.assert_allclose(ys, np.stack(expected, axis=1), **TIGHT)


def with_weights_of(cell, other, **more):
    """`other`, built, with the weights of `cell` where the names are the same, and `more`."""
    other.build((None, 2))
    values = {**weights_of(cell), **more}
    for weight in other.weights:
        weight.assign(values[weight.name])
    return other


def assert_same_steps(cell, other, xs, states):
    (ys, last), (expected, expected_last) = (step_by_step(c, xs, states) for c in (cell, other))
    np.testing.assert_allclose(ys, expected, rtol=1e-12)
    for state, expected_state in zip(last, expected_last, strict=True):
        np.testing.assert_allclose(state, expected_state, rtol=1e-12)


def test_closed_peepholes_are_an_lstm():
    lstm, xs, states = sample(rnnkit.LSTMCell(4))
    none = {f"peephole_{gate}": np.zeros(4) for gate in "ifo"}
    cell = with_weights_of(lstm, rnnkit.PeepholeLSTMCell(4, dtype="float64"), **none)
    assert_same_steps(cell, lstm, xs, states)
    none = {"peephole_if": np.zeros((4, 8)), "peephole_o": np.zeros((4, 4))}
    cell = with_weights_of(lstm, rnnkit.FullPeepholeLSTMCell(4, dtype="float64"), **none)
    assert_same_steps(cell, lstm, xs, states)


def test_diagonal_peephole_matrices_are_peephole_vectors():
    vectors, xs, states = sample(rnnkit.PeepholeLSTMCell(4))
    i, f, o = (np.diag(weights_of(vectors)[f"peephole_{gate}"]) for gate in "ifo")
    diagonal = {"peephole_if": np.concatenate([i, f], axis=1), "peephole_o": o}
    cell = with_weights_of(vectors, rnnkit.FullPeepholeLSTMCell(4, dtype="float64"), **diagonal)
    assert_same_steps(cell, vectors, xs, states)


def test_new_peepholes_start_as_an_lstm():
    """As the docstrings promise: the net learns how far to look."""
    for make in (rnnkit.PeepholeLSTMCell, rnnkit.FullPeepholeLSTMCell):
        cell = make(4, dtype="float64")
        cell.build((None, 2))
        lstm = with_weights_of(cell, rnnkit.LSTMCell(4, dtype="float64"))
        _, xs, states = sample(lstm)
        assert_same_steps(cell, lstm, xs, states)
