"""What is done differently on each of Keras's backends: one engine file a backend, chosen here."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

Tensor = Any

_ENGINES = {"tensorflow": "rnnkit.engine_tensorflow", "jax": "rnnkit.engine_jax"}


def backend_engine() -> Any:
    """The module that runs the loops on Keras's backend; None, and a warning, where none does."""
    name = keras.backend.backend()
    if name in _ENGINES:
        return importlib.import_module(_ENGINES[name])
    warnings.warn(  # Python shows it once
        f"rnnkit has no engine for the {name} backend: its layers run there as Keras's plain loop, "
        f"with the same results and no extra speed. Engines: {', '.join(_ENGINES)}.",
        stacklevel=2,
    )
    return None


def scan(step: Callable[..., tuple[Tensor, Tensor]], first: Tensor, *sequences: Tensor) -> Tensor:
    """The y of every step of `carry, y = step(carry, *(sequence[t] for sequence in sequences))`.

    `keras.ops.scan` does the same. On TensorFlow it keeps its carry in a list that the loop both
    reads and writes, which costs time and has no form in ONNX; here the carry is a tensor.

    Args:
        step: as above; the new carry and y are like the carry in shape and dtype.
        first: the carry before the first step.
        *sequences: one or more tensors (T, ...).

    Returns:
        (T, ...), y of all steps.
    """
    engine = backend_engine()
    if engine is not None:
        return engine.scan(step, first, *sequences)
    return ops.scan(lambda carry, now: step(carry, *now), first, sequences)[1]
