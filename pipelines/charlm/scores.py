"""How a text is scored: the nats of each character, given all that came before it."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from pipelines.charlm.model import UNKNOWN, CharacterModel

Tensor = Any
AT_A_TIME = 1024  # characters that are read in one call; the state goes on into the next


def nats(model: CharacterModel, ids: np.ndarray) -> np.ndarray:
    """-ln P(x_t | x_1..x_{t-1}) of every character of a text, (N,) float32.

    The text is one stream from its first character to its last, so the result depends on no batch
    size and no cutting.

    Args:
        model: a `CharacterModel`.
        ids: (N,) of the text.
    """
    spec = tf.TensorSpec((1, None), tf.int32)
    states = [tf.convert_to_tensor(state) for state in model.initial_states(1)]

    @tf.function(
        input_signature=[spec, spec, [tf.TensorSpec(s.shape, s.dtype) for s in states]],
        autograph=False,
    )
    def read(before: Tensor, wanted: Tensor, states: list[Tensor]) -> Any:
        logits, states = model.follow(before, states, training=False)
        return cost(wanted, logits), states

    before = np.concatenate([[UNKNOWN], ids[:-1]]).astype(np.int32)
    found = np.empty(len(ids), np.float32)
    for start in range(0, len(ids), AT_A_TIME):
        piece = slice(start, start + AT_A_TIME)
        nats_of_piece, states = read(before[None, piece], ids[None, piece], states)
        found[piece] = nats_of_piece[0]
    return found


def cost(wanted: Tensor, logits: Tensor) -> Tensor:
    """-ln softmax(logits) of the wanted ids, (batch, T)."""
    return keras.losses.sparse_categorical_crossentropy(wanted, logits, from_logits=True)


def measures(nats: np.ndarray) -> dict[str, float]:
    """`nll`, nats a character, and `bits_per_char` = nll / ln 2."""
    nll = float(np.mean(nats, dtype=np.float64))
    return {"nll": nll, "bits_per_char": nll / math.log(2)}


class CharacterNats(keras.metrics.Mean):
    """`nll` while the model learns, over all characters that count."""

    def update_state(
        self, wanted: Tensor, logits: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Adds a batch: ids (batch, T), logits (batch, T, symbols), weights (batch, T)."""
        # One axis: Keras takes means over all axes but the first, padding included, before it
        # weighs.
        weights = None if sample_weight is None else ops.reshape(sample_weight, (-1,))
        super().update_state(ops.reshape(cost(wanted, logits), (-1,)), sample_weight=weights)
