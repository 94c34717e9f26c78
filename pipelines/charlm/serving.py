"""What an export of the character model offers: texts continued, or one character after another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from pipelines.charlm.model import UNKNOWN, CharacterModel
from pipelines.charlm.sampling import continue_texts, next_character
from pipelines.charlm.texts import Text
from pipelines.task import Endpoint, Served
from pipelines.text.tokens import characters

PRIMER = 24  # characters of a text with which an export is tried


def served(model: CharacterModel, vocabulary: Sequence[str]) -> Served:
    """`serving_default` continues primers, the loop in the graph; `stream` reads one character and
    draws the next, for a caller that holds the states `stream_init` began with.

    A character that the model does not know is read as `UNKNOWN`.
    """
    initial = model.initial_states(1)
    names = [f"state_{k}" for k in range(len(initial))]
    lookup = _lookup(vocabulary)
    answers = tf.constant(["", *vocabulary])

    def per_row(name: str, dtype: tf.DType) -> tf.TensorSpec:
        return tf.TensorSpec((None,), dtype, name=name)

    def continue_text(primer, length, temperature, seed):
        ids = lookup(characters(primer).text)
        count = tf.cast(ids.row_lengths(), tf.int32)
        given = tf.cast(ids.to_tensor(UNKNOWN), tf.int32)
        steps = tf.maximum(tf.reduce_max(length), 1)  # a loop without a step has no texts to stack
        drawn = continue_texts(model, given, count, steps, seed, temperature)
        places = tf.range(steps)[None]
        new = (places >= count[:, None]) & (places < length[:, None])
        letters = tf.where(new, tf.gather(answers, drawn), "")
        return {"text": tf.strings.join([primer, tf.strings.reduce_join(letters, axis=1)])}

    @tf.function(autograph=False)
    def core(ids, seed, step, temperature, **before):
        states = [before[name] for name in names]
        drawn, after = next_character(model, ids, states, seed, step, temperature)
        return {"y": drawn, **dict(zip(names, after, strict=True))}

    def stream(x, **others):
        stepped = core(tf.cast(lookup(x), tf.int32), **others)
        return {**stepped, "y": tf.gather(answers, stepped["y"])}

    def stream_init(seed):
        return dict(zip(names, model.initial_states(tf.shape(seed)[0]), strict=True))

    numbers = {
        "seed": per_row("seed", tf.int32),
        "step": per_row("step", tf.int32),
        "temperature": per_row("temperature", tf.float32),
        **{
            name: tf.TensorSpec((None, *state.shape[1:]), tf.float32, name=name)
            for name, state in zip(names, initial, strict=True)
        },
    }
    return Served(
        endpoints={
            "serving_default": Endpoint(
                continue_text,
                {
                    "primer": per_row("primer", tf.string),
                    "length": per_row("length", tf.int32),
                    "temperature": per_row("temperature", tf.float32),
                    "seed": per_row("seed", tf.int32),
                },
            ),
            "stream": Endpoint(stream, {"x": per_row("x", tf.string), **numbers}),
            "stream_init": Endpoint(stream_init, {"seed": per_row("seed", tf.int32)}),
        },
        core=core,
        core_inputs={
            name: tf.TensorSpec((1, *spec.shape[1:]), spec.dtype, name=name)
            for name, spec in {"ids": per_row("ids", tf.int32), **numbers}.items()
        },
        client=Path(__file__).with_name("client.py").read_text(encoding="utf-8"),
        tables=(lookup,),
    )


def requests(texts: Sequence[Text]) -> dict[str, dict[str, np.ndarray]]:
    """The openings of some stretches of the text, to be continued by a few characters."""
    whole = "".join(text.characters for text in texts)[: 100 * PRIMER]
    starts = range(0, min(len(whole), 4 * PRIMER), PRIMER)
    primers = [whole[start : start + PRIMER - k] for k, start in enumerate(starts)]
    rows = np.arange(len(primers), dtype=np.int32)
    temperature = np.linspace(0.6, 1.0, len(rows), dtype=np.float32)
    return {
        "serving_default": {
            "primer": np.array([primer.encode() for primer in primers]),
            "length": np.array([len(primer) + 12 for primer in primers], np.int32),
            "temperature": temperature,
            "seed": rows,
        },
        "stream": {
            "x": np.array([primer[:1].encode() for primer in primers]),
            "seed": rows,
            "step": rows + 1,
            "temperature": temperature,
        },
        "stream_init": {"seed": rows},
    }


def _lookup(vocabulary: Sequence[str]) -> keras.layers.StringLookup:
    """Characters to the ids of `pipelines.charlm.texts.to_ids`."""
    return keras.layers.StringLookup(vocabulary=list(vocabulary), num_oov_indices=1)
