"""The model: padding changes nothing, rules hold, words drop in training alone, files reload."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnkit
from pipelines.ner import schemes
from pipelines.ner.encoding import Encoding
from pipelines.ner.model import WordDropout, tagger
from pipelines.text.vocabulary import UNKNOWN

LABELS = ["O", "B-X", "I-X", "E-X", "S-X"]
WORDS = ["ada", "went", "to", "paris"]


@pytest.fixture(scope="module")
def encode():
    return Encoding(WORDS, list("adwentopris"))


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(2)
    model = tagger(
        labels=LABELS,
        scheme="IOBES",
        words=6,
        characters=13,
        cell="gru",
        units=5,
        layers=2,
        dropout=0.5,
        embedding=4,
        word_dropout=0.5,
        character_embedding=3,
        character_units=3,
    )
    model.get_layer("crf").set_weights(
        [keras.random.normal(w.shape, seed=3) for w in model.get_layer("crf").weights]
    )
    return model


def decoded(model, features):
    return rnnkit.CRFDecoder()(model(features)).numpy()


SENTENCES = [["Ada", "went", "to", "Paris"], ["paris", "", "", ""], ["to", "ada", "", ""]]


def test_padding_changes_no_score(model, encode):
    """Reading a state behind the end of a sentence, or a word, would move these."""
    loss = rnnkit.CRFLoss(reduction=None)
    tags = np.array([[0, 1, 3, 4], [4, 0, 0, 0], [0, 4, 0, 0]])
    short = loss(tags, model(encode(tf.constant(SENTENCES))))
    padded = encode(tf.constant([[*row, "", "", ""] for row in SENTENCES]))
    wide = loss(np.pad(tags, ((0, 0), (0, 3))), model(padded))
    np.testing.assert_allclose(short, wide, rtol=1e-5)
    for k, row in enumerate(SENTENCES):
        words = [word for word in row if word]
        alone = loss(tags[k : k + 1, : len(words)], model(encode(tf.constant([words]))))
        np.testing.assert_allclose(short[k], alone[0], rtol=1e-5)


def test_every_word_of_a_sentence_can_move_every_tag(model, encode):
    """Both directions and both layers are there."""
    marginals = rnnkit.CRFMarginals()
    plain = marginals(model(encode(tf.constant([["to", "to", "to", "to"]])))).numpy()[0]
    for place in (0, 3):
        words = ["to"] * 4
        words[place] = "Ada"
        other = marginals(model(encode(tf.constant([words])))).numpy()[0]
        assert (np.abs(other - plain).max(axis=-1) > 1e-6).all()


def test_predictions_break_no_rule_of_the_scheme(model, encode):
    random = np.random.default_rng(0)
    for _ in range(8):
        tokens = random.choice([*WORDS, "Ada", "new"], (16, 9))
        for row in decoded(model, encode(tf.constant(tokens))):
            assert not [*schemes.violations([LABELS[tag] for tag in row], "iobes")]


def test_words_drop_in_training_alone_and_padding_never():
    layer = WordDropout(0.25, seed=1)
    words = np.tile(np.array([0, UNKNOWN, 2, 3]), (500, 1))
    np.testing.assert_array_equal(layer(words), words)
    dropped = np.array(layer(words, training=True))
    np.testing.assert_array_equal(dropped[:, :2], words[:, :2])
    assert (dropped[:, 2:] == UNKNOWN).mean() == pytest.approx(0.25, abs=0.05)


def test_a_keras_file_reloads(model, encode, tmp_path):
    model.save(tmp_path / "model.keras")
    features = encode(tf.constant(SENTENCES))
    reloaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(decoded(reloaded, features), decoded(model, features))
