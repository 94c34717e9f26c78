"""What the model says of clips, batch by batch: of each frame, and after each frame."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from pipelines.video import sampling
from pipelines.video.clips import Clip
from pipelines.video.model import VideoModel, believed


@dataclass(frozen=True)
class Answer:
    """Of one clip."""

    clip: Clip
    places: np.ndarray  # (T,) which of its frames were seen
    probabilities: np.ndarray  # (T, labels) after each, or of each where frames have labels

    @property
    def last(self) -> np.ndarray:
        """(labels,): of the whole clip, or of its last frame."""
        return self.probabilities[-1]


def seen(count: int, frames: int | None, how: str) -> np.ndarray:
    """The places of a clip's frames that the model sees outside of training; None: all."""
    if frames is None:
        return np.arange(count)
    return sampling.places(tf.constant([count]), frames, how).numpy()[0]


def over_time(model: VideoModel, frames: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
    """(batch, T, labels): probabilities after each frame, or of each where frames have labels."""
    logits = model.follow(frames, steps, training=False)
    return tf.nn.softmax(logits if model.per_frame else believed(logits, steps))


def ask(
    model: VideoModel, clips: Iterable[Clip], frames: int | None, how: str, batch: int
) -> Iterator[Answer]:
    """An answer a clip, in order, as they are asked for.

    Args:
        model: whose answers they are.
        clips: any number of them.
        frames, how: of `seen`.
        batch: int, clips at a time.
    """
    dtype = tf.uint8 if model.pictures else tf.float32
    signature = [
        tf.TensorSpec((None, None, *model.frame), dtype),
        tf.TensorSpec((None,), tf.int32),
    ]

    @tf.function(input_signature=signature, autograph=False)
    def answered(frames: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        return over_time(model, frames, steps)

    remaining = iter(clips)
    while some := list(itertools.islice(remaining, batch)):
        places = [seen(clip.count, frames, how) for clip in some]
        steps = np.array([len(each) for each in places], np.int32)
        padded = np.zeros((len(some), steps.max(), *model.frame), dtype.as_numpy_dtype)
        for row, clip, at in zip(padded, some, places, strict=True):
            row[: len(at)] = clip.frames(at)
        found = answered(tf.constant(padded), tf.constant(steps)).numpy()
        for clip, at, probabilities in zip(some, places, found, strict=True):
            yield Answer(clip, at, probabilities[: len(at)])
