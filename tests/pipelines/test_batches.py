"""Batches: nothing lost, nothing doubled, few shapes, the same order after a restart."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest

from pipelines.batches import MOST_BOUNDARIES, Batches, choose_boundaries, cover
from pipelines.evaluation import score
from tests.pipelines.toy import ToySettings, ToyTask, Wave, waves


@pytest.fixture(scope="module")
def task() -> ToyTask:
    task = ToyTask(ToySettings())
    task.learn([Wave("zero", (0.0,))])  # a mean of zero: examples hold the values themselves
    return task


def rows(dataset) -> list[tuple[float, ...]]:
    """The targets of every row of weight, without padding."""
    found = []
    for _, y, weights in dataset.as_numpy_iterator():
        for values, weight in zip(y[..., 0], weights, strict=True):
            count = int(weight.sum())
            assert (weight == (np.arange(len(weight)) < count)).all()
            if count:
                found.append(tuple(values[:count].tolist()))
    return found


def arrays(dataset) -> list[np.ndarray]:
    return [array for batch in dataset.as_numpy_iterator() for array in batch]


def equal(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return len(some) == len(others) and all(map(np.array_equal, some, others))


def test_one_pass_holds_every_record_once(task):
    """Otherwise an evaluation would score too much or too little."""
    records = waves(23)
    dataset = Batches(task, records).once([9, 15, 23])
    expected = [tuple(np.array(wave.values[1:], np.float32).tolist()) for wave in records]
    assert sorted(rows(dataset)) == sorted(expected)


def test_an_epoch_holds_every_record_once(task):
    records = waves(23)
    batches = Batches(task, records)
    lengths = sorted(len(row) + 1 for row in rows(batches.epochs([9, 23], 0, 1)))
    assert lengths == sorted(batches.lengths.tolist())


def test_steps_of_an_epoch_are_known_and_constant(task):
    """fit counts epochs by them, and a restart counts the epochs that are done."""
    batches, boundaries = Batches(task, waves(23)), [9, 15, 23]
    steps = batches.steps(boundaries)
    assert len(list(batches.epochs(boundaries, 0, 5))) == 5 * steps
    assert len(list(batches.once(boundaries))) == batches.once(boundaries).cardinality() == steps


def test_few_shapes_reach_the_model(task):
    """Every shape costs a compilation, under XLA seconds."""
    training, validation = Batches(task, waves(40, seed=1)), Batches(task, waves(9, seed=2))
    boundaries = choose_boundaries(training.lengths, 4)
    seen = {x.shape for x, *_ in training.epochs(boundaries, 0, 3)}
    seen |= {x.shape for x, *_ in validation.once(cover(boundaries, validation.lengths))}
    assert len(seen) <= MOST_BOUNDARIES + 1 <= 8
    assert {shape[0] for shape in seen} == {task.settings.batch_size}


def test_a_restart_sees_what_uninterrupted_training_sees(task):
    batches, boundaries = Batches(task, waves(23)), [15, 23]
    steps = batches.steps(boundaries)
    whole = arrays(batches.epochs(boundaries, 0, 4))
    rest = arrays(Batches(task, waves(23)).epochs(boundaries, 2, 4))
    assert equal(whole[2 * 3 * steps :], rest)


def test_epochs_and_seeds_differ(task):
    """Otherwise every epoch would repeat one order and one augmentation."""
    other = ToyTask(ToySettings(seed=1), task.learnt)
    records, boundaries = waves(23), [23]
    passes = [arrays(Batches(task, records).epochs(boundaries, e, e + 1)) for e in range(3)]
    passes.append(arrays(Batches(other, records).epochs(boundaries, 0, 1)))
    for some, others in itertools.combinations(passes, 2):
        assert not equal(some, others)


def test_augmentation_depends_on_the_record_not_on_its_place(task):
    """A record more or less must not change how the others vary."""
    fewer = sorted(rows(Batches(task, waves(23)[:10]).epochs([23], 0, 1)))
    more = sorted(rows(Batches(task, waves(23)).epochs([23], 0, 1)))
    assert set(fewer) < set(more)


def test_elements_are_computed_once():
    """Decoding may be slow: it must not be repeated every epoch."""
    calls = []

    class Counting(ToyTask):
        def element(self, record):
            calls.append(record.name)
            return super().element(record)

    batches = Batches(Counting(ToySettings(), {"mean": 0.0}), waves(11))
    list(batches.epochs([23], 0, 3)), list(batches.once([23])), list(batches.once([23]))
    assert sorted(calls) == sorted(wave.name for wave in waves(11))


@pytest.mark.parametrize("batch_size", [1, 4, 32])
def test_boundaries_pad_little(batch_size):
    """Oracle: padded steps counted batch by batch, for one boundary and for the chosen ones."""

    def padded(boundaries: list[int]) -> int:
        groups = itertools.groupby(sorted(lengths), lambda n: min(b for b in boundaries if b >= n))
        return sum(-(-len(list(group)) // batch_size) * batch_size * b for b, group in groups)

    lengths = np.random.default_rng(0).geometric(0.05, 300) + 3
    boundaries = choose_boundaries(lengths, batch_size)
    assert boundaries == sorted(set(boundaries))
    assert len(boundaries) <= MOST_BOUNDARIES
    assert boundaries[-1] == lengths.max()
    assert padded(boundaries) < 0.6 * padded([int(lengths.max())])


def test_equal_lengths_need_one_shape():
    assert choose_boundaries(np.full(100, 7), 8) == [7]


def test_longer_records_get_one_more_boundary():
    assert cover([5, 9], np.array([3, 20, 12])) == [5, 9, 20]
    assert cover([5, 9], np.array([3, 9])) == [5, 9]


def test_padding_moves_no_score(task):
    """A piece padded twice as long, or batched with others, scores the same: in `evaluate` and in
    the validation of `fit`, by which the best epoch is chosen."""
    records, model = waves(9), task.model()
    errors = []
    for record in records:
        values = np.array(record.values, np.float32)[None, :, None]
        errors.append(np.square(values[:, 1:] - model(values[:, :-1])).ravel())
    exact = pytest.approx(np.concatenate(errors).mean(), rel=1e-5)
    fitted = task.fit_floors(records)
    model.compile(keras.optimizers.SGD(), **task.compile_arguments())
    for boundaries in ([23], [46], [9, 12, 60]):
        assert score(task, model, fitted, records, boundaries)["metrics"]["mse"] == exact
        batches = Batches(task, records).once(boundaries)
        assert model.evaluate(batches, verbose=0, return_dict=True)["mse"] == exact
