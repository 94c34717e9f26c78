"""What an export of the music model offers: whole pieces, or one step after another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines.music.composing import FREE, compose, given_primer, next_frame
from pipelines.music.model import MusicModel
from pipelines.music.pieces import KEYS, Piece
from pipelines.task import Endpoint, Served


def served(model: MusicModel) -> Served:
    """`serving_default` continues primers to whole pieces, the sampling loop in the graph;
    `stream` makes one step, for a caller that holds the states `stream_init` began with."""
    count = len(model.initial_states(1))
    names = [f"state_{k}" for k in range(count)]
    states = {
        name: tf.TensorSpec((None, *state.shape[1:]), tf.float32, name=name)
        for name, state in zip(names, model.initial_states(1), strict=True)
    }

    def per_row(name: str, dtype: tf.DType) -> tf.TensorSpec:
        return tf.TensorSpec((None,), dtype, name=name)

    def continue_piece(primer, primer_length, length, temperature, seed):
        longest = tf.reduce_max(length)
        steps = tf.maximum(longest, 1)  # a loop without a step has no frames to stack
        given = given_primer(primer, primer_length, steps)
        return {"roll": compose(model, given, length, seed, temperature)[:, :longest]}

    @tf.function(autograph=False)
    def stream(x, seed, step, temperature, **before):
        free = tf.fill(tf.shape(x), tf.constant(FREE, tf.uint8))
        frame, after = next_frame(
            model, x, [before[name] for name in names], free, seed, step, temperature
        )
        return {"y": frame, **dict(zip(names, after, strict=True))}

    def stream_init(seed):
        return dict(zip(names, model.initial_states(tf.shape(seed)[0]), strict=True))

    step_inputs = {
        "x": tf.TensorSpec((None, KEYS), tf.uint8, name="x"),
        "seed": per_row("seed", tf.int32),
        "step": per_row("step", tf.int32),
        "temperature": per_row("temperature", tf.float32),
        **states,
    }
    return Served(
        endpoints={
            "serving_default": Endpoint(
                continue_piece,
                {
                    "primer": tf.TensorSpec((None, None, KEYS), tf.uint8, name="primer"),
                    "primer_length": per_row("primer_length", tf.int32),
                    "length": per_row("length", tf.int32),
                    "temperature": per_row("temperature", tf.float32),
                    "seed": per_row("seed", tf.int32),
                },
            ),
            "stream": Endpoint(stream, step_inputs),
            "stream_init": Endpoint(stream_init, {"seed": per_row("seed", tf.int32)}),
        },
        core=stream,
        core_inputs={
            name: tf.TensorSpec((1, *spec.shape[1:]), spec.dtype, name=name)
            for name, spec in step_inputs.items()
        },
        client=Path(__file__).with_name("client.py").read_text(encoding="utf-8"),
    )


def requests(records: Sequence[Piece]) -> dict[str, dict[str, np.ndarray]]:
    """The openings of some real pieces, to be continued by eight steps."""
    count = min(4, len(records))
    primers = [piece.roll[:16] for piece in records[:count]]
    lengths = np.array([len(primer) for primer in primers], np.int32)
    primer = np.zeros((count, int(lengths.max()), KEYS), np.uint8)
    for row, roll in zip(primer, primers, strict=True):
        row[: len(roll)] = roll
    rows = np.arange(count, dtype=np.int32)
    temperature = np.linspace(0.8, 1.1, count, dtype=np.float32)
    return {
        "serving_default": {
            "primer": primer,
            "primer_length": lengths,
            "length": lengths + 8,
            "temperature": temperature,
            "seed": rows,
        },
        "stream": {
            "x": primer[:, 0],
            "seed": rows,
            "step": lengths,
            "temperature": temperature,
        },
        "stream_init": {"seed": rows},
    }
