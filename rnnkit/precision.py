"""Float32 at least, where half precision would lose a long sum or a small difference."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any


def working_dtype(*dtypes: Any) -> str:
    """float64 where it is among `dtypes`, else float32.

    `keras.backend.result_type` makes float32 of both together on JAX.
    """
    known = {keras.backend.standardize_dtype(dtype) for dtype in dtypes}
    return "float64" if "float64" in known else "float32"


def exact(tensor: Tensor) -> Tensor:
    """The tensor in its working dtype."""
    return ops.cast(tensor, working_dtype(tensor.dtype))
