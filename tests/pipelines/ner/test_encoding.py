"""Tokens as numbers: the same eagerly, in a data set and whatever stands beside them."""

import numpy as np
import pytest
import tensorflow as tf

from pipelines.ner.encoding import LONGEST, SHAPES, Encoding, learn_words, normal, shorten


@pytest.fixture(scope="module")
def encode():
    return Encoding(["paris", "0000", "straße"], list("Paris🎷"))


def shapes(encode, token):
    found = encode(tf.constant([[token]]))["shapes"].numpy()[0, 0]
    return {name for name, value in zip(SHAPES, found, strict=True) if value}


def test_words_characters_and_padding(encode):
    found = encode(tf.constant([["Paris", "1984", "x"], ["🎷", "", ""]]))
    assert found["words"].numpy().tolist() == [[2, 3, 1], [1, 0, 0]]
    characters = found["characters"].numpy()
    assert characters.shape == (2, 3, LONGEST)
    assert characters[0, 0, :6].tolist() == [2, 3, 4, 5, 6, 0]
    assert characters[0, 2, 0] == 1
    assert characters[1, 0, 0] == 7
    assert not characters[1, 1:].any()


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("Ada", {"begins with a capital", "has a small letter"}),
        ("NASA", {"begins with a capital", "has capitals and no small letter"}),
        ("iPhone", {"has a capital behind a small letter", "has a small letter"}),
        ("Ünal", {"begins with a capital", "has a small letter"}),
        ("2nd", {"has a digit", "has a small letter"}),
        ("3.50", {"has a digit", "has digits and no letter"}),
        ("...", {"has neither letters nor digits"}),
        ("@ada", {"is a name or subject of a post", "has a small letter"}),
    ],
)
def test_shapes(encode, token, expected):
    assert shapes(encode, token) == expected


def test_long_words_keep_both_ends():
    found = shorten(tf.constant([["x" * 15 + "ünabhängigkeit", "kurz", ""]])).numpy()[0]
    assert [word.decode() for word in found] == ["x" * 10 + "hängigkeit"[-10:], "kurz", ""]


def test_the_same_alone_and_among_others(encode):
    """A served sentence is read as it is, whatever shares its batch."""
    rows = [["Paris", "is", "longer-than-twenty-characters"], ["a", "", ""]]
    together = encode(tf.constant(rows))
    for k, row in enumerate(rows):
        alone = encode(tf.constant([row]))
        for name, values in alone.items():
            np.testing.assert_array_equal(values[0], together[name][k])


def test_the_same_in_a_data_set(encode):
    """Eager operations and those of tf.data may differ; training would read other numbers."""
    tokens = tf.constant([["Paris", "Straße", "1999"], ["ÉTÉ", "", ""]])
    (mapped,) = tf.data.Dataset.from_tensors(tokens).map(encode)
    for name, values in encode(tokens).items():
        np.testing.assert_array_equal(values, mapped[name])


def test_a_batch_without_tokens(encode):
    assert encode(tf.zeros((0, 3), tf.string))["words"].shape == (0, 3)


def test_broken_utf8_is_no_error(encode):
    """A served model must answer whatever bytes a client sends."""
    assert encode(tf.constant([[b"\xff\xfe"]]))["words"].numpy().tolist() == [[1]]


def test_words_are_learnt_in_one_form():
    assert normal(tf.constant("ÄRA12")).numpy().decode() == "ära00"
    assert learn_words([["Ära", "ÄRA", "12", "34", "once"]], 2) == ["00", "ära"]
