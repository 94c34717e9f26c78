"""Random numbers without state: a hash of (seed, step, key), the same bits on every backend."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any

_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = 0x1BD11BDA  # of Skein: keeps the third word of the key schedule from being zero
_ROUNDS = 20


def uniform(seed: Tensor, step: Tensor, key: Tensor) -> Tensor:
    """A float32 in (0, 1), never 0 or 1, that depends on (seed, step, key) and on nothing else.

        n = the upper 23 bits of the first word of Threefry-2x32(key=(seed, 0), counter=(step, key))
        u = (n + 1/2) / 2**23

    A row with its own seed gets the same numbers wherever it stands in a batch, and a stream that
    counts its steps the same as one long call. Every u is exact in float32 and 1 - u is as likely
    as u, so `log(u)` and `log(1 - u)` are finite. `keras.random` and `tf.random.stateless_uniform`
    give other numbers under XLA than in a plain graph; this hash only adds, rotates and XORs 32-bit
    words, which is exact everywhere. Threefry, because its 20 rounds pass every statistical test
    known (TestU01's BigCrush), also for counters that differ in one bit, and because its words are
    32 bits wide: JAX without x64 and TPUs have no others.

    Args:
        seed: int tensor, the row's. Use int32 or uint32; only the lower 32 bits count.
        step: int tensor, the position in time.
        key: int tensor, which draw of the step. The three are broadcast.

    Raises:
        ValueError: an argument is not of an integer type.

    Example:

    >>> seed = keras.ops.array([[1], [2]])  # (rows, 1)
    >>> uniform(seed, 0, keras.ops.arange(88)).shape
    TensorShape([2, 88])

    Reference: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel Random Numbers: As Easy
    as 1, 2, 3, SC'11, 2011.
    """
    seed, step, key = _word("seed", seed), _word("step", step), _word("key", key)
    word, _ = threefry_2x32((seed, ops.zeros_like(seed)), (step, key))
    upper = ops.right_shift(word, _constant(9))
    return (ops.cast(upper, "float32") + 0.5) * 2.0**-23


def threefry_2x32(
    key: tuple[Tensor, Tensor], counter: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """The block cipher Threefry-2x32 with 20 rounds: two uint32 tensors, from a key of two and a
    counter of two."""
    schedule = (*key, key[0] ^ key[1] ^ _constant(_PARITY))
    x, y = counter[0] + schedule[0], counter[1] + schedule[1]
    for i in range(_ROUNDS):
        x = x + y
        y = _rotate_left(y, _ROTATIONS[i % 8]) ^ x
        if i % 4 == 3:
            j = i // 4 + 1
            x = x + schedule[j % 3]
            y = y + schedule[(j + 1) % 3] + _constant(j)
    return x, y


def _rotate_left(word: Tensor, bits: int) -> Tensor:
    left = ops.left_shift(word, _constant(bits))
    return left | ops.right_shift(word, _constant(32 - bits))


def _constant(value: int) -> Tensor:
    return ops.convert_to_tensor(value, dtype="uint32")


def _word(name: str, value: Tensor) -> Tensor:
    value = ops.convert_to_tensor(value)
    if "int" not in keras.backend.standardize_dtype(value.dtype):
        raise ValueError(
            f"{name} must be a tensor of an integer type. Received: {name}={value}. "
            "Example: uniform(seed=7, step=0, key=0)."
        )
    return ops.cast(value, "uint32")
