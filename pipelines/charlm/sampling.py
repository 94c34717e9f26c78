"""New text from a model, character by character, inside a TensorFlow graph."""

from __future__ import annotations

import tensorflow as tf

from pipelines.charlm.model import UNKNOWN, CharacterModel
from rnnkit.decoding import sample


def next_character(
    model: CharacterModel,
    ids: tf.Tensor,
    states: list[tf.Tensor],
    seed: tf.Tensor,
    step: tf.Tensor,
    temperature: tf.Tensor,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Reads a character a row and draws the next.

    Args:
        model: a `CharacterModel`.
        ids: (batch,) int32, the character before; `UNKNOWN` before the first.
        states: those before it was read.
        seed, step: (batch,) int32; together they fix the row's draw.
        temperature: (batch,) float32; 0 takes the likeliest.

    Returns:
        The next (batch,) int32, never `UNKNOWN`, and the states after `ids`.
    """
    logits, states = model.advance(ids, states)
    never = tf.one_hot(UNKNOWN, logits.shape[-1], on_value=float("-inf"), off_value=0.0)
    return sample(logits + never, seed, step, temperature=temperature), states


@tf.function(autograph=False)
def continue_texts(
    model: CharacterModel,
    given: tf.Tensor,
    given_length: tf.Tensor,
    steps: tf.Tensor,
    seed: tf.Tensor,
    temperature: tf.Tensor,
) -> tf.Tensor:
    """Texts that begin as given and go on by chance.

    Args:
        model: a `CharacterModel`.
        given: (batch, P) int32, the primers.
        given_length: (batch,) int32, characters of each.
        steps: scalar int32, characters of a text, the primer included.
        seed: (batch,) int32; equal seeds give equal texts, whatever else is in the batch.
        temperature: (batch,) float32.

    Returns:
        (batch, steps) int32.
    """
    batch = tf.shape(given)[0]
    room = tf.maximum(steps - tf.shape(given)[1], 0)
    primers = tf.transpose(tf.pad(given, ((0, 0), (0, room))))
    texts = tf.TensorArray(tf.int32, size=steps, element_shape=(None,))

    def one_step(t, before, states, texts):
        drawn, states = next_character(
            model, before, states, seed, tf.fill((batch,), t), temperature
        )
        character = tf.where(t < given_length, primers[t], drawn)
        return t + 1, character, states, texts.write(t, character)

    states = model.initial_states(batch)
    any_batch = [tf.TensorShape((None, *state.shape[1:])) for state in states]
    _, _, _, texts = tf.while_loop(
        lambda t, *_: t < steps,
        one_step,
        (0, tf.fill((batch,), UNKNOWN), states, texts),
        shape_invariants=(
            tf.TensorShape(()),
            tf.TensorShape((None,)),
            any_batch,
            tf.TensorShape(None),
        ),
        maximum_iterations=steps,
    )
    return tf.transpose(texts.stack())
