"""What an export must show before it gets a version number: the same answers everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines import bare_check
from pipelines.task import Served, Tensors

TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}  # of floats, between processes, batches, and XLA or not


def trial_inputs(specs: Mapping[str, tf.TensorSpec]) -> Tensors:
    """Random numbers that every core takes: from 0.1 to 1, whole ones 0 and 1."""
    random = np.random.default_rng(0)
    return {
        name: tf.cast(
            random.uniform(0.1, 1, spec.shape)
            if spec.dtype.is_floating
            else random.integers(0, 2, spec.shape),
            spec.dtype,
        )
        for name, spec in specs.items()
    }


def check_core(served: Served) -> None:
    """Compiles the core by XLA for its static shapes and compares it with the plain graph.

    Raises:
        RuntimeError: it does not compile, or computes something else.
    """
    inputs = trial_inputs(served.core_inputs)

    def core(inputs: Tensors) -> Any:
        return served.core(**inputs)

    try:
        compiled = tf.nest.flatten(tf.function(core, jit_compile=True)(inputs))
    except (tf.errors.OpError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise RuntimeError(f"the core does not compile under XLA: {reason}") from error
    for plain, fast in zip(tf.nest.flatten(tf.function(core)(inputs)), compiled, strict=True):
        if _mostly(rows_apart(plain.numpy(), fast.numpy())):
            raise RuntimeError("the core computes other numbers under XLA than in a plain graph.")


def check_answers(
    model_dir: Path,
    live: Mapping[str, Callable[[Tensors], Tensors]],
    requests: Mapping[str, Tensors],
) -> None:
    """Compares the SavedModel in a bare process with the live model, and each request's first and
    last row with what they get in a batch of their own copies.

    Raises:
        RuntimeError: an answer differs.
    """
    calls = []
    for name, inputs in requests.items():
        calls += [(name, inputs), (name, _copies(inputs, 0)), (name, _copies(inputs, -1))]
    received = iter(bare_check.answers(model_dir, calls))
    for name, inputs in requests.items():
        with tf.device("/CPU:0"):  # as in the bare process
            expected = {key: value.numpy() for key, value in live[name](inputs).items()}
        answer = next(received)
        same_shapes = _shapes(answer) == _shapes(expected)
        if not same_shapes or any(rows_apart(expected[key], answer[key]).any() for key in answer):
            raise RuntimeError(f"{name}: a process without our code gives other answers.")
        for row in (0, -1):
            alone, copies = next(received), _copies(expected, row)
            if any(_mostly(rows_apart(copies[key], alone[key])) for key in alone):
                raise RuntimeError(
                    f"{name}: a row's answer depends on its neighbours or its place."
                )


def _copies(batch: Mapping[str, Any], row: int) -> dict[str, np.ndarray]:
    """A batch of the same size in which every row is the one given."""
    return {
        name: np.repeat(np.asarray(value)[row : row + 1 or None], len(value), axis=0)
        for name, value in batch.items()
    }


def _shapes(tensors: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: value.shape for name, value in tensors.items()}


def rows_apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """For each row: do the two differ? What the longest row of a batch adds to the others is
    padding, so the common part counts."""
    common = tuple(map(slice, np.minimum(a.shape, b.shape)))
    a, b = np.atleast_1d(a[common]), np.atleast_1d(b[common])
    if np.issubdtype(a.dtype, np.floating):
        differ = ~np.isclose(a, b, equal_nan=True, **TOLERANCE)
    else:
        differ = a != b
    return differ.reshape(len(a), -1).any(axis=1)


def _mostly(rows_apart: np.ndarray) -> bool:
    """A fault moves every copy; a single draw may lie within rounding of its threshold."""
    return rows_apart.mean() >= 0.5
