"""What an export of a translation model offers: sentences in, translations out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines.task import Endpoint, Served
from pipelines.translation.language import Language
from pipelines.translation.model import TranslationModel
from pipelines.translation.pairs import Pair
from pipelines.translation.searching import searcher, translator

CORE_STEPS = 16  # tokens of a source in the core's static shape


def served(model: TranslationModel, source: Language, target: Language, beam: int) -> Served:
    """`serving_default`: texts (batch,) in; `translation` and `score` (batch,) of the best, and
    `translations` and `scores` (batch, beam) of all that the search ended with, best first: one
    text cut into tokens in two ways stands there twice."""
    core = searcher(model, beam, n_best=beam)
    translate = translator(core, source, target)

    def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
        found = translate(text)
        return {
            "translation": found["translations"][:, 0],
            "score": found["scores"][:, 0],
            "translations": found["translations"],
            "scores": found["scores"],
        }

    return Served(
        endpoints={
            "serving_default": Endpoint(answer, {"text": tf.TensorSpec((None,), tf.string)})
        },
        core=core,
        core_inputs={"source": tf.TensorSpec((1, CORE_STEPS), tf.int32, name="source")},
        client=Path(__file__).with_name("client.py").read_text("utf-8"),
        tables=(source.table,),
    )


def requests(pairs: Sequence[Pair]) -> dict[str, dict[str, np.ndarray]]:
    """Some real sentences."""
    return {"serving_default": {"text": np.array([pair.source.encode() for pair in pairs[:4]])}}
