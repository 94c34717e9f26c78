"""What an export of the dna model offers: strings of letters in, probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines.dna.alphabets import ALPHABETS, OTHER
from pipelines.dna.encoding import codes_of_bytes
from pipelines.dna.model import DNAModel
from pipelines.dna.sequences import BioSequence
from pipelines.task import Endpoint, Served, Tensors

TYPICAL = 200  # letters that the compiled core is checked with, where the model takes any number


def served(model: DNAModel, labels: list[str], length: int | None) -> Served:
    """`serving_default`: sequences as strings, upper or lower case, of one length or of several.

    `probabilities` (batch, labels), or (batch, T, labels) with labels of letters; `label`, the
    likeliest one; `valid`, False for a row that the model cannot answer: it is empty, has not the
    length of the training sequences where those had one length, or holds something that is no
    letter of the alphabet. Such a row gets an answer all the same (what is no letter counts as
    one that may be any), so that one wrong row does not cost a batch.
    """
    known = ALPHABETS[model.alphabet].codes != OTHER
    known[0] = False

    @tf.function(autograph=False)
    def core(codes: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(model(codes, training=False))

    def answer(sequence: tf.Tensor) -> Tensors:
        given = tf.strings.length(sequence)
        width = tf.maximum(tf.reduce_max(given), 1) if length is None else length
        letters = tf.io.decode_raw(sequence, tf.uint8, fixed_length=width)
        there = tf.sequence_mask(tf.minimum(given, width), width)
        read = tf.gather(tf.constant(known), tf.cast(letters, tf.int32)) | ~there
        fits = given > 0 if length is None else tf.equal(given, length)
        unknown = tf.constant(ord(ALPHABETS[model.alphabet].unknown), tf.uint8)
        letters = tf.where(read, letters, unknown)
        probabilities = core(codes_of_bytes(letters, model.alphabet))
        best = tf.argmax(probabilities, axis=-1)
        return {
            "probabilities": probabilities,
            "label": tf.gather(tf.constant(labels), best),
            "valid": fits & tf.reduce_all(read, axis=1),
        }

    return Served(
        endpoints={
            "serving_default": Endpoint(
                answer, {"sequence": tf.TensorSpec((None,), tf.string, name="sequence")}
            )
        },
        core=core,
        core_inputs={"codes": tf.TensorSpec((1, length or TYPICAL), tf.int32, name="codes")},
        client=Path(__file__).with_name("client.py").read_text("utf-8"),
    )


def requests(records: Sequence[BioSequence]) -> dict[str, dict[str, np.ndarray]]:
    """Some real sequences."""
    return {"serving_default": {"sequence": np.array([r.letters.encode() for r in records[:4]])}}
