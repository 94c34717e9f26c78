"""The heads are distributions over chords: proven against a key-by-key NADE in plain NumPy."""

import keras
import numpy as np
import pytest

from pipelines.music.heads import BernoulliHead, NADEHead, StrikeHead
from pipelines.music.pieces import KEYS

ROWS, WIDTH, HIDDEN = 5, 6, 7
rng = np.random.default_rng(1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def randomise(layer):
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


def chords(count, density):
    return (rng.random((count, KEYS)) < density).astype("float64")


def nade_key_by_key(head, context, decide):
    """Larochelle and Murray's loop: one key after another, the highest first.

    `decide(key, probability)` is the value of a key; returns the values and the logits."""
    weights = {w.path.split("/", 1)[-1]: w.numpy() for w in head.weights}
    bias = context @ weights["bias/kernel"] + weights["bias/bias"]
    hidden = context @ weights["hidden_bias/kernel"] + weights["hidden_bias/bias"]
    taken, values, logits = 0, np.zeros(KEYS), np.zeros(KEYS)
    for key in reversed(range(KEYS)):
        logits[key] = bias[key] + weights["decoder"][key] @ np.maximum(hidden, 0)
        values[key] = decide(key, sigmoid(logits[key]))
        if values[key] and taken < head.notes:
            hidden, taken = hidden + weights["encoder"][key], taken + 1
    return values, logits


@pytest.fixture
def nade():
    head = NADEHead(HIDDEN, notes=4, dtype="float64")
    head.build((None, WIDTH))
    return randomise(head)


@pytest.mark.parametrize("density", [0.0, 0.03, 0.3], ids=["silent", "chords", "more than notes"])
def test_nade_logits_are_those_of_the_loop_over_keys(nade, density):
    context, sounding = rng.normal(size=(ROWS, WIDTH)), chords(ROWS, density)
    logits = keras.ops.convert_to_numpy(nade(context, sounding))
    for row in range(ROWS):
        _, expected = nade_key_by_key(
            nade, context[row], lambda key, _, row=row: sounding[row, key]
        )
        np.testing.assert_allclose(logits[row], expected, atol=1e-10)


def test_nade_is_normalised_because_no_key_sees_itself_or_those_below(nade):
    context, sounding = rng.normal(size=(1, WIDTH)), np.zeros((1, KEYS))
    sounding[0, [40, 70]] = 1
    logits = keras.ops.convert_to_numpy(nade(context, sounding))[0]
    for key in range(1, KEYS, 7):
        other = sounding.copy()
        other[0, key] = 1 - other[0, key]
        changed = keras.ops.convert_to_numpy(nade(context, other))[0]
        np.testing.assert_allclose(changed[key:], logits[key:], atol=1e-10)
        assert not np.allclose(changed[:key], logits[:key])


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_nade_draws_the_chord_that_going_key_by_key_would_draw(nade, temperature):
    context, thresholds = rng.normal(size=(ROWS, WIDTH)), rng.random((ROWS, KEYS))
    drawn = nade.decide(context, thresholds, np.full((ROWS, 1), temperature))
    for row in range(ROWS):

        def decide(key, probability, row=row):
            logit = np.log(probability) - np.log1p(-probability)
            return thresholds[row, key] < sigmoid(logit / temperature)

        expected, _ = nade_key_by_key(nade, context[row], decide)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(drawn)[row], expected)


def test_nade_samples_follow_its_own_probabilities(nade):
    """Over many draws each key's conditional frequency is the probability the model gives it."""
    count = 4000
    context = np.repeat(rng.normal(size=(1, WIDTH)), count, axis=0)
    drawn = keras.ops.convert_to_numpy(
        nade.decide(context, rng.random((count, KEYS)), np.ones((count, 1)))
    )
    chance = sigmoid(keras.ops.convert_to_numpy(nade(context, drawn)))
    variance = (chance * (1 - chance)).sum(0)
    deviation = ((drawn - chance).sum(0) / np.sqrt(variance))[variance > 20]
    assert len(deviation) > 20
    assert np.abs(deviation).max() < 4.5, "a draw does not follow the logits of the same head"


@pytest.mark.parametrize("kind", ["nade", "bernoulli"])
def test_a_given_voice_is_kept_and_the_keys_above_it_stay_silent(kind, nade):
    head = nade
    if kind == "bernoulli":
        head = BernoulliHead(dtype="float64")
        head.build((None, WIDTH))
        randomise(head)
    thresholds = rng.random((ROWS, KEYS))
    thresholds[:, 60], thresholds[:, 61:] = -1, 2
    drawn = head.decide(rng.normal(size=(ROWS, WIDTH)), thresholds, np.ones((ROWS, 1)))
    drawn = keras.ops.convert_to_numpy(drawn)
    assert (drawn[:, 60] == 1).all()
    assert (drawn[:, 61:] == 0).all()
    assert drawn[:, :60].any()


def test_bernoulli_keys_are_independent_given_the_context():
    head = BernoulliHead(dtype="float64")
    head.build((None, WIDTH))
    randomise(head)
    context, thresholds = rng.normal(size=(ROWS, WIDTH)), rng.random((ROWS, KEYS))
    kernel, bias = (w.numpy() for w in head.weights)
    logits = context @ kernel + bias
    np.testing.assert_allclose(keras.ops.convert_to_numpy(head(context)), logits, atol=1e-12)
    drawn = keras.ops.convert_to_numpy(head.decide(context, thresholds, np.full((ROWS, 1), 2.0)))
    np.testing.assert_array_equal(drawn, thresholds < sigmoid(logits / 2))


def test_strikes_depend_on_the_context_and_on_the_keys():
    head = StrikeHead(dtype="float64")
    head.build((None, WIDTH))
    randomise(head)
    context, sounding = rng.normal(size=(ROWS, WIDTH)), chords(ROWS, 0.1)
    kernel, bias, keys = (w.numpy() for w in head.weights)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(head(context, sounding)),
        context @ kernel + bias + sounding @ keys,
        atol=1e-10,
    )
