"""What would not run everywhere, or would not answer as the run does, is not exported."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines import bare_check, export_check, kernels, portability, saved_graph
from pipelines.errors import UserError
from pipelines.export import export
from pipelines.task import Endpoint, Served
from tests.pipelines.served_toy import CARD, ROWS, THREE, one, requests, toy


@pytest.fixture
def in_process(monkeypatch):
    """Answers come from this process: fast, for tests of the comparison itself."""

    def answers(model_dir, calls):
        model = tf.saved_model.load(str(model_dir))
        return [
            {
                key: value.numpy()
                for key, value in model.signatures[name](
                    **{key: tf.constant(value) for key, value in inputs.items()}
                ).items()
            }
            for name, inputs in calls
        ]

    monkeypatch.setattr(bare_check, "answers", answers)


def python_code(x):
    return {"y": tf.ensure_shape(tf.py_function(lambda x: x, [x], tf.float32), (None, 3))}


def numpy_code(x):
    return {"y": tf.ensure_shape(tf.numpy_function(lambda x: x, [x], tf.float32), (None, 3))}


def cudnn(x):
    y = tf.raw_ops.CudnnRNNV3(
        input=x[None],
        input_h=tf.zeros((1, 2, 4)),
        input_c=tf.zeros((1, 2, 4)),
        params=tf.zeros((100,)),
        sequence_lengths=tf.constant([1, 1]),
    )
    return {"y": y.output[0]}


def state(x, counter=tf.Variable(0.0)):  # noqa: B008
    return {"y": x + counter.assign_add(1.0)}


def draws(x):
    return {"y": x + tf.random.uniform(tf.shape(x))}


def stateless_draws(x):
    return {"y": x + tf.random.stateless_uniform(tf.shape(x), (1, 2))}


def in_a_loop(x):
    step = lambda x: (python_code(x)["y"],)
    return {"y": tf.while_loop(lambda _: True, step, (x,), maximum_iterations=2)[0]}


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (python_code, "EagerPyFunc, which calls back into Python"),
        (in_a_loop, "EagerPyFunc, which calls back into Python"),
        (numpy_code, "PyFunc, which calls back into Python"),
        (cudnn, "CudnnRNNV3, which runs on NVIDIA GPUs alone"),
        (state, "AssignAddVariableOp, which changes a variable"),
        (draws, "RandomUniform, which draws other numbers under XLA"),
        (stateless_draws, "StatelessRandom.*, which draws other numbers under XLA"),
    ],
)
def test_what_would_not_run_everywhere_is_refused(function, words, tmp_path):
    with pytest.raises(UserError, match=f"holds the operation {words}"):
        export(one(function, x=ROWS), THREE, root=tmp_path, name="toy", card=CARD)
    assert not (tmp_path / "toy").exists()


def test_an_operation_that_servers_do_not_know_is_refused(version):
    graph = saved_graph.read(version)
    _, functions = saved_graph.reached(graph)
    next(iter(functions.values())).node_def.add(name="mine", op="MyOwnLSTM")
    with pytest.raises(UserError, match="MyOwnLSTM, which is none of TensorFlow's own"):
        portability.check(graph)


def test_strings_never_reach_xla(tmp_path):
    """It could end the process: refused before anything runs."""

    @tf.function
    def core(x):
        return x + 1.0

    @tf.function(jit_compile=True)
    def lengths(word):
        return tf.strings.length(word)

    def function(word):
        return {"y": core(tf.cast(lengths(word), tf.float32))}

    inputs = {"word": tf.TensorSpec((None,), tf.string)}
    static = {"x": tf.TensorSpec((2,))}
    made = Served({"serving_default": Endpoint(function, inputs)}, core, static, client="")
    asked = {"serving_default": {"word": np.array(["a", "b"], dtype=object)}}
    with pytest.raises(UserError, match=r"gives strings to .*lengths.*, which is compiled by XLA"):
        export(made, asked, root=tmp_path, name="toy", card="")

    made = Served(made.endpoints, lengths, {"word": tf.TensorSpec((2,), tf.string)}, client="")
    with pytest.raises(ValueError, match=r"core_inputs must be numbers .* Received: word, string"):
        export(made, asked, root=tmp_path, name="toy", card="")


def without_xla(x):
    y = tf.raw_ops.GRUBlockCell(
        x=x,
        h_prev=tf.zeros_like(x),
        w_ru=tf.zeros((6, 6)),
        w_c=tf.zeros((6, 3)),
        b_ru=tf.zeros(6),
        b_c=tf.zeros(3),
    )
    return {"y": y.h}


def test_an_operation_without_a_kernel_is_refused_by_name(tmp_path):
    """A server with a GPU, or a converter for TPUs, would find that out much later."""
    with pytest.raises(UserError, match="holds GRUBlockCell, without a kernel for XLA"):
        export(one(without_xla, x=ROWS), THREE, root=tmp_path, name="toy", card="")


def test_a_core_that_xla_cannot_compile_is_refused(tmp_path, unchecked, monkeypatch):
    """That every operation has a kernel is not enough: it is compiled."""
    monkeypatch.setattr(kernels, "check", lambda *_: None)
    with pytest.raises(RuntimeError, match="the core does not compile under XLA"):
        export(one(without_xla, x=ROWS), THREE, root=tmp_path, name="toy", card="")


def test_a_core_that_no_endpoint_calls_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no endpoint calls the core"):
        export(toy(core=tf.function(lambda x: x)), requests(), root=tmp_path, name="toy", card="")


def test_an_input_without_a_batch_dimension_is_refused(tmp_path):
    made = one(lambda x: {"y": x}, x=tf.TensorSpec((), tf.float32))
    with pytest.raises(ValueError, match=r"batch dimension of None. Received: serving_default x"):
        export(made, THREE, root=tmp_path, name="toy", card="")


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("serving_default", {}, "serving_default must hold length, x. Received: none"),
        ("stream", {"x": [[0.0] * 3]}, "stream must hold seed, step, x. Received: x"),
        (
            "stream_init",
            {"seed": [1], "sed": [1]},
            "stream_init must hold seed. Received: seed, sed",
        ),
    ],
)
def test_a_request_that_does_not_fit_its_endpoint_is_refused(name, given, words, tmp_path):
    with pytest.raises(ValueError, match=f"the request for {words}"):
        export(toy(), {**requests(), name: given}, root=tmp_path, name="toy", card="")


def test_an_endpoint_without_named_outputs_is_refused(tmp_path):
    with pytest.raises(ValueError, match="serving_default must return a dict of named outputs"):
        export(one(lambda x: x, x=ROWS), THREE, root=tmp_path, name="toy", card="")


@pytest.mark.parametrize(
    "function",
    [
        lambda x: {"y": x - tf.reduce_mean(x, axis=0)},
        lambda x: {"y": x + tf.range(tf.shape(x)[0], dtype=tf.float32)[:, None]},
    ],
    ids=["neighbours", "place"],
)
def test_answers_that_depend_on_the_batch_are_refused(function, tmp_path, in_process):
    with pytest.raises(RuntimeError, match=r"serving_default: .* its neighbours or its place"):
        export(one(function, x=ROWS), THREE, root=tmp_path, name="toy", card="")
    assert not (tmp_path / "toy").exists()


def test_other_answers_in_the_bare_process_are_refused(tmp_path, monkeypatch):
    def answers(model_dir, calls):
        return [{"y": inputs["x"] + 0.01} for _, inputs in calls]

    monkeypatch.setattr(bare_check, "answers", answers)
    with pytest.raises(RuntimeError, match="a process without our code gives other answers"):
        export(one(lambda x: {"y": x}, x=ROWS), THREE, root=tmp_path, name="toy", card="")


def test_padding_is_no_difference():
    """A short row's answer is as long as the longest row beside it."""
    apart = export_check.rows_apart(np.array([[1, 2], [3, 4]]), np.array([[1], [5]]))
    np.testing.assert_array_equal(apart, [False, True])


def test_a_model_of_cudnn_layers_is_traced_as_a_loop():
    """Trained on a GPU, served on a CPU."""
    layers = [keras.layers.LSTM(2, use_cudnn=True, return_sequences=True), keras.layers.GRU(2)]
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.Bidirectional(layers[0])])
    model.add(layers[1])
    with portability.without_cudnn(model):
        copies = [model.layers[0].forward_layer, model.layers[0].backward_layer, model.layers[1]]
        assert [layer.use_cudnn for layer in copies] == [False, False, False]
    assert [layer.use_cudnn for layer in copies] == [True, True, "auto"]
