"""What a cell costs, measured on the cell itself: no number here is written by hand."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from rnnkit import CELLS

# (inputs m, units n) at which weights are counted; n is even, because a cell may halve it.
SIZES = ((1, 2), (2, 2), (1, 4), (3, 6))
CHECK = (5, 8)


def describe_cells() -> list[dict[str, Any]]:
    """A row a cell of `CELLS`: name, class, paper, states, parameters, parallel in time."""
    return [_row(name, cls) for name, cls in CELLS.items()]


def _row(name: str, cls: type[keras.layers.Layer]) -> dict[str, Any]:
    return {
        "cell": name,
        "class": cls.__name__,
        "paper": getattr(cls, "paper", "Keras's own layer, a baseline"),
        "states": len(_state_sizes(_step_of(cls(1)))),
        "parameters": formula(cls),
        "parallel": is_parallel_in_time(cls),
    }


def count(cls: type[keras.layers.Layer], inputs: int, units: int) -> int:
    """Weights of a cell with `units` units on `inputs` inputs."""
    cell = _built(cls, inputs, units)
    return sum(math.prod(weight.shape) for weight in cell.trainable_weights)


def formula(cls: type[keras.layers.Layer]) -> str:
    """The number of weights with m inputs and n units, `4 m n + 4 n^2 + 4 n` for an LSTM.

    Raises:
        ValueError: the counts are not of the form a m n + b n^2 + c n + d m.
    """
    terms = ("m n", "n^2", "n", "m")
    matrix = [_terms(m, n) for m, n in SIZES]
    counts = [count(cls, m, n) for m, n in SIZES]
    coefficients = np.rint(2 * np.linalg.solve(matrix, counts)) / 2
    if coefficients @ _terms(*CHECK) != count(cls, *CHECK):
        raise ValueError(
            f"The weights of {cls.__name__} must be a sum of halves of {', '.join(terms)}. "
            f"Received: {counts} at (m, n) = {SIZES}."
        )
    parts = [
        term if factor == 1 else f"{factor:g} {term}"
        for factor, term in zip(coefficients, terms, strict=True)
        if factor
    ]
    return " + ".join(parts)


def _terms(m: int, n: int) -> tuple[int, int, int, int]:
    return m * n, n * n, n, m


def is_parallel_in_time(cls: type[keras.layers.Layer]) -> bool:
    """Whether `RNN` computes all steps of the cell at once: log T rounds instead of T."""
    return hasattr(cls, "over_time")


def _step_of(layer: keras.layers.Layer) -> keras.layers.Layer:
    return getattr(layer, "cell", layer)  # Keras's baselines are layers around their cell


def _state_sizes(cell: keras.layers.Layer) -> list[int]:
    size = cell.state_size
    return list(size) if isinstance(size, (list, tuple)) else [size]


def _built(cls: type[keras.layers.Layer], inputs: int, units: int) -> keras.layers.Layer:
    layer = cls(units)
    layer.build((None, inputs) if _step_of(layer) is layer else (None, None, inputs))
    return layer
