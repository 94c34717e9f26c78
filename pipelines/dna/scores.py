"""Scores of the dna task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from pipelines.dna import floors, simulation
from pipelines.dna.ranking import label_scores
from pipelines.dna.sequences import BioSequence
from pipelines.errors import UserError


def model_scores(
    model: keras.Model, batches: tf.data.Dataset, labels: Sequence[str]
) -> dict[str, float]:
    """All scores with their bootstrap intervals; letters are resampled by whole sequences."""

    @tf.function(reduce_retracing=True, autograph=False)
    def answer(codes: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(model(codes, training=False))

    def collected() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        rows = 0
        for codes, wanted, weight in batches:
            real = weight.numpy() > 0
            units = np.broadcast_to(
                np.arange(rows, rows + len(real)).reshape((-1,) + (1,) * (real.ndim - 1)),
                real.shape,
            )
            rows += len(real)
            yield answer(codes).numpy()[real], wanted.numpy()[real], units[real]

    probabilities, truth, units = (
        np.concatenate(parts) for parts in zip(*collected(), strict=True)
    )
    if (truth < 0).any():
        raise UserError(
            f"{int((truth < 0).sum())} of {len(truth)} answers have no label to be scored by. "
            "Expected labels, as in training; `rnnkit predict` needs none."
        )
    _, units = np.unique(units, return_inverse=True)  # without the rows that fill batches
    return label_scores(probabilities, truth, labels, units)


def floor_scores(
    fitted: floors.Arrays, records: Sequence[BioSequence], alphabet: str, labels: Sequence[str]
) -> dict[str, dict[str, float]]:
    """The floors, `pwm` and `kmers`; for simulated sequences also what nothing can beat,
    `bayes_optimal`."""
    answers = floors.answers(fitted, records, alphabet)
    if all(record.simulated for record in records):
        answers["bayes_optimal"] = simulation.best_answers(records, labels)
    number = {label: k for k, label in enumerate(labels)}
    if records[0].labels is None:
        truth = np.array([number[str(record.label)] for record in records])
    else:
        truth = np.array([number[label] for record in records for label in record.labels or ()])
    return {
        name: label_scores(
            np.stack(rows) if records[0].labels is None else np.concatenate(rows),
            truth,
            labels,
            intervals=False,
        )
        for name, rows in answers.items()
    }


def shares(metrics: dict[str, float], bayes: dict[str, float]) -> dict[str, float]:
    """How much of the best possible ranking the model reaches: ROC-AUC by ROC-AUC, on the same
    records."""
    return {"roc_auc_share": metrics["roc_auc"] / bayes["roc_auc"]}
