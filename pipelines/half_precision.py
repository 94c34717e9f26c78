"""Weights in half precision: stored in two bytes each, computed with in four.

A weight w becomes float16(w), the nearest of 11 significant bits: a relative error of at most
2^-11 = 0.0005 for |w| >= 6.1e-5. Products and sums stay in float32, so that every processor runs
the export.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf
from keras.src.backend import AutocastScope

from pipelines.errors import UserError

CARD_NOTE = """\
## Weights

The weights are stored in float16, half the size, and computed with in float32: each is rounded to
11 significant bits, a relative error of at most 0.0005. The scores above are those of the run,
before rounding; `rnnkit export RUN --weights float16` prints both."""


@contextmanager
def rounded(variables: Iterable[keras.Variable]) -> Iterator[None]:
    """Within it, the variables have the values that float16 leaves of them: to be scored.

    Raises:
        UserError: a weight is beyond the range of float16.
    """
    weights = _weights(variables)
    kept = [weight.numpy() for weight in weights]
    for weight, value in zip(weights, kept, strict=True):
        if abs(value).max(initial=0) > tf.float16.max:
            raise UserError(
                f"--weights float16 holds numbers up to {tf.float16.max:.0f}. "
                f"Received: {abs(value).max():.3g} in {weight.path}. Use: --weights float32"
            )
    try:
        for weight, value in zip(weights, kept, strict=True):
            weight.assign(value.astype("float16"))
        yield
    finally:
        for weight, value in zip(weights, kept, strict=True):
            weight.assign(value)


@contextmanager
def stored_as_float16(variables: Iterable[keras.Variable]) -> Iterator[None]:
    """Within it, what is traced reads float16 variables and casts them to float32.

    Keras casts by itself while it computes in another type than it stores; only that its policies
    know float16 for computing with, and not for storing, so that the stored values are exchanged
    here.
    """
    weights = _weights(variables)
    if not weights:
        yield
        return
    kept = [weight._value for weight in weights]
    for weight, value in zip(weights, kept, strict=True):
        weight._value = tf.Variable(tf.cast(value, tf.float16), name=weight.name)
    try:
        with AutocastScope("float32"):
            yield
    finally:
        for weight, value in zip(weights, kept, strict=True):
            weight._value = value


def _weights(variables: Iterable[keras.Variable]) -> list[keras.Variable]:
    return [each for each in variables if each.dtype == "float32" and each._autocast]
