"""Translations by beam search, in the graph: numbers in, numbers out; or texts in, texts out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

import rnnkit
from pipelines.task import Tensors
from pipelines.translation.language import END, NEVER_WRITTEN, START, Language
from pipelines.translation.model import TranslationModel

# Ranks by log p / ((5 + length) / 6) ** 1: log p alone prefers translations that are too short.
LENGTH_PENALTY = 1.0
GROWTH, ROOM = 3, 10  # a translation has at most 3 times the source's tokens and 10 more


def search(
    model: TranslationModel, source: tf.Tensor, beam: int, n_best: int
) -> rnnkit.decoding.Decoded:
    """The likeliest translations that a beam search finds.

    Args:
        model: the model.
        source: int32 (batch, S), numbers with `END` after the last one, 0 behind it.
        beam: int, partial translations that are kept.
        n_best: int, translations a sentence, at most `beam`.
    """
    step, state = model.decoder(source)
    size = model.target_size
    allowed = tf.constant([0.0 if k not in NEVER_WRITTEN else -float("inf") for k in range(size)])

    def allowed_step(tokens: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
        logits, state = step(tokens, state)
        return logits + allowed, state

    steps = source.shape[1]  # known: one limit for all rows, which XLA asks for
    if steps is None:
        steps = tf.math.count_nonzero(source, axis=1, dtype=tf.int32)
    return rnnkit.decoding.beam_search(
        allowed_step,
        state,
        START,
        END,
        beam,
        max_length=GROWTH * steps + ROOM,
        length_penalty=LENGTH_PENALTY,
        n_best=n_best,
    )


def searcher(model: TranslationModel, beam: int, n_best: int) -> Callable[..., Tensors]:
    """`search` as one graph for sources of any number and length."""

    @tf.function(autograph=False)
    def search_numbers(source):
        found = search(model, source, beam, n_best)
        return {
            "tokens": found.tokens,
            "scores": found.scores,
            "log_probabilities": found.log_probabilities,
        }

    return search_numbers


def translator(
    searching: Callable[..., Tensors], source: Language, target: Language
) -> Callable[[tf.Tensor], Tensors]:
    """From texts (batch,) to translations and their scores, (batch, n_best) each, best first."""

    def translate(text: tf.Tensor) -> Tensors:
        found = searching(source=source.numbers(text).to_tensor())
        return {
            "translations": target.texts(found["tokens"]),
            "scores": found["scores"],
            "log_probabilities": found["log_probabilities"],
        }

    return translate
