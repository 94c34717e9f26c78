"""The copy problem: what is shown and asked, how it is scored, what the export answers."""

import math

import numpy as np
import pytest
import tensorflow as tf

from pipelines.batches import Batches
from pipelines.errors import UserError
from pipelines.memory.copying import COUNT, CopyTask, RecallAccuracy, StepNats
from pipelines.memory.settings import CopySettings

SETTINGS = {
    "length": 4,
    "units": 3,
    "batch_size": 4,
    "train_size": 6,
    "valid_size": 5,
    "test_size": 6,
}
STEPS = 24


@pytest.fixture(scope="module")
def task():
    task = CopyTask(CopySettings(**SETTINGS))
    task.learn([])
    return task


@pytest.fixture(scope="module")
def test_part(task):
    return task.read(None).parts["test"]


@pytest.fixture(scope="module")
def model(task):
    return task.model()


def test_symbols_are_shown_once_and_asked_after_the_mark(task):
    symbols = np.array([[3, 1, 4, 1, 5, 2, 6, 5, 3, 0]], np.int32)
    x, wanted, weight = task.example({"symbols": tf.constant(symbols)}, tf.constant([STEPS]))
    shown = [*symbols[0], 8, 8, 8, 9, *[8] * COUNT]
    np.testing.assert_array_equal(x, np.eye(10)[[shown]])
    assert wanted.numpy().tolist() == [[8] * (4 + COUNT) + symbols[0].tolist()]
    assert weight.numpy().tolist() == [[1] * STEPS]


def test_ten_symbols_of_eight_kinds(task):
    drawn = np.stack([task.draw(tf.constant([k, 0]))["symbols"] for k in range(200)])
    assert drawn.shape == (200, 10)
    assert set(drawn.ravel()) == set(range(8))
    assert (np.abs(np.bincount(drawn.ravel()) - 250) < 75).all()


def test_the_parts_have_no_sequence_in_common(task):
    drawn = [r.digest() for records in task.read(None).parts.values() for r in records]
    assert len(set(drawn)) == 17


@pytest.mark.parametrize("length", [4, 100])
def test_the_memoryless_floor(length):
    task = CopyTask(CopySettings(**{**SETTINGS, "length": length}))
    parts = task.read(None).parts
    floor = task.floors(task.fit_floors(parts["train"]), parts["test"])["memoryless"]
    assert floor["nll"] == pytest.approx(10 * math.log(8) / (length + 20))
    assert floor["accuracy"] == pytest.approx(1 / 8)


def test_scores_against_numpy(task, model, test_part):
    """nll over all steps, accuracy over the recalled ones; rows that fill a batch do not count."""
    batches = Batches(task, test_part)
    found = task.scores(model, batches.once([STEPS]))
    symbols = np.stack([record.tensors["symbols"] for record in test_part])
    logits = np.asarray(model(np.eye(10, dtype="float32")[task.shown(symbols).numpy()]), "float64")
    wanted = np.concatenate([np.full((6, 4 + COUNT), 8), symbols], axis=1)
    chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    nll = -np.log(np.take_along_axis(chances, wanted[..., None], -1)).mean()
    accuracy = (logits.argmax(-1) == wanted)[:, -COUNT:].mean()
    assert found == pytest.approx({"nll": nll, "accuracy": accuracy}, rel=1e-5)
    model.compile(**task.compile_arguments())
    logs = model.evaluate(batches.once([STEPS]), return_dict=True, verbose=0)
    assert logs["nll"] == pytest.approx(nll, rel=1e-5)
    assert logs["accuracy"] == pytest.approx(accuracy, rel=1e-5)


def test_metrics_come_back_from_their_configs():
    for metric in (StepNats(), RecallAccuracy(name="accuracy")):
        again = type(metric).from_config(metric.get_config())
        assert (again.name, again.dtype) == (metric.name, metric.dtype)


def test_predict_tells_what_was_recalled(task, model, test_part):
    answers = task.predict(model, test_part)
    assert len(answers) == 6
    for answer in answers:
        assert len(answer["recalled"]) == len(answer["shown"]) == COUNT
        same = sum(a == b for a, b in zip(answer["recalled"], answer["shown"], strict=True))
        assert answer["right"] == same
        assert set(answer["shown"]) <= set("abcdefgh")


def test_typed_letters(task, model):
    (answer,) = task.predict(model, task.typed(["abcdefghab"]))
    assert answer["shown"] == "abcdefghab"
    for text in ("abc", "abcdefghix"):
        with pytest.raises(UserError, match=rf"^text 1: expected 10 letters .* {text}"):
            task.typed([text])


def test_the_export_answers_as_predict_does(task, model, test_part):
    endpoint = task.served(model).endpoints["serving_default"]
    answer = endpoint.function(**task.requests(test_part)["serving_default"])
    np.testing.assert_allclose(tf.reduce_sum(answer["probabilities"], -1), 1, rtol=1e-5)
    letters = task.learnt["labels"]
    recalled = ["".join(letters[k] for k in row) for row in answer["answer"][:, -COUNT:].numpy()]
    assert recalled == [row["recalled"] for row in task.predict(model, test_part)[:4]]
