"""Initialising the gates of a fused kernel one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("rnnkit")
class PerGate(keras.initializers.Initializer):
    """Applies an initializer to each gate's block of a fused (m, gates * n) kernel by itself.

    An initializer that looks at the shape (orthogonal, Glorot) would otherwise see one wide matrix:
    the blocks of an orthogonal (n, 4n) matrix have singular values between 0 and 0.9, where each
    gate's own orthogonal (n, n) block has all of them at 1.

    Args:
        initializer: a Keras initializer or its name, or a function `(shape, dtype) -> tensor`. Each
            gate draws numbers of its own.
        gates: positive int, the number of blocks on the last axis.
        first: int, the number of the first block. A Keras initializer with an int seed gives the
            same numbers at every call: weights that share it must differ in their blocks' numbers.

    Example:

    >>> kernel = rnnkit.PerGate("orthogonal", gates=4)((8, 32))
    >>> block = kernel[:, 8:16]
    >>> product = keras.ops.transpose(block) @ block
    >>> bool(keras.ops.max(keras.ops.abs(product - keras.ops.eye(8))) < 1e-5)
    True
    """

    def __init__(self, initializer: Any, gates: int, first: int = 0) -> None:
        self.initializer = keras.initializers.get(initializer)
        self.gates = gates
        self.first = first

    def __call__(self, shape, dtype=None):
        *leading, fused = shape
        if fused % self.gates:
            raise ValueError(
                f"The last axis must be a multiple of gates={self.gates}. Received: shape={shape}."
            )
        block = (*leading, fused // self.gates)
        numbers = range(self.first, self.first + self.gates)
        return ops.concatenate(
            [self._for_gate(number)(block, dtype=dtype) for number in numbers], axis=-1
        )

    def _for_gate(self, number: int) -> Callable[..., Any]:
        draws = isinstance(getattr(self.initializer, "seed", None), keras.random.SeedGenerator)
        if draws or not isinstance(self.initializer, keras.initializers.Initializer):
            return self.initializer  # new numbers at every call; or anybody's function of the shape
        config = self.initializer.get_config()
        if isinstance(config.get("seed"), int):
            config["seed"] += number
        return type(self.initializer).from_config(config)

    def get_config(self) -> dict[str, Any]:
        return {
            "initializer": keras.initializers.serialize(self.initializer),
            "gates": self.gates,
            "first": self.first,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PerGate:
        return cls(**config)
