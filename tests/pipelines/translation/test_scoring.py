"""The scorer: what a model that has diverged gets."""

import json
import math

import numpy as np
import tensorflow as tf

from pipelines.translation.scoring import Scorer


class Diverged(Scorer):
    """Scores two tokens with 5,000 nats each, whatever the batch."""

    def _work(self, spec):
        return lambda inputs, target, weight: (
            tf.constant(1e4),
            tf.constant(2.0),
            tf.constant([b""]),
        )


def test_a_perplexity_beyond_all_floats_is_a_number():
    """Training that went wrong ends with its scores, and not with an overflow."""
    batch = {"source": np.array([[5]]), "pair": np.array([7])}, np.array([[5]]), np.array([[1.0]])
    perplexity, keys = Diverged(None, None, beam=1).score(tf.data.Dataset.from_tensors(batch))
    assert math.isfinite(json.loads(json.dumps(perplexity)))
    assert perplexity > 1e300
    assert keys == [7]
