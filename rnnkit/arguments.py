"""Arguments that several classes take, checked in one way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import keras
import numpy as np


def positive_int(name: str, value: Any, example: str) -> int:
    """`value`, an int of Python's or NumPy's above zero.

    Args:
        name: of the argument, for the message.
        value: what was given.
        example: a call that is right.

    Raises:
        ValueError: it is none.
    """
    if not is_positive_int(value):
        raise ValueError(
            f"{name} must be a positive int. Received: {name}={value!r}. Example: {example}."
        )
    return int(value)


def is_positive_int(value: Any) -> bool:
    """Whether `value` is an int, of Python's or NumPy's, above zero."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value > 0)


def number(
    name: str,
    value: Any,
    rule: str,
    example: str,
    holds: Callable[[float], bool] = lambda value: True,
) -> float:
    """`value`, a finite number of Python's or NumPy's that keeps the rule, as a float.

    Args:
        name: of the argument, for the message.
        value: what was given.
        rule: what it must be, "a float above 0".
        example: a call that is right.
        holds: whether a number keeps the rule.

    Raises:
        ValueError: it does not, or is no number.
    """
    sound = not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
    if not sound or not holds(value):
        raise ValueError(f"{name} must be {rule}. Received: {name}={value!r}. Example: {example}.")
    return float(value)


def is_cell(value: Any) -> bool:
    """Whether `value` is a layer with Keras's contract of a cell, as far as one can see.

    A recurrent layer has a `state_size` too, but takes whole sequences.
    """
    return (
        isinstance(value, keras.layers.Layer)
        and not isinstance(value, keras.layers.RNN)
        and hasattr(value, "state_size")
        and type(value).call is not keras.layers.Layer.call
    )


def shape_of(tensor: Any) -> tuple[int | None, ...] | None:
    """What is known of a tensor's shape; None where a graph does not even know its rank."""
    shape = np.shape(tensor)
    return None if getattr(shape, "rank", 0) is None else tuple(shape)


def fits(shape: Sequence[int | None], expected: Sequence[int | None]) -> bool:
    """Whether a shape is the expected one, as far as both are known."""
    return len(shape) == len(expected) and all(
        None in (found, wanted) or found == wanted
        for found, wanted in zip(shape, expected, strict=True)
    )
