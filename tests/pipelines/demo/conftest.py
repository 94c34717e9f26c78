"""Small models of every kind that the page knows, each with a rule that a reader can follow."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from pipelines import warmup
from pipelines.server.models import Models
from tests.pipelines.server.served import SPEC

TEXT = SPEC([None], tf.string)


def chosen(probability):
    """Two labels and their probabilities, as the tasks answer."""
    labels = tf.tile(tf.constant([["bad", "good"]]), [tf.shape(probability)[0], 1])
    return {"labels": labels, "probabilities": tf.stack([1 - probability, probability], axis=1)}


def verdict(text):
    """ "Lovely" speaks for good, "dull" against it."""
    without = [tf.strings.regex_replace(text, word, "") for word in ("lovely", "dull")]
    lost = [tf.cast(tf.strings.length(text) - tf.strings.length(w), tf.float32) for w in without]
    return chosen(tf.sigmoid(lost[0] - 0.5 * lost[1]))


def promoter(sequence):
    return chosen(0.1 + 0.8 * tf.cast(tf.strings.regex_full_match(sequence, ".*TATA.*"), "float32"))


def names(sentence):
    tokens = tf.strings.split(sentence)
    tags = tf.where(tf.strings.regex_full_match(tokens.flat_values, "[A-Z].*"), "B-PER", "O")
    return {"tokens": tokens.to_tensor(""), "tags": tokens.with_flat_values(tags).to_tensor("")}


def translate(text):
    translations = tf.stack([tf.strings.upper(text), text], axis=1)
    return {"translations": translations, "scores": tf.zeros_like(translations, "float32") - 0.25}


def red_or_blue(clip, length):
    """How much of the film is red, and how much it was up to each frame."""
    shares = tf.reduce_mean(tf.cast(clip, tf.float32), axis=[2, 3]) / 255
    shares = shares / tf.reduce_sum(shares + 1e-6, axis=-1, keepdims=True)
    red = tf.cumsum(shares[..., 0], axis=1) / (1 + tf.range(tf.shape(clip)[1], dtype=tf.float32))
    return {**chosen(1 - red[:, -1]), "over_time": tf.stack([red, 1 - red], axis=-1)}


NUMBERS = {
    "length": SPEC([None], tf.int32),
    "temperature": SPEC([None], tf.float32),
    "seed": SPEC([None], tf.int32),
}
STATE = {"state_0": SPEC([None, 1], tf.float32)}
STEP = {**NUMBERS, **STATE, "step": SPEC([None], tf.int32)}
del STEP["length"]


def chorale(primer, primer_length, length, temperature, seed):
    return {"roll": primer}


def next_chord(x, seed, step, temperature, state_0):
    """The chord before, a key higher."""
    return {"y": tf.roll(tf.minimum(x * 2, 2), 1, axis=1), "state_0": state_0 + 1}


def story(primer, length, temperature, seed):
    return {"text": primer}


def next_letter(x, seed, step, temperature, state_0):
    letter = tf.strings.unicode_encode(tf.cast(97 + state_0 % 26, tf.int32), "UTF-8")
    return {"y": letter, "state_0": state_0 + 1}


def silence(seed):
    return {"state_0": tf.zeros((tf.shape(seed)[0], 1))}


PRIMER = np.zeros((1, 2, 88), np.uint8)
PRIMER[:, :, [27, 34, 43]] = 1
FEW = {
    "length": np.array([20], np.int32),
    "temperature": np.array([1.0], np.float32),
    "seed": np.array([1], np.int32),
}
ROLL = {"primer": SPEC([None, None, 88], tf.uint8), "primer_length": SPEC([None], tf.int32)}
CLIP = {"clip": SPEC([None, None, 6, 10, 3], tf.uint8), "length": SPEC([None], tf.int32)}
MODELS = {  # {name: (signatures with their inputs, a request)}
    "verdict": (
        {"serving_default": (verdict, {"text": TEXT})},
        {"text": np.array(["a lovely dull film"], object)},
    ),
    "promoter": (
        {"serving_default": (promoter, {"sequence": TEXT})},
        {"sequence": np.array(["ACGTACGTACGT"], object)},
    ),
    "names": (
        {"serving_default": (names, {"sentence": TEXT})},
        {"sentence": np.array(["Ada met <b>Tom</b>"], object)},
    ),
    "translate": (
        {"serving_default": (translate, {"text": TEXT})},
        {"text": np.array(["3 May 2021"], object)},
    ),
    "film": (
        {"serving_default": (red_or_blue, CLIP)},
        {"clip": np.full((1, 4, 6, 10, 3), 90, np.uint8), "length": np.array([4], np.int32)},
    ),
    "chorale": (
        {
            "serving_default": (chorale, {**ROLL, **NUMBERS}),
            "stream": (next_chord, {"x": SPEC([None, 88], tf.uint8), **STEP}),
            "stream_init": (silence, {"seed": SPEC([None], tf.int32)}),
        },
        {"primer": PRIMER, "primer_length": np.array([2], np.int32), **FEW},
    ),
    "story": (
        {
            "serving_default": (story, {"primer": TEXT, **NUMBERS}),
            "stream": (next_letter, {"x": TEXT, **STEP}),
            "stream_init": (silence, {"seed": SPEC([None], tf.int32)}),
        },
        {"primer": np.array(["Once "], object), **FEW},
    ),
}


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for name, (signatures, request) in MODELS.items():
        module = tf.Module()
        for key, (function, inputs) in signatures.items():
            specs = [SPEC(spec.shape, spec.dtype, name=name) for name, spec in inputs.items()]
            setattr(
                module,
                key,
                tf.function(function).get_concrete_function(
                    **dict(zip(inputs, specs, strict=True))
                ),
            )
        folder = root / name / "1"
        tf.saved_model.save(module, str(folder), {key: getattr(module, key) for key in signatures})
        warmup.write(folder, name, {"serving_default": request})
        if name == "film":
            (folder / "signature.json").write_text(json.dumps({"labels": None, "rate": 5}))
    models = Models(root, print)
    models.look()
    return models
