"""What an export of the task offers: tags for raw sentences, or for tokens cut elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines.ner.sentences import Sentence
from pipelines.ner.tagging import Tagger
from pipelines.task import Endpoint, Served

SHOWN = 4  # sentences of a request


def served(tagger: Tagger) -> Served:
    """`serving_default` takes raw sentences and cuts them as training data are cut; `tokens` takes
    tokens, for callers whose own tokens the tags must fit."""
    sentence = tf.TensorSpec((None,), tf.string, name="sentence")
    tokens = tf.TensorSpec((None, None), tf.string, name="tokens")
    return Served(
        endpoints={
            "serving_default": Endpoint(tagger.of_sentences, {"sentence": sentence}),
            "tokens": Endpoint(tagger.of_tokens, {"tokens": tokens}),
        },
        core=tagger.core,
        core_inputs=tagger.core_inputs,
        client=Path(__file__).with_name("client.py").read_text(encoding="utf-8"),
        tables=tagger.encoding.tables,
    )


def requests(records: Sequence[Sentence]) -> dict[str, dict[str, np.ndarray]]:
    """Some real sentences."""
    some = records[:SHOWN]
    longest = max(len(record.tokens) for record in some)
    tokens = [[*record.tokens, *[""] * (longest - len(record.tokens))] for record in some]
    return {
        "serving_default": {"sentence": np.array([record.sentence for record in some])},
        "tokens": {"tokens": np.array(tokens)},
    }
