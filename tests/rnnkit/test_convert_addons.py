"""Nets that were trained with TensorFlow Addons give the same outputs here.

The files in `addons/` were written by Addons itself, with inputs and outputs of its own
(`addons/make.py`); the equations are also written down once more, in NumPy.
"""

from pathlib import Path

import keras
import numpy as np
import pytest

import rnnkit
import rnnkit.testing
from rnnkit.convert_addons import AddonsLayerNormLSTMCell, from_addons
from rnnkit.weight_files import read_weights

FILES = Path(__file__).parent / "addons"
KINDS = {"peephole": rnnkit.PeepholeLSTMCell, "layer_norm": AddonsLayerNormLSTMCell}
FORMS = [".h5", ".weights.h5", "-model.h5", "-checkpoint", "-checkpoint.index"]
M, N = 2, 3


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", KINDS)
def test_outputs_are_those_of_addons(name, form):
    """Whatever way the model was saved."""
    layer = from_addons(FILES / f"{name}{form}", return_sequences=True)
    assert type(layer.cell) is KINDS[name]
    with np.load(FILES / f"{name}.npz") as given:
        np.testing.assert_allclose(layer(given["x"]), given["y"], rtol=1e-5, atol=1e-6)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def norm(a, gamma, beta, epsilon):
    mean, variance = a.mean(-1, keepdims=True), a.var(-1, keepdims=True)
    return (a - mean) / np.sqrt(variance + epsilon) * gamma + beta


def addons_peephole(w, x, h, c):
    i, f, g, o = np.split(x @ w["kernel"] + h @ w["recurrent_kernel"] + w["bias"], 4, -1)
    i = sigmoid(i + w["input_gate_peephole_weights"] * c)
    f = sigmoid(f + w["forget_gate_peephole_weights"] * c)
    c = f * c + i * np.tanh(g)
    o = sigmoid(o + w["output_gate_peephole_weights"] * c)
    return o * np.tanh(c), c


def addons_layer_norm(w, x, h, c, epsilon):
    def normalised(a, name):
        return norm(a, w[f"{name}_norm/gamma"], w[f"{name}_norm/beta"], epsilon)

    z = normalised(x @ w["kernel"], "kernel") + normalised(h @ w["recurrent_kernel"], "recurrent")
    i, f, g, o = np.split(z + w["bias"], 4, -1)
    c = normalised(sigmoid(f) * c + sigmoid(i) * np.tanh(g), "state")
    return sigmoid(o) * np.tanh(c), c


def random_weights(shapes, seed=3):
    draw = np.random.default_rng(seed)
    return {name: draw.normal(scale=0.8, size=shape) for name, shape in shapes.items()}


KERNELS = {"kernel": (M, 4 * N), "recurrent_kernel": (N, 4 * N), "bias": (4 * N,)}
PEEPHOLE = KERNELS | {f"{g}_gate_peephole_weights": (N,) for g in ("input", "forget", "output")}
LAYER_NORM = KERNELS | {
    f"{name}_norm/{part}": (size,)
    for name, size in (("kernel", 4 * N), ("recurrent", 4 * N), ("state", N))
    for part in ("gamma", "beta")
}


def equal_to_numpy(layer, step):
    draw = np.random.default_rng(4)
    xs, h, c = draw.normal(size=(5, 6, M)), draw.normal(size=(5, N)), draw.normal(size=(5, N))
    ys, *last = layer(xs, initial_state=[h, c])
    for t in range(6):
        h, c = step(xs[:, t], h, c)
        np.testing.assert_allclose(ys[:, t], h, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(last[1], c, rtol=1e-10, atol=1e-12)


SEQUENCES = {"return_sequences": True, "return_state": True}


def test_peephole_is_the_equations_of_addons():
    w = random_weights(PEEPHOLE)
    layer = from_addons({f"rnn/{name}": value for name, value in w.items()}, **SEQUENCES)
    equal_to_numpy(layer, lambda x, h, c: addons_peephole(w, x, h, c))


def test_layer_norm_is_the_equations_of_addons():
    w = random_weights(LAYER_NORM)
    source = {f"rnn/{name}": value for name, value in w.items()}
    layer = from_addons(source, epsilon=1e-2, **SEQUENCES)
    equal_to_numpy(layer, lambda x, h, c: addons_layer_norm(w, x, h, c, 1e-2))


def test_no_weights_of_ours_make_the_layer_normalised_lstm_of_the_paper_equal():
    """Why it has a cell of its own: the two agree in the first step and part in the second."""
    ours = from_addons(FILES / "layer_norm.h5", return_sequences=True)
    paper = rnnkit.RNN(rnnkit.LayerNormLSTMCell(N), return_sequences=True)
    paper.build((None, None, M))
    of_ours = {variable.name: variable for variable in ours.cell.weights}
    for variable in paper.cell.weights:
        variable.assign(of_ours[variable.name])
    with np.load(FILES / "layer_norm.npz") as given:
        found, expected = np.array(paper(given["x"])), given["y"]
    np.testing.assert_allclose(found[:, 0], expected[:, 0], rtol=1e-5, atol=1e-6)
    assert np.abs(found[:, 1] - expected[:, 1]).max() > 1e-2


def test_a_net_without_bias():
    w = random_weights({name: shape for name, shape in PEEPHOLE.items() if name != "bias"})
    numbered = {f"layers/rnn/cell/vars/{k}": value for k, value in enumerate(w.values())}
    layer = from_addons(numbered, **SEQUENCES)
    equal_to_numpy(layer, lambda x, h, c: addons_peephole(w | {"bias": 0}, x, h, c))


def test_a_file_of_several_cells_asks_which():
    first, second = random_weights(PEEPHOLE, 1), random_weights(LAYER_NORM, 2)
    both = {f"encoder/cell/{k}": v for k, v in first.items()}
    both |= {f"decoder/cell/{k}": v for k, v in second.items()}
    with pytest.raises(ValueError, match=r"2 of them \(encoder/cell, decoder/cell\)"):
        from_addons(both)
    kernel = from_addons(both, layer="encoder").cell.kernel
    np.testing.assert_allclose(kernel, first["kernel"])


@pytest.mark.parametrize("what", ["missing", "text", "lstm", "layer"])
def test_a_file_without_such_a_cell_is_told(tmp_path, what):
    source, options = tmp_path / "weights.h5", {}
    if what == "text":
        source.write_text("no weights")
    elif what == "lstm":
        source = {f"rnn/lstm_cell/{name}": np.ones(shape) for name, shape in KERNELS.items()}
    elif what == "layer":
        source, options = FILES / "peephole.h5", {"layer": "decoder"}
    with pytest.raises(ValueError, match="Received: "):
        from_addons(source, **options)


def test_the_optimizer_is_left_out():
    for form in FORMS:
        names = " ".join(read_weights(FILES / f"peephole{form}")).lower()
        assert names, form
        assert "optimizer" not in names, form
        assert "adam" not in names, form


def test_the_cell_for_addons_nets_keeps_the_contract_of_cells():
    """It trains on, is saved and runs in Keras's own RNN."""
    rnnkit.testing.check_cell(AddonsLayerNormLSTMCell(4))
    assert keras.saving.get_registered_object("rnnkit>AddonsLayerNormLSTMCell")
