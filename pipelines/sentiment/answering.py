"""Answers for a stream of texts: labels, probabilities, and what moved them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines.sentiment import serving
from pipelines.sentiment.inputs import Row
from pipelines.sentiment.model import SentimentModel
from pipelines.sentiment.tensors import Encoder
from pipelines.text.vocabulary import PADDING

BATCH = 64
DIGITS = 6  # of a probability, an influence


class Answer(dict[str, Any]):
    """The columns of an answer, and the text that it is of.

    Args:
        columns: what is written.
        text: what was read, for those who show it.
    """

    def __init__(self, columns: dict[str, Any], text: str) -> None:
        super().__init__(columns)
        self.text = text


def probabilities(encoder: Encoder, model: SentimentModel, texts: Iterable[str]) -> np.ndarray:
    """The probabilities of every label, (texts, classes)."""
    core = serving.core(model)
    remaining = iter(texts)
    found = []
    while batch := list(islice(remaining, BATCH)):
        found.append(core(encoder.ids(tf.constant(batch))).numpy())
    return np.concatenate(found)


def answers(
    encoder: Encoder,
    model: SentimentModel,
    labels: Sequence[str],
    rows: Iterable[Row],
    *,
    explain: bool = False,
) -> Iterator[Answer]:
    """An answer a row, in order and as they are asked for.

    Its keys are the row's own columns; `prediction`, the likeliest label; `confidence`, its
    probability; `probability_<label>` of every label; with `explain`, `tokens`: text, place in
    Unicode code points, and influence of each (see `influences`). A column of the same name keeps
    it, and ours gets an underscore. A row without a text has None for all of ours.

    Args:
        encoder: of the model.
        model: whose answers they are.
        labels: its classes.
        rows: any number of texts.
        explain: whether to tell which tokens moved the answer.
    """
    core, moved = serving.core(model), _influences(model)
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH)):
        tokens = encoder.tokens(tf.constant([row.text for row in batch]))
        ids = encoder.padded(tokens)
        found = core(ids).numpy()
        columns = [_columns(labels, row) for row in found]
        if explain:
            influence = moved(ids).numpy()
            spans = (part.to_list() for part in tokens)
            for answer, values, *span in zip(columns, influence, *spans, strict=True):
                answer["tokens"] = [
                    {
                        "text": text.decode(),
                        "start": start,
                        "end": end,
                        "influence": round(float(value), DIGITS),
                    }
                    for text, start, end, value in zip(*span, values, strict=False)
                ]
        for row, ours in zip(batch, columns, strict=True):
            joined = _joined(row.columns, ours if row.text else dict.fromkeys(ours))
            yield Answer(joined, row.text)


def _columns(labels: Sequence[str], probabilities: np.ndarray) -> dict[str, Any]:
    best = int(probabilities.argmax())
    each = {
        f"probability_{label}": round(float(p), DIGITS)
        for label, p in zip(labels, probabilities, strict=True)
    }
    return {
        "prediction": labels[best],
        "confidence": round(float(probabilities[best]), DIGITS),
        **each,
    }


def _joined(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    joined = dict(theirs)
    for name, value in ours.items():
        while name in theirs:
            name += "_"
        joined[name] = value
    return joined


def _influences(model: SentimentModel) -> Any:
    """The function of `influences` as a graph."""

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)], autograph=False)
    def graph(ids: tf.Tensor) -> tf.Tensor:
        return influences(model, ids)

    return graph


def influences(model: SentimentModel, ids: tf.Tensor) -> tf.Tensor:
    """How far each token moved the answer: gradient times input.

        s = log-odds of the likeliest label = logit_k - log sum_{j != k} exp(logit_j)
        influence_t = x_t . ds/dx_t      with x_t the embedding of token t

    To first order it is what s loses when the token's embedding is taken away: above 0 the token
    speaks for the answer, below 0 against it. It is an approximation: saturated gates hide what a
    word would do elsewhere.

    Args:
        model: whose answers they are.
        ids: int (batch, T).

    Returns:
        (batch, T) float, in units of log-odds; 0 for padding.

    Reference: M. Denil, A. Demiraj and N. de Freitas, Extraction of Salient Sentences from
    Labelled Documents, 2014.
    """
    mask = ids != PADDING
    embedded = model.embedding(ids)
    with tf.GradientTape() as tape:
        tape.watch(embedded)
        logits = model.classify(embedded, mask, training=False)
        chosen = tf.one_hot(tf.argmax(logits, axis=1), tf.shape(logits)[1], True, False, dtype=bool)
        others = tf.reduce_logsumexp(tf.where(chosen, logits.dtype.min, logits), axis=1)
        odds = tf.reduce_sum(tf.where(chosen, logits, 0.0), axis=1) - others
    moved = tf.reduce_sum(tape.gradient(odds, embedded) * embedded, axis=2)
    return tf.where(mask, moved, 0.0)
