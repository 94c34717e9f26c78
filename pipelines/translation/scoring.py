"""Scores a model batch by batch, and remembers what it wrote."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pipelines.translation import scores
from pipelines.translation.language import Language
from pipelines.translation.model import TranslationModel
from pipelines.translation.searching import searcher


class Scorer:
    """The perplexity of a model, and its translations.

    Args:
        model: the model.
        target: the side with the translations.
        beam: int, partial translations that the search keeps.
    """

    def __init__(self, model: TranslationModel, target: Language, beam: int) -> None:
        self.model = model
        self.translations: dict[int, str] = {}  # of all pairs scored, by their key
        self._target = target
        self._search = searcher(model, beam, n_best=1)
        self._graph: Callable[..., Any] | None = None

    def score(self, batches: tf.data.Dataset) -> tuple[float, list[int]]:
        """Scores `batches` of `TranslationTask.example`s.

        Returns:
            The perplexity, e to the mean nats a token; and the keys of the pairs, each as often as
            it stands there. `translations` has what was written for each.
        """
        work = self._work(batches.element_spec)
        cost, count = 0.0, 0.0
        found: list[int] = []
        for inputs, target, weight in batches:
            nats, tokens, texts = work(inputs, target, weight)
            cost, count = cost + float(nats), count + float(tokens)
            real = (inputs["source"][:, 0] != 0).numpy()  # other rows only fill the batch
            keys = inputs["pair"].numpy()[real].tolist()
            self.translations |= zip(keys, map(bytes.decode, texts.numpy()[real]), strict=True)
            found += keys
        return math.exp(min(cost / count, 700.0)), found  # more than that has no float

    def _work(self, spec: Any) -> Callable[..., Any]:
        """Nats, tokens and translations of a batch: one graph, for batches of every length."""
        if self._graph is None:
            any_size = tf.nest.map_structure(
                lambda each: tf.TensorSpec([None] * each.shape.rank, each.dtype), spec
            )
            self._graph = tf.function(self._batch, input_signature=any_size, autograph=False)
        return self._graph

    def _batch(self, inputs: Any, target: Any, weight: Any) -> tuple[Any, Any, Any]:
        shown = {key: inputs[key] for key in ("source", "before")}
        cost = tf.reduce_sum(scores.nats(target, self.model(shown, training=False)) * weight)
        best = self._search(inputs["source"])["tokens"][:, 0]
        return cost, tf.reduce_sum(weight), self._target.texts(best)
