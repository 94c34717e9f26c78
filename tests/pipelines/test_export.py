"""An export runs without our code, answers as the run does, and is whole or not there."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines import bare_check, export_check, kernels, portability, saved_graph, warmup
from pipelines import export as export_module
from pipelines.errors import UserError
from pipelines.export import export
from pipelines.task import Endpoint, Served
from pipelines.versions import versions
from tests.pipelines.served_toy import CARD, one, requests, toy

ROWS = tf.TensorSpec((None, 3))
THREE = {"serving_default": {"x": np.eye(3, dtype="float32")}}


@pytest.fixture(scope="module")
def served():
    keras.utils.set_random_seed(0)
    return toy()


@pytest.fixture(scope="module")
def version(served, tmp_path_factory):
    """The first version of the toy, through every check."""
    root = tmp_path_factory.mktemp("models")
    return export(served, requests(), root=root, name="toy", card=CARD)


@pytest.fixture(scope="module")
def loaded(version):
    return tf.saved_model.load(str(version))


@pytest.fixture
def unchecked(monkeypatch):
    """Without the slow process; what is tested then happens before it."""
    monkeypatch.setattr(export_module, "check_answers", lambda *_: None)


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


def answer(loaded, name, inputs):
    tensors = {key: tf.constant(value) for key, value in inputs.items()}
    return {key: value.numpy() for key, value in loaded.signatures[name](**tensors).items()}


# --- what is there -------------------------------------------------------------------------------


def test_the_first_version_is_1_and_holds_what_a_server_and_a_reader_need(version):
    assert version.name == "1"
    for name in (
        "saved_model.pb",
        "batching_parameters.txt",
        "client.py",
        "client.sh",
        "signature.json",
    ):
        assert (version / name).is_file()
    card = (version / "README.md").read_text()
    assert card.startswith("# toy\n")
    assert "A model for tests." in card
    assert "plots/" not in card  # they stay with the run
    assert "| stream input x | float32 (?, 3) |" in card
    assert [each.name for each in version.parent.iterdir()] == ["1"]


def test_the_core_is_an_alias_and_no_endpoint(version):
    """A converter for TPUs finds the numeric part; a client cannot call it."""
    graph = saved_graph.read(version)
    aliases = graph.meta_info_def.function_aliases
    assert "tpu_func" in [
        aliases[name] for name in saved_graph.reached(graph)[1] if name in aliases
    ]
    assert set(saved_graph.signatures(graph)) == {"serving_default", "stream", "stream_init"}


def test_all_of_the_core_can_be_lowered_by_xla_and_strings_stay_outside(version):
    """The table of `rnnkit inspect`; an operation of the core without a kernel would be a server
    that cannot load it."""
    graph = saved_graph.read(version)
    found = kernels.table(graph, saved_graph.CORE)
    core = {name: row for name, row in found.items() if row["core"]}
    assert {"MatMul", "Sigmoid"} <= core.keys() < found.keys()
    for row in core.values():
        assert row["cpu"]
        assert row["xla"]
        assert row["gpu"] is not False
    assert not kernels._devices("StringLower")["xla"]
    assert not any(kernels._devices("NoSuchOperation").values())


def test_the_curl_client_asks_for_the_first_real_row(version):
    script = (version / "client.sh").read_text()
    subprocess.run(["sh", "-n", "-c", script], check=True)
    assert "/v1/models/toy:predict" in script
    (row,) = json.loads(script.partition("<<'END'\n")[2].partition("\nEND\n")[0])["instances"]
    for name, value in requests()["serving_default"].items():
        np.testing.assert_allclose(row[name], value[0], rtol=1e-6)


def test_only_weights_are_stored(version, served):
    weights = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    shapes = weights.get_variable_to_shape_map()
    shapes.pop("_CHECKPOINTABLE_OBJECT_GRAPH")
    assert sorted(map(tuple, shapes.values())) == [(2,), (2, 15), (3, 15), (5, 2), (5, 15)]


# --- answers -------------------------------------------------------------------------------------


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


# --- versions ------------------------------------------------------------------------------------


def test_a_second_export_is_version_2_and_another_signature_needs_force(
    version, unchecked, tmp_path, monkeypatch
):
    """A client of the last version goes on working, unless its owner says otherwise."""
    shutil.copytree(version, tmp_path / "toy" / "9")

    def go(units, **more):
        return export(toy(units), requests(), root=tmp_path, name="toy", card=CARD, **more)

    assert go(5).name == "10"
    with pytest.raises(UserError, match=r"toy/10: .*was float32 \(\?, 5\).*\(\?, 6\).*--force"):
        go(6)
    with pytest.raises(UserError, match=r"the labels: was None, would be \['a', 'b'\].*--force"):
        go(5, labels=["a", "b"])
    assert versions(tmp_path / "toy") == [9, 10]
    assert go(6, labels=["a", "b"], force=True).name == "11"
    assert sorted(each.name for each in (tmp_path / "toy").iterdir()) == ["10", "11", "9"]


def test_a_model_of_somebody_else_is_not_followed(unchecked, tmp_path):
    (tmp_path / "toy" / "1").mkdir(parents=True)
    with pytest.raises(UserError, match="was not exported by rnnkit"):
        export(toy(), requests(), root=tmp_path, name="toy", card=CARD)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, MemoryError])
def test_an_export_that_is_interrupted_leaves_nothing(fault, monkeypatch, tmp_path):
    def fail(*_):
        raise fault

    monkeypatch.setattr(export_module, "check_answers", fail)
    with pytest.raises(fault):
        export(one(lambda x: {"y": x}, x=ROWS), THREE, root=tmp_path / "a", name="b", card="")
    assert not (tmp_path / "a" / "b").exists()


KILLED = """
import os, signal, sys
import tensorflow as tf
from pipelines import export as module
from tests.pipelines.served_toy import CARD, requests, toy

module.check_answers = lambda *_: None
if "at the end" in sys.argv:
    module.publish = lambda place: os.kill(os.getpid(), signal.SIGKILL)
served = toy()
print("ready", flush=True)
while True:
    module.export(served, requests(), root=sys.argv[1], name="toy", card=CARD)
"""


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )


def test_killed_before_the_last_instant_there_is_no_version(tmp_path, unchecked):
    """The whole draft lies there; no server looks at it, and a later export clears it away."""
    assert start(tmp_path, "at the end").wait() == -signal.SIGKILL
    (draft,) = (tmp_path / "toy").iterdir()
    assert versions(tmp_path / "toy") == []
    assert (draft / "saved_model.pb").exists()
    os.utime(draft, (0, 0))
    assert export(toy(), requests(), root=tmp_path, name="toy", card=CARD).name == "1"
    assert not draft.exists()


@pytest.mark.prove
def test_killed_at_any_moment_every_version_is_whole(tmp_path, record_property):
    """SIGKILL at random moments of exports in a row, with a watcher that opens each version the
    instant it appears."""
    folder, random, seen = tmp_path / "toy", np.random.default_rng(0), {}

    def watch(until):
        while not until():
            for number in set(versions(folder)) - set(seen):
                path = folder / str(number)
                saved_graph.read(path)
                assert len(warmup.read(path)) == 3
                seen[number] = sorted(each.relative_to(path) for each in path.rglob("*"))

    kills, seconds = 20, 0.0
    for kill in range(kills):
        process = start(tmp_path)
        process.stdout.readline()
        began = time.monotonic()
        if kill == 0:  # learns how long two exports take here
            watch(lambda: len(seen) == 2)
            seconds = time.monotonic() - began
        end = began + random.uniform(0, seconds)
        watch(lambda end=end: time.monotonic() > end)
        process.kill()
        process.wait()
        process.stdout.close()
    watch(lambda: set(versions(folder)) == set(seen))
    assert all(files == seen[1] for files in seen.values())
    record_property("kills", kills)
    record_property("versions", len(seen))


# --- the place -----------------------------------------------------------------------------------


def test_a_target_that_is_a_file_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    for root, name in [("file", "toy"), (".", "file")]:
        with pytest.raises(UserError, match=r"cannot write the export: .*--root") as caught:
            export(toy(), requests(), root=tmp_path / root, name=name, card=CARD)
        assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_no_permission_is_one_clear_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot write the export: Permission denied"):
        export(toy(), requests(), root=tmp_path, name="toy", card=CARD)


def test_a_full_disk_is_one_clear_line(tmp_path, unchecked):
    """A limit on the size of files stands in for the end of the disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        with pytest.raises(UserError, match="cannot write the export: File too large") as caught:
            export(toy(), requests(), root=tmp_path / "a", name="toy", card=CARD)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a" / "toy").exists()


def test_no_space_for_what_stands_beside_the_model(tmp_path, unchecked, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(warmup, "write", full)
    with pytest.raises(UserError, match="cannot write the export: No space left on device"):
        export(one(lambda x: {"y": x}, x=ROWS), THREE, root=tmp_path, name="toy", card=CARD)
    assert not (tmp_path / "toy").exists()


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden"])
def test_a_name_is_no_path(name, tmp_path):
    with pytest.raises(UserError, match="--name must be"):
        export(toy(), requests(), root=tmp_path, name=name, card=CARD)


# --- what is refused -----------------------------------------------------------------------------


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


def test_a_core_that_xla_cannot_compile_is_refused(tmp_path, unchecked):
    def core(x):
        y = tf.raw_ops.GRUBlockCell(
            x=x,
            h_prev=tf.zeros_like(x),
            w_ru=tf.zeros((6, 6)),
            w_c=tf.zeros((6, 3)),
            b_ru=tf.zeros(6),
            b_c=tf.zeros(3),
        )
        return {"y": y.h}

    with pytest.raises(RuntimeError, match="the core does not compile under XLA"):
        export(one(core, x=ROWS), THREE, root=tmp_path, name="toy", card="")


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
    apart = export_check._rows_apart(np.array([[1, 2], [3, 4]]), np.array([[1], [5]]))
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
