"""The adding problem: what is drawn, how it is scored, and that a net with gates learns it; and
what it shares with the copy problem, the biases of gates and the truncation of gradients."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import pipelines
import rnnkit
from pipelines.batches import Batches
from pipelines.cells import recurrent_layer
from pipelines.errors import UserError
from pipelines.memory.adding import AddingTask
from pipelines.memory.model import KEEPING, set_chrono_biases
from pipelines.memory.settings import AddingSettings
from pipelines.sources import load
from tests import zoo

SMALL = {"length": 7, "units": 3, "batch_size": 4}
SIZES = {"train_size": 9, "valid_size": 5, "test_size": 6}


def task(**settings):
    return AddingTask(AddingSettings(**{**SMALL, **SIZES, **settings}))


def parts(**settings):
    return task(**settings).read(None).parts


def test_the_answer_is_the_sum_of_the_two_marked_numbers():
    records = parts(train_size=300)["train"]
    places = []
    for record in records:
        x, total = record.tensors["x"], record.tensors["sum"]
        assert x.shape == (7, 2)
        numbers, marks = x.T
        assert ((numbers >= 0) & (numbers < 1)).all()
        first, second = np.flatnonzero(marks)
        assert set(marks) == {0, 1}
        assert total == pytest.approx(numbers[first] + numbers[second], abs=1e-6)
        places.append((first, second))
    firsts, seconds = (set(column) for column in zip(*places, strict=True))
    assert firsts == {0, 1, 2}, "one mark is in the first half"
    assert seconds == {3, 4, 5, 6}, "one mark is in the second half"


def test_the_parts_have_no_sequence_in_common_and_follow_from_the_seed():
    loaded = load(task())
    assert {part: len(records) for part, records in loaded.parts.items()} == {
        "train": 9,
        "valid": 5,
        "test": 6,
    }
    assert loaded.leaks == []
    digests = {record.digest() for records in loaded.parts.values() for record in records}
    assert len(digests) == 20
    assert load(task()).fingerprint == loaded.fingerprint
    assert load(task(seed=1)).fingerprint != loaded.fingerprint


def test_every_epoch_trains_on_new_sequences():
    """Nothing can be learnt by heart; and an interrupted run sees what it would have seen."""
    adding = task()
    batches = Batches(adding, adding.read(None).parts["train"])
    boundaries = [7]
    steps = batches.steps(boundaries)
    both = [x.numpy() for x, _, _ in batches.epochs(boundaries, 0, 2)]
    rows = np.concatenate(both).reshape(-1, 14)
    real = rows[np.abs(rows).sum(1) > 0]
    assert len(real) == 18
    assert len(np.unique(real, axis=0)) == 18
    second = [x.numpy() for x, _, _ in batches.epochs(boundaries, 1, 2)]
    np.testing.assert_array_equal(both[steps:], second)


def test_predicting_the_mean_costs_a_sixth():
    adding = task(train_size=1000, test_size=2000)
    drawn = adding.read(None).parts
    floor = adding.floors(adding.fit_floors(drawn["train"]), drawn["test"])
    assert floor["mean"]["mse"] == pytest.approx(1 / 6, rel=0.05)


def test_scores_are_those_of_the_predictions():
    """Over all sequences, whatever fills the last batch."""
    adding = task()
    test = adding.read(None).parts["test"]
    model = adding.model()
    answers = adding.predict(model, test)
    assert [answer["name"] for answer in answers] == [f"test {k}" for k in range(1, 7)]
    wanted = np.array([record.tensors["sum"] for record in test])
    found = np.array([answer["sum"] for answer in answers])
    scores = adding.scores(model, Batches(adding, test).once([7]))
    assert scores["mse"] == pytest.approx(np.mean((found - wanted) ** 2), rel=1e-5)
    model.compile(**adding.compile_arguments())
    logs = model.evaluate(Batches(adding, test).once([7]), return_dict=True, verbose=0)
    assert logs["mse"] == pytest.approx(scores["mse"], rel=1e-5)


def test_the_export_answers_as_predict_does():
    adding = task()
    test = adding.read(None).parts["test"]
    model = adding.model()
    endpoint = adding.served(model).endpoints["serving_default"]
    answer = endpoint.function(**adding.requests(test)["serving_default"])
    expected = [row["sum"] for row in adding.predict(model, test)[:4]]
    np.testing.assert_allclose(answer["sum"], expected, rtol=1e-5)


def test_typed_sequences_of_any_length():
    adding = task()
    records = adding.typed([".25 .5* 0 1*", "1* 1*", "1* .1 .2*"])
    assert records[0].tensors["x"].tolist() == [[0.25, 0], [0.5, 1], [0, 0], [1, 1]]
    answers = adding.predict(adding.model(), records)
    assert [round(answer["true_sum"], 4) for answer in answers] == [1.5, 2, 1.2]


@pytest.mark.parametrize("text", ["", "a* b*", ".1* .2", ".1* .2* .3*", "-1* .5*", "nan* .5*"])
def test_other_words_are_told(text):
    with pytest.raises(UserError, match=r"^text 2: expected numbers .* Example:"):
        task().typed([".1* .2*", text])


@pytest.mark.parametrize("name", ["adding", "copy"])
def test_data_are_refused_in_one_line(name):
    module, _, kind = pipelines.TASKS[name].task.partition(":")
    cls = getattr(importlib.import_module(module), kind)
    with pytest.raises(UserError, match=f"^numbers.csv: .*{name} draws its own.*--length") as told:
        cls(cls.Settings()).read("numbers.csv")
    assert "\n" not in str(told.value)


def test_a_net_with_gates_learns_it():
    adding = task(length=10, units=16, cell="gru", train_size=2000, batch_size=50)
    keras.utils.set_random_seed(0)
    model = adding.model()
    model.compile(keras.optimizers.Adam(0.02), **adding.compile_arguments())
    drawn = adding.read(None).parts
    batches = Batches(adding, drawn["train"]).epochs([10], 0, 5)
    model.fit(batches, epochs=5, steps_per_epoch=40, verbose=0)
    score = adding.scores(model, Batches(adding, drawn["train"]).once([10]))
    assert score["mse"] < 0.02


# --- what both tasks have -------------------------------------------------------------------------

WITHOUT_GATES = {"vanilla", "output_recurrent", "indrnn", "keras_simple_rnn"}


@pytest.mark.parametrize("name", sorted(set(rnnkit.CELLS) - WITHOUT_GATES))
def test_gates_start_with_memories_of_all_lengths(name):
    """A unit keeps t / (1 + t) of its memory a step, its t between 1 and all steps: the state after
    a step in which nothing but the biases speaks."""
    kind = rnnkit.CELLS[name]
    cell = kind(500).cell if issubclass(kind, keras.layers.RNN) else kind(500)
    assert type(cell) in KEEPING, f"{name}: say in pipelines/memory/model.py which gates keep"
    cell.build((None, 2))
    set_chrono_biases(cell, 50, seed=1)
    for weight in cell.weights:
        if weight is not cell.bias:
            weight.assign(np.zeros(weight.shape))
    states = [tf.ones_like(state) for state in cell.get_initial_state(1)]
    *_, memory = cell(tf.zeros((1, 2)), states)[1]
    kept = np.sort(np.ravel(memory))
    lengths = kept / (1 - kept)
    assert lengths[0] == pytest.approx(1, abs=0.5)
    assert lengths[-1] == pytest.approx(49, abs=1)
    assert np.mean(lengths) == pytest.approx(25, abs=2)


@pytest.mark.parametrize("name", sorted(WITHOUT_GATES))
def test_cells_without_gates_stay_as_they_are(name):
    layer = recurrent_layer(name, 3)
    layer.build((None, None, 2))
    before = layer.get_weights()
    set_chrono_biases(layer.cell, 50, seed=1)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_cells_own_biases_can_be_kept():
    model = task(gate_bias="cell").model()
    bias = keras.ops.convert_to_numpy(model.get_layer("recurrent_0").cell.bias)
    assert bias.tolist() == [0] * 3 + [1] * 3 + [0] * 6  # i, f, g, o


@pytest.mark.parametrize("name", zoo.TASKS)
def test_bptt_steps_reach_every_recurrent_layer(name, tmp_path):
    """The option is not for show: each task's layers cut the gradient."""
    module, _, kind = pipelines.TASKS[name].task.partition(":")
    cls = getattr(importlib.import_module(module), kind)
    sample = zoo.TASKS[name]
    source = None if sample.write is None else str(sample.write(tmp_path))
    problem = cls(cls.Settings(**{**sample.settings, "cell": "lstm", "bptt_steps": 2}))
    problem.learn(load(problem, source).parts["train"])
    layers = [x for x in problem.model()._flatten_layers() if isinstance(x, rnnkit.RNN)]
    assert layers
    assert all(layer.truncate_gradient == 2 for layer in layers)


def test_layers_of_keras_cannot_cut_the_gradient():
    with pytest.raises(
        UserError, match=r"--bptt-steps needs .*keras_gru --bptt-steps 5.*--cell gru"
    ):
        recurrent_layer("keras_gru", 4, truncate_gradient=5)
    recurrent_layer("keras_gru", 4, truncate_gradient=None)
