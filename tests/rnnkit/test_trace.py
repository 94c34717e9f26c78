"""What `trace` calls f, i, g, o, z and r are the gates of the cell's equations."""

import keras
import numpy as np
import pytest

import rnnkit
from rnnkit.measures import saturation, share_kept, spectral_radius
from rnnkit.reference import sigmoid
from rnnkit.testing import sample, weights_of
from tests import zoo


def before(first, after):
    """A state before every step."""
    return np.concatenate([first[:, None], after[:, :-1]], axis=1)


def pre_activations(cell, xs, h_prev):
    """x W + h U + b, gate by gate, for all steps at once."""
    w = weights_of(cell)
    a = xs @ w["kernel"] + h_prev @ w["recurrent_kernel"] + w["bias"]
    return dict(zip(cell.gates, np.split(a, len(cell.gates), axis=-1), strict=True))


def shown(name, cell, t):
    """h of the gates, by the last equations of each cell."""
    w = weights_of(cell)
    if name == "layer_norm_lstm":
        c = t["c"] - t["c"].mean(-1, keepdims=True)
        c /= np.sqrt((c**2).mean(-1, keepdims=True) + cell.epsilon)
        return t["o"] * np.tanh(w["memory_gain"] * c + w["memory_bias"])
    h = t["o"] * np.tanh(t["c"])
    return h @ w["projection_kernel"] if name == "projected_lstm" else h


@pytest.mark.parametrize("name", [n for n in zoo.CELLS if n.endswith("lstm") and n != "min_lstm"])
def test_lstms(name):
    """f keeps, i stores, o shows; with the gates swapped the memory would not come out."""
    cell, xs, (h, c) = sample(zoo.CELLS[name]())
    t = rnnkit.trace(cell, xs, [h, c])
    assert set(t) == {"i", "f", "g", "o", "c", "h"}
    np.testing.assert_allclose(t["c"], t["f"] * before(c, t["c"]) + t["i"] * t["g"], rtol=1e-9)
    np.testing.assert_allclose(t["h"], shown(name, cell, t), rtol=1e-9, atol=1e-12)
    assert share_kept(cell, t) is t["f"]
    if name in ("lstm", "coupled_lstm", "projected_lstm"):
        a = pre_activations(cell, xs, before(h, t["h"]))
        np.testing.assert_allclose(t["f"], sigmoid(a["f"]), rtol=1e-9)
        np.testing.assert_allclose(t["g"], np.tanh(a["g"]), rtol=1e-9)
        np.testing.assert_allclose(t["o"], sigmoid(a["o"]), rtol=1e-9)


@pytest.mark.parametrize("name", ["gru", "gru_reset_after", "mgu", "min_gru", "min_lstm"])
def test_gates_of_h(name):
    """The new h is the old one and the candidate, mixed by what `share_kept` says is kept."""
    cell, xs, (h,) = sample(zoo.CELLS[name]())
    t = rnnkit.trace(cell, xs, [h])
    assert set(t) == {*cell.gates, "h"}
    kept = share_kept(cell, t)
    np.testing.assert_allclose(
        t["h"], kept * before(h, t["h"]) + (1 - kept) * t["g"], rtol=1e-9, atol=1e-12
    )
    if name == "gru":
        w, h_prev = weights_of(cell), before(h, t["h"])
        x_z, x_r, x_g = np.split(xs @ w["kernel"] + w["bias"], 3, axis=-1)
        z, r = np.split(h_prev @ w["recurrent_kernel"], 2, axis=-1)
        np.testing.assert_allclose(t["z"], sigmoid(x_z + z), rtol=1e-9)
        np.testing.assert_allclose(t["r"], sigmoid(x_r + r), rtol=1e-9)
        g = np.tanh(x_g + (t["r"] * h_prev) @ w["candidate_kernel"])
        np.testing.assert_allclose(t["g"], g, rtol=1e-9)


def test_cells_without_gates():
    """A vanilla net has only h, whatever its activation; Jordan's net has a hidden layer h too."""
    cell, xs, (h,) = sample(rnnkit.VanillaCell(4, activation="relu"))
    t = rnnkit.trace(cell, xs, [h])
    a = pre_activations(cell, xs, before(h, t["h"]))["h"]
    np.testing.assert_allclose(t["h"], np.maximum(a, 0), rtol=1e-9, atol=1e-12)
    assert share_kept(cell, t) is None
    cell, xs, (y,) = sample(zoo.CELLS["output_recurrent"]())
    t = rnnkit.trace(cell, xs, [y])
    w = weights_of(cell)
    h = np.tanh(xs @ w["kernel"] + before(y, t["y"]) @ w["recurrent_kernel"] + w["bias"])
    np.testing.assert_allclose(t["h"], h, rtol=1e-9)


@pytest.mark.parametrize("name", zoo.CELLS)
def test_one_step_is_the_first_of_a_sequence(name):
    """And the states are those of the cell."""
    cell, xs, states = sample(zoo.CELLS[name]())
    whole, step = rnnkit.trace(cell, xs, states), rnnkit.trace(cell, xs[:, 0], states)
    assert whole.keys() == step.keys()
    for key in whole:
        np.testing.assert_allclose(whole[key][:, 0], step[key], rtol=1e-9)
    _, (state, *_) = cell(xs[:, 0], states)
    np.testing.assert_allclose(step["y" if name == "output_recurrent" else "h"], state)


def test_a_cell_of_keras_has_the_names_of_its_twin():
    """Someone who compares with `keras.layers.LSTM` sees the same gates."""
    ours, xs, states = sample(rnnkit.LSTMCell(4))
    theirs = keras.layers.LSTMCell(4, dtype="float64")
    theirs.build((None, xs.shape[-1]))
    for weight, value in weights_of(ours).items():
        getattr(theirs, weight).assign(value)
    expected, found = rnnkit.trace(ours, xs, states), rnnkit.trace(theirs, xs, states)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9)


def test_the_gates_within_a_wrapper():
    """A residual cell's gates are the cell's, its output is another than h."""
    cell, xs, _ = sample(rnnkit.ResidualCell(rnnkit.GRUCell(2)))
    t = rnnkit.trace(cell, xs)
    np.testing.assert_allclose(t["y"], xs + t["h"], rtol=1e-9)
    assert {"z", "r", "g"} < set(t)


@pytest.mark.parametrize("make", [rnnkit.LSTMCell, rnnkit.LayerNormLSTMCell, keras.layers.LSTMCell])
def test_the_gates_within_an_attention_cell(make):
    """The cell within sees what it attended to before; gates of x alone do not make its c."""
    random = np.random.default_rng(4)
    attention = rnnkit.BahdanauAttention(5, dtype="float64")
    cell = rnnkit.AttentionCell(make(4, dtype="float64"), attention, attention_size=6)
    memory = random.normal(size=(3, 7, 2))
    cell.build_memory(memory.shape)
    cell.build((None, 2))
    for weight in cell.trainable_weights:
        weight.assign(random.normal(size=weight.shape))
    h, c, a = (random.normal(size=(3, width)) for width in cell.state_sizes)
    t = rnnkit.trace(cell, random.normal(size=(3, 5, 2)), [h, c, a, *cell.remember(memory)])
    np.testing.assert_allclose(t["c"], t["f"] * before(c, t["c"]) + t["i"] * t["g"], rtol=1e-9)
    if make is not rnnkit.LayerNormLSTMCell:
        np.testing.assert_allclose(t["h"], t["o"] * np.tanh(t["c"]), rtol=1e-9)


def test_spectral_radius_is_that_of_each_gate():
    """Of a fused kernel only the blocks join h to h; of a projection, the way through it."""
    cell, _, _ = sample(rnnkit.GRUCell(4))
    w = weights_of(cell)
    z, r = np.split(w["recurrent_kernel"], 2, axis=1)
    for name, block in {"z": z, "r": r, "g": w["candidate_kernel"]}.items():
        power = np.linalg.matrix_power(block, 512)  # |U^k|^(1/k) -> the radius
        assert spectral_radius(cell)[name] == pytest.approx(
            np.linalg.norm(power) ** (1 / 512), 0.02
        )
    cell, _, _ = sample(rnnkit.ProjectedLSTMCell(6, projection=4))
    w = weights_of(cell)
    block = w["projection_kernel"] @ np.split(w["recurrent_kernel"], 4, axis=1)[1]
    assert spectral_radius(cell)["f"] == pytest.approx(np.abs(np.linalg.eigvals(block)).max())
    cell, _, _ = sample(rnnkit.IndRNNCell(4))
    assert spectral_radius(cell) == {"h": np.abs(weights_of(cell)["recurrent_kernel"]).max()}
    assert spectral_radius(sample(rnnkit.MinGRUCell(4))[0]) == {}


def test_saturation_counts_real_steps_at_each_end():
    """A gate that is stuck shows, and padding does not count."""
    cell = rnnkit.LSTMCell(1)
    gate = np.array([[[0.05], [0.5], [0.95], [0.99]]])
    found = saturation(cell, {"f": gate, "g": -gate}, np.array([[True, True, True, False]]))
    assert found == {"f": (1 / 3, 1 / 3), "g": (1 / 3, 0.0)}


@pytest.mark.parametrize(
    "cell",
    [
        keras.layers.Dense(3),
        keras.layers.StackedRNNCells([]),
        rnnkit.RNN(rnnkit.GRUCell(4)),
        keras.layers.LSTM(4),
    ],
)
def test_not_a_cell(cell):
    with pytest.raises(ValueError, match=r"trace looks into one cell.*Example: trace\(layer.cell"):
        rnnkit.trace(cell, np.zeros((2, 5, 3)))
    assert not cell.built


def test_zoneout_keeps_its_rate_and_a_share_of_the_rest():
    """At a rate of one half at least half of c stays, whatever f says."""
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    cell = rnnkit.ZoneoutCell(rnnkit.LSTMCell(4))
    found = rnnkit.trace(cell, x)
    zeros = np.zeros((2, 4), "float32")
    moved = rnnkit.trace(cell, x[:, 0], [zeros, zeros + 0.01])["c"] - found["c"][:, 0]
    kept = share_kept(cell, found)
    np.testing.assert_allclose(moved, 0.01 * kept[:, 0], rtol=1e-3)  # no gate of it sees c
    np.testing.assert_allclose(kept, 0.5 + 0.5 * found["f"], rtol=1e-6)
    cell = rnnkit.ZoneoutCell(rnnkit.GRUCell(4), hidden_rate=0.2)
    found = rnnkit.trace(cell, x)
    np.testing.assert_allclose(share_kept(cell, found), 0.2 + 0.8 * (1 - found["z"]), rtol=1e-6)
    plain = rnnkit.ZoneoutCell(rnnkit.VanillaCell(4), hidden_rate=0.3)
    np.testing.assert_allclose(share_kept(plain, rnnkit.trace(plain, x)), 0.3)


def test_wrong_rank():
    with pytest.raises(ValueError, match="Received: x of shape"):
        rnnkit.trace(rnnkit.GRUCell(3), np.zeros(3))
