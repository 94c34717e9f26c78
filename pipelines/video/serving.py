"""What an export of the video model offers: frames in, labels and probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines.task import Endpoint, Served, Tensors
from pipelines.video import sampling
from pipelines.video.asking import over_time
from pipelines.video.clips import Clip
from pipelines.video.model import VideoModel

TYPICAL = 16  # frames that the compiled core is checked with, where the model takes any number
TRIED = 6  # frames of a clip with which an export is tried


def served(
    model: VideoModel, labels: Sequence[str], frames: int | None, how: str, rate: float
) -> Served:
    """`serving_default`: clips, (batch, T, height, width, colours) uint8 of the size and rate that
    the model was trained on, or vectors (batch, T, n) of floats; `length`, how many frames of a row
    are real, the others at its end. Which of them the model sees it decides itself.

    `label` and `probability` are the likeliest label and its probability, `labels` and
    `probabilities` those of all; `over_time` (batch, T', labels) the probabilities after each frame
    that was seen. Where frames have labels, all of these but `labels` have an axis of time.

    `stream` reads one frame and answers for the clip so far, for a caller that holds the states
    `stream_init` began with: for cameras. It is there unless the model reads in both directions.
    """
    names = tf.constant(list(labels))
    dtype = tf.uint8 if model.pictures else tf.float32

    @tf.function(autograph=False)
    def core(frames: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        return over_time(model, frames, tf.maximum(steps, 1))

    def classify(clip: tf.Tensor, length: tf.Tensor) -> Tensors:
        length = tf.clip_by_value(length, 1, tf.shape(clip)[1])
        if frames is None or model.per_frame:
            probabilities = core(clip, length)
        else:
            at = sampling.places(length, frames, how)
            steps = tf.fill(tf.shape(length), frames)
            probabilities = core(tf.gather(clip, at, batch_dims=1), steps)
        if model.per_frame:
            return named(probabilities)
        return {**named(probabilities[:, -1]), "over_time": probabilities}

    def named(probabilities: tf.Tensor) -> Tensors:
        return {
            "label": tf.gather(names, tf.argmax(probabilities, axis=-1)),
            "probability": tf.reduce_max(probabilities, axis=-1),
            "labels": tf.tile(names[None], [tf.shape(probabilities)[0], 1]),
            "probabilities": probabilities,
        }

    endpoints = {
        "serving_default": Endpoint(
            classify,
            {
                "clip": tf.TensorSpec((None, None, *model.frame), dtype, name="clip"),
                "length": tf.TensorSpec((None,), tf.int32, name="length"),
            },
        )
    }
    if not model.bidirectional:
        endpoints |= _stream(model, named, dtype)
    return Served(
        endpoints=endpoints,
        core=core,
        core_inputs={
            "frames": tf.TensorSpec((1, frames or TYPICAL, *model.frame), dtype, name="frames"),
            "steps": tf.TensorSpec((1,), tf.int32, name="steps"),
        },
        client=Path(__file__).with_name("client.py").read_text(encoding="utf-8"),
        rate=rate if model.pictures else None,  # of vectors nobody told theirs
    )


def _stream(model: VideoModel, named, dtype: tf.DType) -> dict[str, Endpoint]:
    initial = model.initial_states(1)
    names = [f"state_{k}" for k in range(len(initial))]

    def stream(x: tf.Tensor, **before: tf.Tensor) -> Tensors:
        logits, after = model.advance(x, [before[name] for name in names])
        return {**named(tf.nn.softmax(logits)), **dict(zip(names, after, strict=True))}

    def stream_init(rows: tf.Tensor) -> Tensors:
        return dict(zip(names, model.initial_states(tf.shape(rows)[0]), strict=True))

    states = {
        name: tf.TensorSpec((None, *state.shape[1:]), tf.float32, name=name)
        for name, state in zip(names, initial, strict=True)
    }
    x = {"x": tf.TensorSpec((None, *model.frame), dtype, name="x")}
    rows = {"rows": tf.TensorSpec((None,), tf.int32, name="rows")}
    return {"stream": Endpoint(stream, x | states), "stream_init": Endpoint(stream_init, rows)}


def requests(clips: Sequence[Clip], bidirectional: bool) -> dict[str, dict[str, np.ndarray]]:
    """The beginnings of some real clips, of different lengths."""
    some = clips[:2]
    lengths = [min(TRIED - k, clip.count) for k, clip in enumerate(some)]
    first = some[0].frames(np.arange(1))
    batch = np.zeros((len(some), max(lengths), *first.shape[1:]), first.dtype)
    for row, clip, length in zip(batch, some, lengths, strict=True):
        row[:length] = clip.frames(np.arange(length))
    asked = {"serving_default": {"clip": batch, "length": np.array(lengths, np.int32)}}
    if not bidirectional:
        asked["stream"] = {"x": batch[:, 0]}
        asked["stream_init"] = {"rows": np.zeros(len(some), np.int32)}
    return asked
