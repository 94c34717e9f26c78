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
from pipelines.translation.model import TranslationModel
from pipelines.translation.searching import searcher
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
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_over_sequences_of_any_length(name):
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


def check_answers(core, asked, **specs):
    """Asks with several batches, every input of a name."""
    ours, outputs = session(core.get_concrete_function(**specs))
    for inputs in asked:
        received = ours.run(outputs, inputs)
        for name, plain, other in zip(
            outputs, tf.nest.flatten(core(**inputs)), received, strict=True
        ):
            np.testing.assert_allclose(other, plain, rtol=1e-5, atol=1e-5, err_msg=name)


def test_the_tags_and_probabilities_of_a_crf():
    """The model of names: forbidden tags, padding, one step, and scores that need logarithms."""
    tags, random = 3, np.random.default_rng(1)
    crf = rnnkit.CRF(tags, constraints=rnnkit.crf_constraints(["O", "B-X", "I-X"]))
    crf.build((None, None, tags))
    for weight in crf.trainable_variables:
        weight.assign(random.normal(size=weight.shape))
    decoder, marginals = rnnkit.CRFDecoder(), rnnkit.CRFMarginals()

    @tf.function(autograph=False)
    def core(x, length):
        potentials = crf(x, mask=tf.sequence_mask(length, tf.shape(x)[1]))
        return {"tags": decoder(potentials), "probabilities": marginals(potentials)}

    asked = []
    for batch, steps, scale in ((1, 1, 1), (3, 7, 1), (2, 30, 100)):
        x = (scale * random.normal(size=(batch, steps, tags))).astype("float32")
        asked.append({"x": x, "length": random.integers(1, steps + 1, batch).astype("int32")})
    x = tf.TensorSpec((None, None, tags), name="x")
    check_answers(core, asked, x=x, length=tf.TensorSpec((None,), tf.int32, "length"))


def test_a_beam_search():
    """The model of translations: it forbids tokens by -inf, of which a product makes NaN."""
    model = TranslationModel(
        source_size=9,
        target_size=8,
        cell="gru",
        units=4,
        layers=1,
        embedding=3,
        attention="luong",
        dropout=0.0,
    )
    model.build({"source": (None, None), "before": (None, None)})
    random = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(random.normal(0, 0.7, weight.shape))
    sources = [[[5, 2]], [[3, 4, 5, 8, 2], [7, 2, 0, 0, 0], [6, 6, 6, 2, 0]]]
    asked = [{"source": np.array(source, np.int32)} for source in sources]
    spec = tf.TensorSpec((None, None), tf.int32, "source")
    check_answers(searcher(model, beam=3, n_best=2), asked, source=spec)


def test_what_is_not_chosen_does_not_count():
    """tf2onnx makes a sum of products of a choice, and NaN of an infinity."""

    @tf.function(input_signature=[tf.TensorSpec((None, 2), name="x")], autograph=False)
    def choose(x):
        return tf.where(x > 0, x, 1 / tf.zeros_like(x)), tf.where(x > 1, x > 3, x < 0)

    x = np.array([[2.0, 4.0], [0.5, -1.0]], "float32")
    ours, outputs = session(choose.get_concrete_function())
    chosen, truths = ours.run(outputs, {"x": x})
    assert chosen.tolist() == [[2.0, 4.0], [0.5, np.inf]]
    assert truths.tolist() == [[False, True], [False, True]]


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
