"""An export runs without our code and answers as the run does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines import bare_check, warmup
from pipelines.export import export
from pipelines.task import Endpoint, Served
from tests.pipelines.served_toy import requests


@pytest.fixture(scope="module")
def loaded(version):
    return tf.saved_model.load(str(version))


def answer(loaded, name, inputs):
    tensors = {key: tf.constant(value) for key, value in inputs.items()}
    return {key: value.numpy() for key, value in loaded.signatures[name](**tensors).items()}


def test_without_our_code_the_answers_are_the_models_own(version, served):
    """The export's own check, done from outside and against eager mode."""
    asked = requests()
    asked["stream"]["state_0"] = np.linspace(-1, 1, 15, dtype="float32").reshape(3, 5)
    received = bare_check.answers(version, list(asked.items()))
    for (name, inputs), got in zip(asked.items(), received, strict=True):
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        expected = served.endpoints[name].function(**tensors)
        assert set(got) == set(expected)
        for key in got:
            np.testing.assert_allclose(got[key], expected[key], rtol=1e-5, atol=1e-6)


def test_the_bare_process_finds_none_of_our_packages():
    program = (
        "import runpy, sys\n"
        f"bare = runpy.run_path({bare_check.__file__!r})\n"
        f"sys.path.append({str(Path(bare_check.__file__).parents[1])!r})\n"
        "sys.meta_path[:] = map(bare['_Hiding'], sys.meta_path)\n"
        "for name in ('keras', 'rnnkit', 'pipelines', 'tuning'):\n"
        "    try:\n"
        "        __import__(name)\n"
        "    except ModuleNotFoundError:\n"
        "        continue\n"
        "    sys.exit(name)\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_row_gets_its_answer_whatever_stands_beside_it(loaded):
    inputs = requests(rows=5)["serving_default"]
    together = answer(loaded, "serving_default", inputs)["score"]
    backwards = answer(loaded, "serving_default", {k: v[::-1] for k, v in inputs.items()})["score"]
    np.testing.assert_allclose(backwards[::-1], together, rtol=1e-5, atol=1e-6)
    for row in range(5):
        alone = answer(loaded, "serving_default", {k: v[row : row + 1] for k, v in inputs.items()})
        np.testing.assert_allclose(alone["score"][0], together[row], rtol=1e-5, atol=1e-6)


def test_steps_of_the_stream_are_the_whole_sequence(loaded, served):
    """The state that a client carries is all there is."""
    x = requests()["serving_default"]["x"]
    seed = np.arange(3, dtype="int32")
    state = answer(loaded, "stream_init", {"seed": seed})
    cell = served.core
    for t in range(x.shape[1]):
        inputs = {"x": x[:, t], "seed": seed, "step": np.full(3, t, "int32"), **state}
        state = answer(loaded, "stream", inputs)
        assert set(state.pop("y").ravel()) <= {0, 1}
    score, _ = cell(tf.constant(x[:, -1]), tf.constant(previous_state(served, x[:, :-1])))
    whole = {"x": x, "length": np.full(3, x.shape[1], "int32")}
    expected = answer(loaded, "serving_default", whole)["score"]
    np.testing.assert_allclose(score, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state["state_0"], previous_state(served, x), rtol=1e-5, atol=1e-6)


def previous_state(served, x):
    state = tf.zeros((len(x), 5))
    for t in range(x.shape[1]):
        _, state = served.core(tf.constant(x[:, t]), state)
    return state.numpy()


def test_the_warm_up_requests_are_the_real_ones_with_states_of_a_running_stream(version):
    stored = warmup.read(version)
    for name, inputs in requests().items():
        for key, value in inputs.items():
            np.testing.assert_array_equal(stored[name][key], value)
    assert np.all(stored["stream"]["state_0"] != 0)


def test_a_model_with_strings_and_a_vocabulary(tmp_path):
    """Raw text in, in a process without Keras: the lookup table travels with the export."""
    lookup = keras.layers.StringLookup(vocabulary=["yes", "no"])
    embedding = keras.layers.Embedding(3, 2)
    embedding.build(None)

    @tf.function
    def core(index):
        return embedding(index)

    def function(word):
        return {"vector": core(lookup(word))}

    made = Served(
        {"serving_default": Endpoint(function, {"word": tf.TensorSpec((None,), tf.string)})},
        core,
        {"index": tf.TensorSpec((2,), tf.int64)},
        client="",
        tables=(lookup,),
    )
    words = np.array(["no", "maybe", "yes"], dtype=object)
    asked = {"serving_default": {"word": words}}
    path = export(made, asked, root=tmp_path, name="words", card="")
    vector = answer(tf.saved_model.load(str(path)), "serving_default", {"word": words})["vector"]
    np.testing.assert_array_equal(vector, np.asarray(embedding.embeddings)[[2, 0, 1]])
