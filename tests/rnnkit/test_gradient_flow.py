"""Norms of gradients through time are those of the NumPy derivations and of finite differences."""

import keras
import numpy as np
import pytest

import rnnkit
from rnnkit.reference import REFERENCE, run_forward
from rnnkit.testing import copy_of, sample, weights_of
from tests import zoo

BATCH, STEPS = 3, 5


def norms(steps):
    return [np.linalg.norm(step) for step in steps]


def carried(backward, dys, caches, widths):
    """dL/d(state) of every step as the hand-derived backward loop carries them, y in the first."""
    found, dstates = [], [np.zeros((BATCH, width)) for width in widths]
    for t in reversed(range(len(caches))):
        found.append([dstates[0] + dys[:, t], *dstates[1:]])
        _, dstates, _ = backward(dys[:, t], dstates, caches[t])
    return found[::-1]


def problem(name):
    """A layer in float64, its batch, and for the loss sum_t L_t the dL/dy of the reference."""
    cell, xs, _ = sample(zoo.CELLS[name]())
    layer = rnnkit.RNN(cell, return_sequences=True, dtype="float64")
    targets = np.random.default_rng(7).normal(size=(BATCH, STEPS, cell.output_size))
    weight = np.random.default_rng(8).uniform(0.1, 1, size=(BATCH, STEPS))
    zeros = [np.zeros((BATCH, width)) for width in cell.state_sizes]
    forward, backward = REFERENCE[name]
    ys, _, caches = run_forward(forward, xs, zeros, weights_of(cell))
    dys = 2 * (ys - targets) / ys.shape[-1] * weight[..., None] / weight.sum()
    return layer, (xs, targets, weight), dys, backward, caches


@pytest.mark.parametrize("name", zoo.CELLS)
def test_h_is_what_the_derivation_by_hand_carries_back(name):
    """For every cell, every step, and the loss of single steps."""
    layer, batch, dys, backward, caches = problem(name)
    flow = rnnkit.gradient_flow(layer, batch, "mse", steps=[1, 4])
    (found,) = flow.layers
    shown = "y" if name == "output_recurrent" else "h"
    expected = norms(step[0] for step in carried(backward, dys, caches, layer.cell.state_sizes))
    np.testing.assert_allclose(found.gradients[shown], expected, rtol=1e-9)
    for row, t in zip(found.maps[shown], flow.steps, strict=True):
        only = np.where(np.arange(STEPS)[:, None] == t, dys, 0)
        expected = norms(
            step[0] for step in carried(backward, only, caches, layer.cell.state_sizes)
        )
        np.testing.assert_allclose(row, expected, rtol=1e-9, atol=1e-18)
        assert not row[t + 1 :].any()


LSTMS = [name for name in zoo.CELLS if name.endswith("lstm") and name != "min_lstm"]


def h_of(name, cell, traced, t, c):
    """h_t as a function of c_t, everything else of the step as it was."""
    w, o = weights_of(cell), traced["o"][:, t]
    logit, moved = np.log(o / (1 - o)), c - traced["c"][:, t]
    if name == "peephole_lstm":
        logit = logit + moved * w["peephole_o"]
    if name == "full_peephole_lstm":
        logit = logit + moved @ w["peephole_o"]
    if name == "layer_norm_lstm":
        c = (c - c.mean(-1, keepdims=True)) / np.sqrt(c.var(-1, keepdims=True) + cell.epsilon)
        c = w["memory_gain"] * c + w["memory_bias"]
    h = np.tanh(c) / (1 + np.exp(-logit))
    return h @ w["projection_kernel"] if name == "projected_lstm" else h


@pytest.mark.parametrize("name", LSTMS)
def test_c_is_what_finite_differences_say(name):
    """A change of c_t reaches the loss through h_t and through the memory: both count."""
    layer, (xs, targets, weight), *_ = problem(name)
    cell, forward, t = layer.cell, REFERENCE[name][0], 2
    (found,) = rnnkit.gradient_flow(layer, (xs, targets, weight), "mse", steps=[]).layers
    traced = rnnkit.trace(cell, xs)

    def loss(c):
        h = h_of(name, cell, traced, t, c)
        ys, _, _ = run_forward(forward, xs[:, t + 1 :], [h, c], weights_of(cell))
        ys = np.concatenate([h[:, None], ys], axis=1)
        errors = ((ys - targets[:, t:]) ** 2).mean(-1)
        return (errors * weight[:, t:]).sum() / weight.sum()

    c = traced["c"][:, t]
    gradient = np.zeros_like(c)
    for index in np.ndindex(c.shape):
        step = np.zeros_like(c)
        step[index] = 1e-5
        gradient[index] = (loss(c + step) - loss(c - step)) / 2e-5
    assert found.gradients["c"][t] == pytest.approx(np.linalg.norm(gradient), rel=1e-6)


@pytest.mark.parametrize("name", ["lstm", "layer_norm_lstm"])
def test_around_attention_h_and_c_reach_what_is_attended_to(name):
    """h_t is in the query of its own step, c_t in that h_t: by finite differences, with padding."""
    random, t = np.random.default_rng(11), 2
    cell = copy_of(zoo.CELLS[name](), "float64")
    attention = rnnkit.LuongGeneralAttention(dtype="float64")
    cell = rnnkit.AttentionCell(cell, attention, attention_size=3)
    layer = rnnkit.RNN(cell, return_sequences=True, dtype="float64")
    inputs, kept = keras.Input((None, 2), dtype="float64"), keras.Input((4, 2), dtype="float64")
    real = keras.ops.any(keras.ops.not_equal(inputs, 9.0), axis=-1)
    model = keras.Model([inputs, kept], layer(inputs, memory=kept, mask=real))
    for weight in model.trainable_variables:
        weight.assign(random.normal(scale=0.7, size=weight.shape))
    x, memory = random.normal(size=(BATCH, STEPS, 2)), random.normal(size=(BATCH, 4, 2))
    targets = random.normal(size=(BATCH, STEPS, 3))
    longer = [np.pad(a, ((0, 0), (0, 2), (0, 0)), constant_values=9.0) for a in (x, targets)]
    weight = np.pad(np.ones((BATCH, STEPS)), ((0, 0), (0, 2)))
    batch = ([longer[0], memory], longer[1], weight)
    (found,) = rnnkit.gradient_flow(model, batch, "mse", steps=[]).layers
    forget = found.traced["f"][:, :STEPS]
    assert found.saturation["f"] == pytest.approx(((forget < 0.1).mean(), (forget > 0.9).mean()))
    read = cell.remember(memory)

    def loss(h, c):
        seen = np.concatenate([h, attention.attend(keras.ops.array(h), *read)], axis=-1)
        a = np.tanh(seen @ np.array(cell.attention_kernel))
        states = [keras.ops.array(state) for state in (h, c, a)]
        rest = layer(x[:, t + 1 :], initial_state=states, memory=memory)
        errors = np.concatenate([a[:, None], rest], axis=1) - targets[:, t:]
        return (errors**2).mean(-1).sum(-1) / (BATCH * STEPS)  # row by row: none sees another

    h, c = found.traced["h"][:, t], found.traced["c"][:, t]
    changes = {
        "h": lambda step: loss(h + step, c),
        "c": lambda step: loss(h_of(name, cell.cell, found.traced, t, c + step), c + step),
    }
    for state, changed in changes.items():
        nudges = 1e-5 * np.eye(c.shape[-1])[:, None] + 0 * c
        gradient = [(changed(step) - changed(-step)) / 2e-5 for step in nudges]
        expected = np.linalg.norm(gradient)
        assert found.gradients[state][t] == pytest.approx(expected, rel=1e-6)


def deep_model(mask=False):
    recurrent = [
        rnnkit.RNN([rnnkit.GRUCell(4), rnnkit.ResidualCell(rnnkit.VanillaCell(4))], True),
        rnnkit.BiRNN(rnnkit.LSTMCell(3), return_sequences=True),
        keras.layers.Dense(1),
    ]
    first = [keras.layers.Masking(9.0)] if mask else []
    model = keras.Sequential([keras.Input((None, 2)), *first, *recurrent])
    model.compile("sgd", "mse")
    return model


def deep_batch():
    random = np.random.default_rng(3)
    return random.normal(size=(BATCH, STEPS, 2)), random.normal(size=(BATCH, STEPS, 1))


def test_norms_of_the_weights_are_those_of_training():
    """`norm` is what `global_clipnorm` sees, so that one can choose it; and nothing has changed."""
    import tensorflow as tf

    model, (x, y) = deep_model(), deep_batch()
    before = model.get_weights()
    flow = rnnkit.gradient_flow(model, (x, y))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x) - y) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    assert flow.loss == pytest.approx(float(loss), rel=1e-5)
    assert flow.norm == pytest.approx(float(tf.linalg.global_norm(gradients)), rel=1e-4)
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert flow.weights[weight.path] == pytest.approx(np.linalg.norm(gradient), rel=1e-3)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert flow.clipped(flow.norm / 2) == pytest.approx(0.5)
    assert flow.clipped(flow.norm * 2) == 1


def test_every_cell_of_a_deep_model_is_there():
    """Stacked, residual and bidirectional; a cell that runs backwards is shown in input order."""
    model, batch = deep_model(), deep_batch()
    flow = rnnkit.gradient_flow(model, batch, steps=[2])
    assert [len(layer.gradients) for layer in flow.layers] == [1, 1, 2, 2]
    assert all(norm.shape == (STEPS,) for layer in flow.layers for norm in layer.gradients.values())
    *_, forth, back = (layer.maps["h"][0] for layer in flow.layers)
    assert np.flatnonzero(forth).tolist() == [0, 1, 2]
    assert np.flatnonzero(back).tolist() == [2, 3, 4]
    assert flow.layers[0].name.removesuffix("/0") == flow.layers[1].name.removesuffix("/1")


def test_two_cells_in_one_layer_are_two_layers():
    one = rnnkit.RNN([rnnkit.LSTMCell(4), rnnkit.ResidualCell(rnnkit.GRUCell(4))], True)
    x, _ = deep_batch()
    one(x)
    two = keras.Sequential([rnnkit.RNN(cell, return_sequences=True) for cell in one.cell.cells])
    y = np.ones((BATCH, STEPS, 4))
    flows = [rnnkit.gradient_flow(model, (x, y), "mae") for model in (one, two)]
    for a, b in zip(*(flow.layers for flow in flows), strict=True):
        np.testing.assert_allclose(a.gradients["h"], b.gradients["h"], rtol=1e-5)


def test_padding_does_not_count():
    """A padded batch, masked and with weights of zero, has the gradients of the unpadded one."""
    model, (x, y) = deep_model(mask=True), deep_batch()
    weight = np.ones((BATCH, STEPS))
    plain = rnnkit.gradient_flow(model, (x, y, weight), steps=[3])
    longer = [np.pad(a, ((0, 0), (0, 2), (0, 0)), constant_values=9.0) for a in (x, y)]
    padded = rnnkit.gradient_flow(model, (*longer, np.pad(weight, ((0, 0), (0, 2)))), steps=[3])
    assert padded.loss == pytest.approx(plain.loss, rel=1e-5)
    for a, b in zip(plain.layers, padded.layers, strict=True):
        assert b.real.sum(axis=1).tolist() == [STEPS] * BATCH
        for name in a.gradients:
            np.testing.assert_allclose(b.gradients[name][:STEPS], a.gradients[name], rtol=1e-4)
        assert a.saturation.keys() == b.saturation.keys()
        for gate, shares in a.saturation.items():
            assert b.saturation[gate] == pytest.approx(shares)


@pytest.mark.parametrize("kind", [keras.layers.LSTM, keras.layers.GRU])
def test_keras_layers_flow_like_their_twins(kind):
    theirs = kind(4)
    x, _ = deep_batch()
    theirs(x)
    batch = x, np.ones((BATCH, 4))
    flows = [
        rnnkit.gradient_flow(layer, batch, "mse")
        for layer in (theirs, rnnkit.convert.from_keras(theirs))
    ]
    a, b = (flow.layers[0] for flow in flows)
    for name in b.gradients:
        np.testing.assert_allclose(a.gradients[name], b.gradients[name], rtol=1e-4)
    np.testing.assert_allclose(a.kept, b.kept, rtol=1e-4)
    assert a.spectral_radius == pytest.approx(b.spectral_radius)


def test_a_stateful_layer_keeps_its_state():
    layer = rnnkit.RNN(rnnkit.GRUCell(4), return_sequences=True, stateful=True)
    x, _ = deep_batch()
    layer(x)
    before = np.array(layer.states[0])
    rnnkit.gradient_flow(layer, (x, np.ones((BATCH, STEPS, 4))), "mse", steps=[1, 2])
    np.testing.assert_array_equal(before, np.array(layer.states[0]))


def test_small_weights_vanish_and_large_ones_explode():
    """The lesson: what is left of dL_T/dh_1 follows the radius of W_h."""
    x = np.zeros((1, 40, 2), "float32")
    for radius, check in ((0.5, lambda r: r < 1e-9), (1.2, lambda r: r > 1e2)):
        cell = rnnkit.VanillaCell(4, recurrent_initializer=keras.initializers.Orthogonal(radius))
        layer = rnnkit.RNN(cell, return_sequences=True)
        flow = rnnkit.gradient_flow(layer, (x, np.ones((1, 40, 4))), "mse", steps=[39])
        (row,) = flow.layers[0].maps["h"]
        assert check(row[0] / row[-1])
        assert flow.layers[0].spectral_radius["h"] == pytest.approx(radius, rel=1e-4)


def test_the_steps_it_follows_by_itself():
    x, y = np.zeros((1, 100, 2)), np.zeros((1, 100, 2))
    layer = rnnkit.RNN(rnnkit.VanillaCell(2), return_sequences=True)
    assert rnnkit.gradient_flow(layer, (x, y), "mse").steps.tolist()[-1] == 99
    whole = rnnkit.gradient_flow(rnnkit.RNN(rnnkit.VanillaCell(2)), (x, y[:, 0]), "mse")
    assert whole.steps.tolist() == [0]
    assert whole.losses.shape == (1,)


@pytest.mark.parametrize(
    ("model", "batch", "options", "message"),
    [
        (keras.layers.Dense(1), (0, 0), {"loss": "mse"}, "needs a model with recurrent layers"),
        (rnnkit.RNN(rnnkit.GRUCell(1), True), (0, 0), {}, "Received: loss=None"),
        (rnnkit.RNN(rnnkit.GRUCell(1), True), (0,), {"loss": "mse"}, "Received: no y"),
        (
            rnnkit.RNN(rnnkit.GRUCell(1), True),
            (0, 0),
            {"loss": "mse", "steps": [5]},
            r"steps must be a list of numbers from 0 to 4.*Received: steps=\[5\]",
        ),
        (
            rnnkit.RNN(rnnkit.GRUCell(1), True),
            (0, 0),
            {"loss": "mse", "steps": 4},
            r"steps must be a list.*Received: steps=4. Example: .*\[4\]",
        ),
        (
            rnnkit.RNN(rnnkit.GRUCell(1), True),
            (0, 0),
            {"loss": lambda y, p: (y - p) ** 2},
            "Received: values of shape",
        ),
    ],
)
def test_errors_say_what_is_wrong(model, batch, options, message):
    batch = tuple(np.zeros((2, 5, 1), "float32") for _ in batch)
    with pytest.raises(ValueError, match=message):
        rnnkit.gradient_flow(model, batch, **options)
