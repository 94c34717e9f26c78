"""Cells that contain other cells: with the right weights two of them are one."""

import keras
import numpy as np
import pytest

import rnnkit
from rnnkit.testing import sample, step_by_step, weights_of


def with_weights(cell, **weights):
    if not cell.built:
        cell.build((None, 2))
        cell.built = True
    for weight in cell.trainable_weights:
        weight.assign(weights[weight.name])
    return cell


def assert_same_steps(cell, other, xs, states):
    (ys, last), (expected, expected_last) = (step_by_step(c, xs, states) for c in (cell, other))
    np.testing.assert_allclose(ys, expected, rtol=1e-12, atol=1e-14)
    for state, expected_state in zip(last, expected_last, strict=True):
        np.testing.assert_allclose(state, expected_state, rtol=1e-12, atol=1e-14)


def test_coupled_gates_are_an_lstm_whose_i_is_the_negated_f():
    """sigmoid(-a) = 1 - sigmoid(a)."""
    cell, xs, states = sample(rnnkit.CoupledLSTMCell(4))
    i_of_f = {
        name: np.concatenate([-w[..., :4], w], axis=-1) for name, w in weights_of(cell).items()
    }
    assert_same_steps(cell, with_weights(rnnkit.LSTMCell(4, dtype="float64"), **i_of_f), xs, states)


def test_an_identity_for_projection_is_an_lstm():
    lstm, xs, states = sample(rnnkit.LSTMCell(4))
    cell = rnnkit.ProjectedLSTMCell(4, projection=4, dtype="float64")
    cell = with_weights(cell, **weights_of(lstm), projection_kernel=np.eye(4))
    assert_same_steps(cell, lstm, xs, states)


def test_layer_norm_is_that_of_keras():
    """Its three places: x W, h U, and c on the way out; never the c that is stored."""
    cell, xs, (h, c) = sample(rnnkit.LayerNormLSTMCell(4, epsilon=1e-2))
    weights = weights_of(cell)

    def norm(values, gain, shift=None):
        layer = keras.layers.LayerNormalization(epsilon=1e-2, dtype="float64")
        layer.build(values.shape)
        layer.set_weights([gain, np.zeros_like(gain) if shift is None else shift])
        return np.asarray(layer(values))

    sigmoid = lambda a: 1 / (1 + np.exp(-a))
    expected, first = [], [h, c]
    for t in range(xs.shape[1]):
        a = norm(xs[:, t] @ weights["kernel"], weights["input_gain"]) + weights["bias"]
        a = a + norm(h @ weights["recurrent_kernel"], weights["recurrent_gain"])
        i, f, g, o = np.split(a, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(norm(c, weights["memory_gain"], weights["memory_bias"]))
        expected.append(h)
    ys, last = step_by_step(cell, xs, first)
    np.testing.assert_allclose(ys, np.stack(expected, axis=1), rtol=1e-10)
    np.testing.assert_allclose(last[1], c, rtol=1e-10)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_layer_norm_survives_half_precision(dtype):
    """Squares of 300 are beyond float16: a mean of them in half precision would be infinite."""
    cell = rnnkit.LayerNormLSTMCell(8, dtype=dtype)
    cell.build((None, 3))
    y, (_, c) = cell(np.full((2, 3), 4e3), cell.get_initial_state(2))
    assert np.all(np.isfinite(keras.ops.cast(keras.ops.stack([y, c]), "float32")))
    assert float(keras.ops.max(keras.ops.abs(y))) > 0


def test_one_gate_for_both_is_a_gru_with_equal_gates():
    cell, xs, states = sample(rnnkit.MGUCell(4))
    weights = weights_of(cell)
    double = lambda w: np.concatenate([w[..., :4], w], axis=-1)
    gru = with_weights(
        rnnkit.GRUCell(4, dtype="float64"),
        kernel=double(weights["kernel"]),
        bias=double(weights["bias"]),
        recurrent_kernel=double(weights["recurrent_kernel"]),
        candidate_kernel=weights["candidate_kernel"],
    )
    assert_same_steps(cell, gru, xs, states)


def test_independent_units_are_a_vanilla_net_with_a_diagonal():
    cell, xs, states = sample(rnnkit.IndRNNCell(4))
    weights = weights_of(cell)
    vanilla = with_weights(
        rnnkit.VanillaCell(4, activation="relu", dtype="float64"),
        **{**weights, "recurrent_kernel": np.diag(weights["recurrent_kernel"])},
    )
    assert_same_steps(cell, vanilla, xs, states)


def test_independent_units_start_between_forgetting_and_keeping():
    cell = rnnkit.IndRNNCell(500)
    cell.build((None, 2))
    start = weights_of(cell)["recurrent_kernel"]
    assert 0 <= start.min() < 0.02
    assert 0.98 < start.max() <= 1


def test_reading_the_whole_hidden_layer_is_a_vanilla_net():
    """With V = I and no squashing of y, y is h."""
    vanilla, xs, states = sample(rnnkit.VanillaCell(4))
    cell = rnnkit.OutputRecurrentCell(4, activation="linear", dtype="float64")
    weights = {**weights_of(vanilla), "output_kernel": np.eye(4), "output_bias": np.zeros(4)}
    assert_same_steps(with_weights(cell, **weights), vanilla, xs, states)


def test_a_min_gru_is_a_gru_without_a_past_but_for_tanh():
    """At a candidate of 0 the tanh that minGRU leaves out is not missed."""
    cell, xs, states = sample(rnnkit.MinGRUCell(4))
    kernel, bias = weights_of(cell)["kernel"].copy(), weights_of(cell)["bias"].copy()
    kernel[:, 4:] = bias[4:] = 0
    cell = with_weights(cell, kernel=kernel, bias=bias)
    gru = with_weights(
        rnnkit.GRUCell(4, dtype="float64"),
        kernel=np.concatenate([kernel[:, :4], np.zeros((2, 4)), kernel[:, 4:]], axis=1),
        bias=np.concatenate([bias[:4], np.zeros(4), bias[4:]]),
        recurrent_kernel=np.zeros((4, 8)),
        candidate_kernel=np.zeros((4, 4)),
    )
    assert_same_steps(cell, gru, xs, states)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rnnkit.ProjectedLSTMCell(4, projection=0), "Received: projection=0"),
        (lambda: rnnkit.ProjectedLSTMCell(4, projection=2.0), "Received: projection=2.0"),
        (lambda: rnnkit.OutputRecurrentCell(4, outputs=-1), "Received: outputs=-1"),
        (lambda: rnnkit.OutputRecurrentCell(4, outputs=True), "Received: outputs=True"),
        (lambda: rnnkit.LayerNormLSTMCell(4, epsilon=0), "Received: epsilon=0"),
        (lambda: rnnkit.LayerNormLSTMCell(4, epsilon="a"), "Received: epsilon='a'"),
        (lambda: rnnkit.LSTMCell(4, forget_bias=None), "Received: forget_bias=None"),
        (lambda: rnnkit.ZoneoutCell(rnnkit.LSTMCell(4), hidden_rate="x"), "hidden_rate='x'"),
        (lambda: rnnkit.ZoneoutCell(rnnkit.LSTMCell(4), hidden_rate=True), "hidden_rate=True"),
        (lambda: rnnkit.MinLSTMCell(4, forget_bias=float("nan")), "Received: forget_bias=nan"),
    ],
)
def test_wrong_numbers_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
