"""What training minimises, and the scores of an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import rnnkit
from pipelines.ner.schemes import INSIDE, OUTSIDE, SCHEMES, split_tag
from rnnkit.crf.potentials import unpack

Tensor = Any
PREFIXES = SCHEMES[INSIDE]  # tag -1 - k stands for the k-th of these with a type not learnt


@keras.saving.register_keras_serializable("rnnkit")
class RecallOrientedLoss(keras.losses.Loss):
    """The negative log-likelihood of a CRF, with a price on entities that are missed.

        loss = log sum over all y' of exp(score(y') + cost * missed(y', y)) - score(y)

    missed(y', y) counts the tokens of entities of y that y' leaves outside. To be likely, the true
    tags must beat every other sequence by its price. Entities are few and F1 does not count the
    tokens outside, so that plain likelihood (cost 0) finds too few of them.

    Args:
        cost: float, nats a missed token.
        outside: int, the tag O; None where labels spell no entities, for plain likelihood.

    Call arguments:
        y_true: int (batch, T); a negative number is a tag that is not known.
        y_pred: the potentials of a `rnnkit.CRF`.

    Reference: B. Mohit et al., Recall-Oriented Learning of Named Entities in Arabic Wikipedia, EACL
    2012; K. Gimpel and N. Smith, Softmax-Margin CRFs, NAACL 2010.
    """

    def __init__(
        self,
        cost: float = 0.0,
        outside: int | None = None,
        reduction: str = "mean_with_sample_weight",
        name: str = "recall_oriented_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.cost, self.outside = cost, outside

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of each sentence, (batch,)."""
        chain = unpack(y_pred)
        tags = ops.cast(y_true, "int32")
        emissions = chain.emissions
        if self.outside is not None and self.cost:
            price = self.cost * ops.cast(tags != self.outside, emissions.dtype)
            is_outside = np.arange(emissions.shape[-1]) == self.outside
            emissions = emissions + price[..., None] * is_outside.astype(emissions.dtype.name)
        return -rnnkit.crf_log_likelihood(
            emissions,
            tags,
            chain.transitions,
            start=chain.start,
            end=chain.end,
            mask=chain.mask,
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cost": self.cost, "outside": self.outside}


@keras.saving.register_keras_serializable("rnnkit")
class EntityF1(keras.metrics.Metric):
    """F1 of the entities in the most probable tags, and `error`, 1 - F1, which picks the epoch.

    Where labels spell no entities each token is one by itself, and F1 is the accuracy.

    Args:
        labels: list of str, what the tags' numbers mean.
        scheme: True where they are tags of `pipelines.ner.schemes.INSIDE`, False for any labels.
        name: of the score beside `error`.
    """

    def __init__(
        self, labels: Sequence[str], scheme: bool = True, name: str = "f1_strict", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.labels, self.scheme = list(labels), scheme
        pairs = [split_tag(label) if scheme else ("S", label) for label in labels]
        kinds = sorted({kind for _, kind in pairs})
        unseen = [(prefix, "") for prefix in PREFIXES]
        self._begins = np.array([prefix in "BS" for prefix, _ in [*pairs, *unseen]])
        self._ends = np.array([prefix in "ES" for prefix, _ in [*pairs, *unseen]])
        self._kinds = np.array([kinds.index(kind) for _, kind in pairs] + [-1] * len(unseen))
        self._found, self._predicted, self._true = (
            self.add_variable((), "zeros", name=part) for part in ("found", "predicted", "true")
        )

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Counts the entities of a batch; rows of weight zero have none."""
        decoder = rnnkit.CRFDecoder()
        real = decoder.compute_mask(y_pred)
        if sample_weight is not None:
            weight = ops.reshape(ops.convert_to_tensor(sample_weight), (-1, 1))
            real = ops.logical_and(real, weight > 0)
        true = ops.cast(y_true, "int32")
        true = ops.where(true < 0, len(self.labels) - 1 - true, true)
        true_ends, true_kinds, true_starts = self._entities(true, real)
        ends, kinds, starts = self._entities(decoder(y_pred), real)
        found = ends & true_ends & (kinds == true_kinds) & (starts == true_starts)
        for counter, places in (
            (self._found, found),
            (self._predicted, ends),
            (self._true, true_ends),
        ):
            counter.assign_add(ops.sum(ops.cast(places, self.dtype)))

    def _entities(self, tags: Tensor, real: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(batch, T) each: whether an entity ends at a token; its type; where it starts."""
        begins = ops.logical_and(ops.take(self._begins, tags), real)
        ends = ops.logical_and(ops.take(self._ends, tags), real)
        steps = ops.shape(tags)[1]
        places = ops.where(begins, ops.arange(steps)[None], steps)
        count = ops.cumsum(ops.cast(begins, "int32"), axis=1)
        starts = tf.gather(tf.sort(places, axis=1), ops.maximum(count - 1, 0), batch_dims=1)
        return ends, ops.take(self._kinds, tags), starts

    def result(self) -> dict[str, Tensor]:
        """The score of all batches since the last `reset_state`."""
        f1 = ops.divide_no_nan(2 * self._found, self._predicted + self._true)
        return {self.name: f1, "error": 1 - f1}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "labels": self.labels, "scheme": self.scheme}


def outside_of(labels: Sequence[str], scheme: bool) -> int | None:
    """The number of the tag O, where labels spell entities."""
    return list(labels).index(OUTSIDE) if scheme else None
