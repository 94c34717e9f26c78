"""The model: both strands, padding, places, pooling; the letters that training hides."""

from __future__ import annotations

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.batches import Batches
from pipelines.dna.alphabets import ALPHABETS
from pipelines.dna.model import DNAModel
from pipelines.dna.scoring import bytes_of, score_all, scorer
from pipelines.dna.sequences import BioSequence
from pipelines.dna.settings import DNASettings
from pipelines.dna.task import DNATask
from pipelines.errors import UserError

DNA = ALPHABETS["dna"]
ARGUMENTS = {
    "alphabet": "dna",
    "ambiguous": "mean",
    "kmer": 1,
    "labels": 3,
    "cell": "gru",
    "units": 4,
    "layers": 1,
    "dropout": 0.0,
    "filters": 5,
    "filter_width": 3,
    "pool": 1,
    "strands": "one",
    "per_base": False,
}


def random_model(**changes) -> DNAModel:
    """With weights that are nowhere zero, so that every path matters."""
    model = DNAModel(**{**ARGUMENTS, **changes})
    model.build((None, None))
    random = np.random.default_rng(0)
    model.set_weights([random.normal(0, 0.4, w.shape) for w in model.get_weights()])
    return model


def answers(model: DNAModel, *sequences: str) -> list[np.ndarray]:
    return list(score_all(traced(model), sequences))


traced = functools.lru_cache(maxsize=2)(scorer)  # tracing takes most of the time here


@pytest.mark.parametrize(("per_base", "kmer"), [(False, 2), (True, 1)])
def test_both_strands_answer_alike(per_base, kmer):
    """With --strands both, it cannot matter which strand was sequenced; ambiguous letters too."""
    model = random_model(strands="both", per_base=per_base, kmer=kmer)
    sequence = "AACGTRCCNAT"
    one, other = answers(model, sequence), answers(model, DNA.reverse_complement(sequence))
    if per_base:
        np.testing.assert_allclose(one[0], other[0][::-1], atol=1e-5)
    else:
        np.testing.assert_allclose(one, other, atol=1e-5)
    alone = random_model(per_base=per_base, kmer=kmer)
    mean = (answers(alone, sequence)[0] + _turned(alone, sequence, per_base)) / 2
    np.testing.assert_allclose(one[0], mean, atol=1e-5)


def _turned(model: DNAModel, sequence: str, per_base: bool) -> np.ndarray:
    (found,) = answers(model, DNA.reverse_complement(sequence))
    return found[::-1] if per_base else found


@pytest.mark.parametrize(
    "changes",
    [
        {"pool": 3, "layers": 2},
        {"per_base": True, "cell": "keras_gru"},
        {"strands": "both", "cell": "lstm"},
    ],
)
def test_padding_changes_nothing(changes):
    """A sequence beside a longer one gets what it gets alone, also where steps are pooled."""
    model = random_model(**changes)
    short, long = "ACGTACGGT", "TTGACAGGATCATATAATGGCA"
    beside = answers(model, short, long)
    np.testing.assert_allclose(beside[0], answers(model, short)[0], atol=1e-5)
    np.testing.assert_allclose(beside[1], answers(model, long)[0], atol=1e-5)


@pytest.mark.parametrize("changes", [{"length": 12, "pool": 5}, {"per_base": True}])
def test_the_model_survives_its_file(changes, tmp_path):
    model = random_model(**changes)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    sequence = "ACGTNACGTACG"
    np.testing.assert_allclose(answers(model, sequence), answers(again, sequence), atol=1e-6)


def test_only_places_tell_the_middle_from_the_ends():
    """The net of aligned windows can begin from a weight matrix: with nothing else it is one."""
    model = DNAModel(**{**ARGUMENTS, "length": 6})
    model.build((None, None))
    model.answer.kernel.assign(np.zeros(model.answer.kernel.shape))
    matrix = np.random.default_rng(0).normal(size=(6, 4, 3))
    model.matrix.weight.assign(matrix)
    sequence = "ACGRTT"
    vectors = DNA.vectors()[DNA.codes[bytes_of([sequence])[0]]]
    logits = sum(vectors[t] @ matrix[t] for t in range(6))
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(answers(model, sequence)[0], expected, atol=1e-5)


# --- what training sees --------------------------------------------------------------------------


def task_of(**settings) -> DNATask:
    task = DNATask(DNASettings(units=4, filters=4, batch_size=4, **settings))
    task.learnt = {"labels": ["a", "b"], "length": None, "pool": 1}
    return task


def test_training_hides_letters_and_scoring_does_not():
    """Hidden letters in the scores would make a good model look bad, and change with the seed."""
    task = task_of(hide=0.5)
    records = [BioSequence(str(k), "ACGT" * 25, label="a") for k in range(4)]
    batches = Batches(task, records)
    (codes, _, _) = next(iter(batches.once([100])))
    assert set(np.unique(codes)) == {1, 2, 3, 4}
    (hidden, _, _) = next(iter(batches.epochs([100], 0, 1)))
    unknown = DNA.codes[ord("N")]
    assert 0.35 < np.mean(hidden.numpy() == unknown) < 0.65
    (later, _, _) = next(iter(batches.epochs([100], 1, 2)))
    assert np.any(hidden.numpy() != later.numpy())


def test_half_of_the_training_sequences_are_turned_round():
    task = task_of(hide=0.0, strands="both", per_base=True)
    letters, labels = "AACGRT", ("a", "a", "a", "b", "b", "b")
    records = [BioSequence(str(k), letters, labels=labels) for k in range(64)]
    seen = set()
    count = 0
    for codes, label, _ in Batches(task, records).epochs([6], 0, 1):
        for row, names in zip(codes.numpy(), label.numpy(), strict=True):
            text = "".join(DNA.symbols[code - 1] for code in row)
            seen.add((text, tuple(names)))
            count += text == letters
    other = DNA.reverse_complement(letters)
    assert seen == {(letters, (0, 0, 0, 1, 1, 1)), (other, (1, 1, 1, 0, 0, 0))}
    assert 16 < count < 48


def test_pooling_leaves_long_sequences_a_hundred_steps():
    task = DNATask(DNASettings())
    records = [BioSequence(k, "ACGT" * 150, label=k) for k in "ab"]
    assert task.learn(records) == {"labels": ["a", "b"], "length": 600, "pool": 6}
    lengths = zip(records, (5, 9), strict=True)
    short = [dataclasses.replace(record, letters="ACGT" * k) for record, k in lengths]
    assert task.learn(short) == {"labels": ["a", "b"], "length": None, "pool": 1}


def test_one_class_is_told_before_training():
    with pytest.raises(UserError, match=r"at least two labels.*--negatives shuffle"):
        DNATask(DNASettings()).learn([BioSequence("x", "ACGT", label="a")])


def test_a_length_the_model_cannot_take_is_told():
    train = [BioSequence("x", "ACGT", label="a"), BioSequence("y", "ACGG", label="b")]
    task = DNATask(DNASettings())
    with pytest.raises(UserError, match=r"z: 5 letters in the test part, .* have 4"):
        task.check_parts({"train": train, "test": [BioSequence("z", "ACGTA", label="a")]})
    with pytest.raises(UserError, match=r"z: label c stands in the test part"):
        task.check_parts({"train": train, "test": [BioSequence("z", "ACGA", label="c")]})


def test_gradients_reach_every_weight():
    """A layer that is built and not used would only look like one."""
    model = random_model(length=12, pool=2)
    codes = tf.constant(DNA.codes[bytes_of(["ACGTNACGTACG", "TTGACAGGATCA"])], tf.int32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(codes, training=True)[:, 0] ** 2)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_variables])
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.any(gradient.numpy() != 0), weight.path
