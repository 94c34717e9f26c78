"""What an export of the sentiment model offers: texts in, labels and probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf

from pipelines.sentiment.model import SentimentModel
from pipelines.sentiment.tensors import Encoder
from pipelines.task import Endpoint, Served, Tensors


def core(model: SentimentModel) -> Callable[[tf.Tensor], tf.Tensor]:
    """The probabilities (batch, classes) of numbers of tokens (batch, T), as a graph."""

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32, "ids")], autograph=False)
    def probabilities(ids: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(tf.cast(model(ids, training=False), tf.float32))

    return probabilities


def served(model: SentimentModel, encoder: Encoder, labels: Sequence[str]) -> Served:
    """`serving_default` takes texts as they are: `label` and `probability` are the likeliest label
    and its probability, `labels` and `probabilities` those of every class."""
    probabilities_of = core(model)
    names = tf.constant(list(labels))

    def classify(text: tf.Tensor) -> Tensors:
        probabilities = probabilities_of(encoder.ids(text))
        return {
            "label": tf.gather(names, tf.argmax(probabilities, axis=1)),
            "probability": tf.reduce_max(probabilities, axis=1),
            "labels": tf.tile(names[None], [tf.shape(probabilities)[0], 1]),
            "probabilities": probabilities,
        }

    return Served(
        endpoints={
            "serving_default": Endpoint(
                classify, {"text": tf.TensorSpec((None,), tf.string, name="text")}
            )
        },
        core=probabilities_of,
        core_inputs={"ids": tf.TensorSpec((2, 32), tf.int32, name="ids")},
        client=Path(__file__).with_name("client.py").read_text(encoding="utf-8"),
        tables=(encoder.table,),
    )
