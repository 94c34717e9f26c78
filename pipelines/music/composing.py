"""Music from a model, step by step, inside a TensorFlow graph."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from keras import ops

from pipelines.music.model import MusicModel
from pipelines.music.pieces import KEYS
from rnnkit.counter_random import uniform

FREE = 255
"""In a `given` roll: the model chooses this key at this step."""

COLDEST = 1e-4  # of all temperatures: at or below it, the likelier value wins every time
_DRAWS = np.arange(2 * KEYS, dtype=np.int32).reshape(2, KEYS)  # sounding, then struck again


def next_frame(
    model: MusicModel,
    frame: tf.Tensor,
    states: list[tf.Tensor],
    given: tf.Tensor,
    seed: tf.Tensor,
    step: tf.Tensor,
    temperature: tf.Tensor,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """One step of music.

    Args:
        model: a `MusicModel`.
        frame: (batch, 88) uint8, the step before; silence before the first.
        states: the recurrent states before that step.
        given: (batch, 88) uint8, values that are kept; `FREE` leaves the key to the model.
        seed, step: (batch,) int32; together they fix the row's random draws.
        temperature: (batch,) float32, divides the logits.

    Returns:
        The step (batch, 88) uint8 and the states after `frame`.
    """
    context, states = model.advance(frame, states)
    thresholds = uniform(seed[:, None, None], step[:, None, None], _DRAWS)
    # A threshold below 0 forces a key on, one above 1 forces it off: a given voice is kept, and in
    # the nade head the keys below it are chosen knowing it.
    forced = tf.where(given > 0, -1.0, 2.0)[:, None, :]
    free = tf.equal(given, FREE)
    thresholds = tf.where(free[:, None, :], thresholds, forced)
    warmth = tf.maximum(temperature, COLDEST)[:, None]
    chosen = model.decide(context, frame, thresholds, warmth)
    return tf.where(free, chosen, given), states


def compose(
    model: MusicModel,
    given: tf.Tensor,
    length: tf.Tensor,
    seed: tf.Tensor,
    temperature: tf.Tensor,
) -> tf.Tensor:
    """Whole pieces.

    Args:
        model: a `MusicModel`.
        given: (batch, L, 88) uint8, what is kept (a primer, a melody); `FREE` elsewhere.
        length: (batch,) int32, steps of each piece, at most L.
        seed: (batch,) int32; equal seeds give equal pieces, whatever else is in the batch.
        temperature: (batch,) float32.

    Returns:
        (batch, L, 88) uint8; steps from a row's `length` on are silent.
    """
    batch, steps = ops.shape(given)[0], ops.shape(given)[1]
    frames = tf.TensorArray(tf.uint8, size=steps, element_shape=(None, KEYS))
    given_by_step = tf.transpose(given, (1, 0, 2))

    def one_step(t, frame, states, frames):
        frame, states = next_frame(
            model, frame, states, given_by_step[t], seed, tf.fill((batch,), t), temperature
        )
        return t + 1, frame, states, frames.write(t, frame)

    silence = tf.zeros((batch, KEYS), tf.uint8)
    _, _, _, frames = tf.while_loop(
        lambda t, *_: t < steps,
        one_step,
        (0, silence, model.initial_states(batch), frames),
        maximum_iterations=steps,
    )
    roll = tf.transpose(frames.stack(), (1, 0, 2))
    sounding = tf.sequence_mask(length, steps, dtype=tf.uint8)
    return roll * sounding[:, :, None]


def given_primer(primer: tf.Tensor, primer_length: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
    """A `given` roll (batch, steps, 88) that keeps the first `primer_length` steps of each row of
    `primer` (batch, P, 88)."""
    room = tf.maximum(steps - tf.shape(primer)[1], 0)
    padded = tf.pad(primer, ((0, 0), (0, room), (0, 0)))[:, :steps]
    kept = tf.sequence_mask(primer_length, steps)[:, :, None]
    return tf.where(kept, padded, tf.constant(FREE, tf.uint8))
