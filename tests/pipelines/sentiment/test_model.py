"""The model: padding takes part in nothing, whatever the pooling, the cell and the direction."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.sentiment.answering import influences
from pipelines.sentiment.model import SentimentModel
from pipelines.sentiment.pooling import AttentionPooling, pool_max, pool_mean

random = np.random.default_rng(0)
IDS = np.zeros((3, 7), np.int32)
for row, length in enumerate((7, 4, 1)):
    IDS[row, :length] = random.integers(1, 9, length)


def model(**arguments):
    made = SentimentModel(
        **{
            "vocabulary": 9,
            "classes": 3,
            "embedding": 4,
            "cell": "lstm",
            "units": 5,
            "layers": 2,
            "pooling": "max",
            **arguments,
        }
    )
    made.build((None, None))
    for weight in made.trainable_weights:
        weight.assign(random.normal(size=weight.shape) / 2)
    return made


def logits(made, ids):
    return made(tf.constant(ids)).numpy()


CASES = [
    *({"pooling": pooling} for pooling in ("last", "mean", "max", "attention")),
    {"pooling": "last", "bidirectional": False},
    {"pooling": "mean", "cell": "keras_gru"},
    {"pooling": "last", "cell": "keras_lstm", "layers": 1},
]


@pytest.mark.parametrize("arguments", CASES, ids=str)
def test_padding_takes_part_in_nothing(arguments):
    """The state after the padding knows the padding: a model that reads it answers by chance, and
    the same text gets another label beside a longer one."""
    made = model(**arguments)
    expected = logits(made, IDS)
    longer = np.pad(IDS, ((0, 0), (0, 9)))
    np.testing.assert_allclose(logits(made, longer), expected, atol=1e-5)
    for row, length in enumerate((7, 4, 1)):
        alone = logits(made, IDS[row : row + 1, :length])
        np.testing.assert_allclose(alone[0], expected[row], atol=1e-5)


@pytest.mark.parametrize("arguments", CASES[:5], ids=str)
def test_every_token_counts(arguments):
    """A mask that is too long, or a state read too early, forgets the end of a text."""
    made = model(**arguments)
    before = logits(made, IDS)
    for place in (0, 3):
        changed = IDS.copy()
        changed[1, place] = 1 + changed[1, place] % 8
        assert abs(logits(made, changed)[1] - before[1]).max() > 1e-4


def test_pooling_by_its_formulas():
    y = random.normal(size=(2, 4, 3)).astype(np.float32)
    mask = np.array([[1, 1, 1, 0], [1, 0, 0, 0]], bool)
    for row in range(2):
        real = y[row, mask[row]]
        np.testing.assert_allclose(pool_mean(y, mask)[row], real.mean(0), atol=1e-6)
        np.testing.assert_allclose(pool_max(y, mask)[row], real.max(0), atol=1e-6)
    layer = AttentionPooling(5)
    layer.build(y.shape)
    w, b, v = (weight.numpy() for weight in layer.trainable_weights)
    for row in range(2):
        real = y[row, mask[row]]
        scores = (np.tanh(real @ w + b) @ v)[:, 0]
        weights = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(layer(y, mask)[row], weights @ real, atol=1e-5)
        found = layer.weights_of(y, mask)[row].numpy()
        np.testing.assert_allclose(found[mask[row]], weights, atol=1e-5)
        assert not found[~mask[row]].any()


def test_a_row_of_padding_alone_spoils_nothing():
    """Rows that only fill a batch have weight zero; nan times zero would still be nan."""
    for pooling in ("mean", "max", "attention"):
        assert np.isfinite(logits(model(pooling=pooling), np.zeros((2, 3), np.int32))).all()


def test_a_saved_model_comes_back_without_help(tmp_path):
    made = model(pooling="attention")
    made.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(logits(again, IDS), logits(made, IDS), atol=1e-6)


def test_pretrained_rows_take_their_places():
    made = model()
    before = made.embedding.embeddings.numpy()
    rows = random.normal(size=(7, 4)).astype(np.float32)
    found = np.array([True, False, True, False, False, False, True])
    made.set_embeddings(rows, 2, found)
    after = made.embedding.embeddings.numpy()
    np.testing.assert_array_equal(after[2:][found], rows[found])
    np.testing.assert_array_equal(after[2:][~found], before[2:][~found])
    np.testing.assert_array_equal(after[:2], before[:2])


def odds(made, embedded, mask, chosen):
    values = made.classify(tf.constant(embedded), tf.constant(mask)).numpy()[0].astype(float)
    return values[chosen] - np.log(np.exp(np.delete(values, chosen)).sum())


def test_influences_are_what_finite_differences_say():
    """x . ds/dx is the slope of the log-odds when an embedding is stretched."""
    made = model(layers=1)
    found = influences(made, tf.constant(IDS)).numpy()
    assert not found[IDS == 0].any()
    for row in range(3):
        ids = IDS[row : row + 1]
        embedded, mask = made.embedding(ids).numpy(), ids != 0
        chosen = int(logits(made, ids)[0].argmax())
        for t in np.flatnonzero(mask[0]):
            ends = []
            for step in (1e-2, -1e-2):
                moved = embedded.copy()
                moved[0, t] *= 1 + step
                ends.append(odds(made, moved, mask, chosen))
            assert found[row, t] == pytest.approx((ends[0] - ends[1]) / 2e-2, abs=3e-3)
