"""The numeric core in ONNX Runtime computes what it computes in TensorFlow."""

from __future__ import annotations

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnkit
from pipelines import onnx_core
from pipelines.errors import UserError
from pipelines.export import export
from tests.pipelines.served_toy import CARD, requests, toy
from tests.zoo import CELLS

runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")


def session(function):
    content, outputs = onnx_core.convert(function)
    return runtime.InferenceSession(content, providers=["CPUExecutionProvider"]), outputs


def test_a_gated_cell_over_sequences_of_any_length():
    """Both directions, with a mask: loops in the graph."""
    check_sequences(rnnkit.PeepholeLSTMCell(4))


@pytest.mark.prove
@pytest.mark.parametrize("name", [name for name in CELLS if name not in ("min_gru", "min_lstm")])
def test_every_cell_with_a_loop_over_sequences_of_any_length(name):
    """In ONNX Runtime, both directions, with a mask: the outputs are TensorFlow's."""
    check_sequences(CELLS[name]())


def check_sequences(cell):
    layer = rnnkit.BiRNN(cell, return_sequences=True)
    random = np.random.default_rng(0)
    layer.build((None, None, 3))
    for weight in layer.trainable_variables:
        weight.assign(random.normal(0, 0.7, weight.shape))

    @tf.function(autograph=False)
    def core(x, length):
        return layer(x, mask=tf.sequence_mask(length, tf.shape(x)[1]))

    specs = tf.TensorSpec((None, None, 3), name="x"), tf.TensorSpec([None], tf.int32, "length")
    ours, (output,) = session(core.get_concrete_function(*specs))
    for batch, steps in ((1, 1), (3, 7), (2, 20)):
        x = random.normal(size=(batch, steps, 3)).astype("float32")
        length = random.integers(1, steps + 1, batch).astype("int32")
        (received,) = ours.run([output], {"x": x, "length": length})
        np.testing.assert_allclose(received, core(x, length), rtol=1e-4, atol=1e-5)


def test_a_cell_that_is_parallel_in_time_over_a_fixed_number_of_steps(tmp_path):
    """Over any number of steps it has no translation."""
    layer = rnnkit.RNN(rnnkit.MinGRUCell(4), return_sequences=True)
    core = tf.function(lambda x: layer(x), autograph=False)
    static = {"x": tf.TensorSpec((2, 11, 3), name="x")}
    onnx_core.write(core, static, {"x": tf.TensorSpec((None, None, 3))}, tmp_path / "core.onnx")
    ours = runtime.InferenceSession(tmp_path / "core.onnx", providers=["CPUExecutionProvider"])
    assert ours.get_inputs()[0].shape == [2, 11, 3]
    x = np.random.default_rng(0).normal(size=(2, 11, 3)).astype("float32")
    (received,) = ours.run(None, {"x": x})
    np.testing.assert_allclose(received, layer(x), rtol=1e-4, atol=1e-5)


def test_the_potentials_of_a_crf():
    """Its chain has no translation: `keras.ops.scan` reads and writes one list."""
    crf = rnnkit.CRF(3)
    crf.build((None, None, 3))
    random = np.random.default_rng(1)
    for weight in crf.trainable_variables:
        weight.assign(random.normal(size=weight.shape))
    core = tf.function(lambda x: crf(x), autograph=False)
    x = random.normal(size=(2, 6, 3)).astype("float32")
    spec = tf.TensorSpec((None, None, 3), name="x")
    ours, outputs = session(core.get_concrete_function(spec))
    np.testing.assert_allclose(ours.run(outputs, {"x": x})[0], core(x), rtol=1e-5)


def test_the_sign_of_zero_is_seen():
    """-0.0 comes behind 0.0 in an argmax of Keras, so it must here."""

    @tf.function(input_signature=[tf.TensorSpec((None, 3), name="x")], autograph=False)
    def best(x):
        return keras.ops.argmax(x, axis=-1)

    x = np.array([[-0.0, 0.0, -1.0], [-2.0, -0.0, -3.0], [-np.inf, 1e-30, 0.0]], "float32")
    ours, outputs = session(best.get_concrete_function())
    assert ours.run(outputs, {"x": x})[0].tolist() == best(x).numpy().tolist() == [1, 1, 1]


def test_an_export_with_onnx_holds_the_core_by_names(tmp_path, unchecked):
    path = export(toy(), requests(), root=tmp_path, name="toy", card=CARD, onnx=True)
    found = runtime.InferenceSession(path / "core.onnx", providers=["CPUExecutionProvider"])
    shapes = {each.name: each.shape[1:] for each in found.get_inputs()}
    assert shapes == {"x": [3], "state_0": [5]}
    assert "core.onnx" in (path / "README.md").read_text()


def test_a_state_that_goes_in_and_comes_out_has_two_names():
    @tf.function(autograph=False)
    def core(x, state_0):
        return {"y": x + state_0, "state_0": x * state_0}

    spec = tf.TensorSpec((None, 2))
    ours, outputs = session(core.get_concrete_function(x=spec, state_0=spec))
    assert outputs == ["next_state_0", "y"]
    two, three = np.full((1, 2), 2, "float32"), np.full((1, 2), 3, "float32")
    product, total = ours.run(outputs, {"x": two, "state_0": three})
    assert (product[0, 0], total[0, 0]) == (6, 5)


def test_other_answers_are_no_export(tmp_path, unchecked, monkeypatch):
    monkeypatch.setattr(onnx_core, "rows_apart", lambda a, b: np.array([True]))
    with pytest.raises(UserError, match="ONNX Runtime answers another output_0"):
        export(toy(), requests(), root=tmp_path, name="toy", card=CARD, onnx=True)
    assert not (tmp_path / "toy").exists()


def test_what_has_no_translation_is_one_line(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec((None, 3), name="x")])
    def core(x):
        return tf.raw_ops.Betainc(a=x, b=x, x=x)

    spec = {"x": tf.TensorSpec((2, 3), name="x")}
    with pytest.raises(UserError, match=r"--onnx: .*cannot translate this model: .*Export it") as e:
        onnx_core.write(core, spec, spec, tmp_path / "core.onnx")
    assert "\n" not in str(e.value)


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    core = tf.function(lambda x: x)
    with pytest.raises(UserError, match=r"tf2onnx is not installed.*rnnkit\[onnx\]"):
        onnx_core.convert(core.get_concrete_function(tf.TensorSpec((2,), name="x")))
