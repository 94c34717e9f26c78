"""How music is scored: the loss, the metrics, and what models without recurrence reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from pipelines.errors import UserError
from pipelines.music.model import MusicModel, channels
from pipelines.music.pieces import KEYS, Piece

Tensor = Any
UNSCORED = -1.0


def targets(roll: Tensor, strikes: bool) -> Tensor:
    """What a roll (batch, T, 88) asks of the logits (batch, T, C, 88): 0 or 1, or `UNSCORED`.

    A strike is asked for only where the key sounds and sounded at the step before: elsewhere it
    follows from the sounding keys, and costs no nats.
    """
    wanted = channels(roll, strikes)
    if not strikes:
        return wanted
    sounding = wanted[:, :, 0]
    before = ops.pad(sounding, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    struck = ops.where(sounding * before > 0, wanted[:, :, 1], UNSCORED)
    return ops.stack([sounding, struck], axis=2)


def nats(wanted: Tensor, logits: Tensor) -> Tensor:
    """-log P of each step and channel in nats, summed over the 88 keys: (batch, T, C)."""
    cost = ops.softplus(logits) - wanted * logits
    return ops.sum(ops.where(ops.equal(wanted, UNSCORED), 0.0, cost), axis=-1)


@keras.saving.register_keras_serializable("rnnkit")
class FrameLoss(keras.losses.Loss):
    """Mean over steps of the nats of all channels; padding has weight zero and does not count."""

    def __init__(self, name: str = "frame_loss", **kwargs: Any) -> None:
        super().__init__(name=name, reduction="mean_with_sample_weight")

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return ops.sum(nats(y_true, y_pred), axis=-1)


@keras.saving.register_keras_serializable("rnnkit")
class FrameNats(keras.metrics.Mean):
    """Mean nats a step, over all steps but each piece's first, which no step comes before.

    Args:
        channel: int, what is counted: 0 the sounding keys, 1 the strikes.
    """

    def __init__(self, channel: int, name: str, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.channel = channel

    def update_state(self, y_true, y_pred, sample_weight=None):
        cost = nats(y_true, y_pred)[:, 1:, self.channel]
        if sample_weight is not None:
            sample_weight = ops.reshape(sample_weight[:, 1:], (-1,))
        # One axis: Keras takes means over all axes but the first, padding included, before it
        # weighs, and steps of a batch that is padded further would count less.
        return super().update_state(ops.reshape(cost, (-1,)), sample_weight=sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {"channel": self.channel, "name": self.name, "dtype": self.dtype}


def frame_scores(model: MusicModel, batches: tf.data.Dataset) -> dict[str, float]:
    """The metrics over all scored steps.

    `nll` and `onset_nll` are means of the nats a step. `frame_accuracy` is TP / (TP + FP + FN) over
    all keys and steps, the likelier value being taken key by key, highest first (Bay, Ehmann and
    Downie 2009, as polyphonic music is scored since Boulanger-Lewandowski et al. 2012).

    Raises:
        UserError: no piece has a second step.
    """

    roll_spec, wanted_spec, weight_spec = batches.element_spec
    any_length = [  # one graph for batches of every length
        tf.TensorSpec((None, None, KEYS), roll_spec.dtype),
        tf.TensorSpec((None, None, *wanted_spec.shape[2:]), wanted_spec.dtype),
        tf.TensorSpec((None, None), weight_spec.dtype),
    ]

    @tf.function(input_signature=any_length, autograph=False)
    def sums(roll, wanted, weight):
        weight = weight[:, 1:]
        cost = nats(wanted, model(roll, training=False))[:, 1:]
        context = model.context(roll)[:, 1:]
        rows = tf.reshape(context, (-1, context.shape[-1]))
        half = tf.fill((tf.shape(rows)[0], KEYS), 0.5)
        decided = model.head.decide(rows, half, tf.ones_like(half[:, :1]))
        decided = tf.reshape(decided, tf.shape(wanted[:, 1:, 0]))
        truth = wanted[:, 1:, 0]
        hits = tf.reduce_sum(decided * truth, -1)
        union = tf.reduce_sum(tf.maximum(decided, truth), -1)
        return (
            tf.reduce_sum(weight),
            tf.reduce_sum(cost * weight[:, :, None], (0, 1)),
            tf.reduce_sum(hits * weight),
            tf.reduce_sum(union * weight),
        )

    steps, cost, hits, union = (np.zeros(()),) * 4
    for roll, wanted, weight in batches:
        parts = [np.asarray(part, np.float64) for part in sums(roll, wanted, weight)]
        steps, cost = steps + parts[0], cost + parts[1]
        hits, union = hits + parts[2], union + parts[3]
    if not steps:
        raise UserError("expected pieces of two steps or more. Received: one step each, unscored.")
    scores = {"nll": float(cost[0] / steps)}
    if model.strikes:
        scores["onset_nll"] = float(cost[1] / steps)
    scores["frame_accuracy"] = float(hits / np.maximum(union, 1))
    return scores


# --- floors: models without recurrence -----------------------------------------------------------


def fit_floors(pieces: Sequence[Piece]) -> dict[str, np.ndarray]:
    """Per-key frequencies of the training part: of sounding, and of sounding after silence and
    after sounding (first-order Markov). Half a count is added to each side (Krichevsky and
    Trofimov 1981), so that nothing is impossible."""
    after = np.zeros((2, KEYS))  # steps whose key was silent, sounding before
    on = np.zeros((2, KEYS))  # ... and sounds now
    frames, sounding = 0, np.zeros(KEYS)
    for piece in pieces:
        roll = piece.roll > 0
        before, now = roll[:-1], roll[1:]
        after += [(~before).sum(0), before.sum(0)]
        on += [(now & ~before).sum(0), (now & before).sum(0)]
        frames, sounding = frames + len(roll), sounding + roll.sum(0)
    return {
        "marginal": (sounding + 0.5) / (frames + 1),
        "markov": (on + 0.5) / (after + 1),
    }


def floors(fitted: dict[str, np.ndarray], pieces: Sequence[Piece]) -> dict[str, dict[str, float]]:
    """What `marginal` and `markov` reach, over the same steps as the model."""
    rolls = [piece.roll > 0 for piece in pieces]
    before = np.concatenate([roll[:-1] for roll in rolls])
    now = np.concatenate([roll[1:] for roll in rolls])
    predictions = {
        "marginal": np.broadcast_to(fitted["marginal"], now.shape),
        "markov": np.where(before, fitted["markov"][1], fitted["markov"][0]),
    }
    return {name: _score(now, chance) for name, chance in predictions.items()}


def _score(now: np.ndarray, chance: np.ndarray) -> dict[str, float]:
    cost = -np.where(now, np.log(chance), np.log1p(-chance)).sum(1)
    decided = chance > 0.5
    union = (decided | now).sum()
    return {
        "nll": float(cost.mean()),
        "frame_accuracy": float((decided & now).sum() / max(union, 1)),
    }
