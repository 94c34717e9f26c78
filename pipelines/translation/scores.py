"""How translations are scored: the loss, the metrics, BLEU and its kin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from pipelines.errors import require
from pipelines.text.tokens import UNSPACED, separated

Tensor = Any
LENGTHS = (4, 8, 12, 16, 20, 30, 40)  # the longest source of each bar of BLEU by length


@keras.saving.register_keras_serializable("rnnkit")
class SmoothedLoss(keras.losses.Loss):
    """Mean nats a token, against the true token mixed with all others.

        q = (1 - e) onehot(y) + e / V        loss = -sum_v q_v log p_v

    Without the mixing, training goes on to raise the probability of what is right already, and the
    search, which compares sums of log-probabilities, becomes too sure of its first words.

    Args:
        smoothing: float in [0, 1), e. Default 0.1, as in the paper.

    Reference: C. Szegedy et al., Rethinking the Inception Architecture, CVPR 2016, section 7; for
    translation A. Vaswani et al., Attention Is All You Need, NeurIPS 2017.
    """

    def __init__(self, smoothing: float = 0.1, name: str = "smoothed_loss", **kwargs: Any) -> None:
        super().__init__(name=name, reduction="mean_with_sample_weight")
        self.smoothing = smoothing

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if not self.smoothing:
            return nats(y_true, y_pred)
        size = y_pred.shape[-1]
        wanted = ops.one_hot(y_true, size, dtype=y_pred.dtype) * (1 - self.smoothing)
        wanted = wanted + self.smoothing / size
        return ops.categorical_crossentropy(wanted, y_pred, from_logits=True)

    def get_config(self) -> dict[str, Any]:
        return {"smoothing": self.smoothing, "name": self.name}


@keras.saving.register_keras_serializable("rnnkit")
class TokenNats(keras.metrics.Mean):
    """Mean nats a target token, the end of the sentence included."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        # One axis: Keras takes means over all axes but the first, padding included, before it
        # weighs, and tokens of a batch that is padded further would count less.
        weight = None if sample_weight is None else ops.reshape(sample_weight, (-1,))
        return super().update_state(ops.reshape(nats(y_true, y_pred), (-1,)), weight)


def nats(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """-log p of the true tokens (batch, T) under logits (batch, T, V)."""
    return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)


# --- texts ----------------------------------------------------------------------------------------


def text_scores(
    translations: Sequence[str], references: Sequence[str], tokenizer: str
) -> dict[str, float]:
    """`bleu` and `chrf` of the whole corpus, from 0 to 100, and `exact_match`, a share.

    BLEU and chrF are those of sacreBLEU, one reference a sentence (Post 2018); `signature` says
    how they are set.

    Args:
        translations: the model's.
        references: as many.
        tokenizer: of BLEU, a name that sacreBLEU knows.
    """
    bleu, chrf = _metrics(tokenizer)
    found, wanted = list(translations), [list(references)]
    return {
        "bleu": bleu.corpus_score(found, wanted).score,
        "chrf": chrf.corpus_score(found, wanted).score,
        "exact_match": float(np.mean([a == b for a, b in zip(found, references, strict=True)])),
    }


def bleu_tokenizer(targets: Sequence[str]) -> str:
    """How BLEU finds words in `targets`: sacreBLEU's default, "13a", or "char" where most letters
    are of scripts that put no blanks between words."""
    texts = tf.constant(list(targets))

    def count(kept: str) -> int:
        left = tf.strings.regex_replace(texts, f"[^{kept}]", "")
        return int(tf.reduce_sum(tf.strings.length(left, unit="UTF8_CHAR")))

    return "char" if 2 * count(UNSPACED) > count(r"\p{L}\p{M}") else "13a"


def signatures(tokenizer: str) -> dict[str, str]:
    """sacreBLEU's signatures of its two metrics: with them a figure can be compared."""
    bleu, chrf = _metrics(tokenizer)
    for metric in (bleu, chrf):
        metric.corpus_score(["a"], [["a"]])  # tells the number of references
    return {"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())}


def bleu_by_length(
    sources: Sequence[str], translations: Sequence[str], references: Sequence[str], tokenizer: str
) -> list[tuple[str, int, float]]:
    """Words of the source, number of sentences, BLEU: a row for each range that has sentences.

    Where a script puts no blanks between words, its characters are counted.
    """
    bleu, _ = _metrics(tokenizer)
    lengths = np.array([len(source.split()) for source in separated(sources)])
    rows = []
    for low, high in zip((0, *LENGTHS), (*LENGTHS, 10**9), strict=True):
        chosen = np.flatnonzero((lengths > low) & (lengths <= high)).tolist()
        if chosen:
            found = [translations[k] for k in chosen]
            wanted = [[references[k] for k in chosen]]
            label = f"over {low}" if high == 10**9 else f"{low + 1} to {high}"
            rows.append((label, len(chosen), bleu.corpus_score(found, wanted).score))
    return rows


def _metrics(tokenizer: str) -> tuple[Any, Any]:
    metrics = require("sacrebleu.metrics", "translation")
    return metrics.BLEU(tokenize=tokenizer), metrics.CHRF()
