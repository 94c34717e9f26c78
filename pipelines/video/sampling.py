"""Which frames of a clip a model sees: the same functions in training and in the served model."""

from __future__ import annotations

import tensorflow as tf


def places(
    counts: tf.Tensor, frames: int, sampling: str, draws: tf.Tensor | None = None
) -> tf.Tensor:
    """Places of `frames` frames in clips of `counts`, in order; shorter clips are repeated.

    uniform: of each of N equal segments a frame,

        place_k = floor((k + u_k) T / N)          k = 0..N-1

    with u_k drawn from [0, 1), and 1/2 where nothing is drawn: the middle one. A short clip shows
    its frames several times each.

    window: N frames that follow one another, place_k = s + k, with s drawn from the T - N + 1
    beginnings, the middle one where nothing is drawn. A short clip begins anew at its end.

    Args:
        counts: int32 (batch,), T, at least 1.
        frames: int, N.
        sampling: str, "uniform" or "window".
        draws: float (batch, N) in [0, 1), or None; window reads the first of a row.

    Returns:
        int32 (batch, N).

    Reference: L. Wang et al., Temporal Segment Networks, ECCV 2016, for segments.
    """
    counts, steps = counts[:, None], tf.range(frames)[None]
    if sampling == "window":
        beginnings = tf.maximum(counts - frames, 0) + 1
        start = beginnings // 2 if draws is None else _floor(beginnings, draws[:, :1])
        return (start + steps) % counts
    if draws is None:
        return (2 * steps + 1) * counts // (2 * frames)
    return _floor(counts, (tf.cast(steps, tf.float64) + tf.cast(draws, tf.float64)) / frames)


def _floor(counts: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.floor(tf.cast(counts, tf.float64) * tf.cast(shares, tf.float64)), tf.int32)
