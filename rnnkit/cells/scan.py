"""h_t = a_t * h_{t-1} + b_t for all t at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from rnnkit.backend import scan

Tensor = Any

CHUNK = 8  # 2 * CHUNK * log_CHUNK(T) operations in a row, least for small chunks; see `_solve`
LEVELS = 5  # of chunks of chunks, where T is unknown: 8^5 steps before anything is sequential


def linear_scan(a: Tensor, b: Tensor, first: Tensor) -> Tensor:
    """h_1..h_T of h_t = a_t * h_{t-1} + b_t, with T multiplications a unit and O(log T) rounds.

    The gradient is the same recurrence backwards, with what comes from above for b:

        d_t = dL/dh_t + a_{t+1} * d_{t+1}
        dL/db_t = d_t      dL/da_t = d_t * h_{t-1}      dL/dh_0 = a_1 * d_1

    so that it costs what the values cost, and nothing is stored but a and h. No product is ever
    divided by: with |a| <= 1 the result is as exact as that of the loop, for any T.

    Args:
        a, b: (T, batch, n); T may be unknown, and is at least 1.
        first: h_0, (batch, n).

    Returns:
        (T, batch, n).
    """

    @ops.custom_gradient
    def solve(a, b, first):
        hs = _solve(a, b, first)

        def gradients(*arguments, upstream=None):
            if upstream is None:
                (upstream,) = arguments
            after = ops.concatenate([ops.zeros_like(a[:1]), ops.flip(a[1:], 0)])
            d = ops.flip(linear_scan(after, ops.flip(upstream, 0), ops.zeros_like(first)), 0)
            before = ops.concatenate([first[None], hs[:-1]])
            return d * before, d, a[0] * d[0]

        return hs, gradients

    return solve(a, b, first)


def _solve(a: Tensor, b: Tensor, first: Tensor, levels: int = LEVELS) -> Tensor:
    """Cuts time into chunks, and walks through all of them side by side, twice.

    The first walk finds what each chunk does to a state, h -> A h + B; these are the steps of a
    sequence of T / CHUNK steps, whose states are those at the ends of the chunks. The second walk
    starts each chunk from the right state.
    """
    if a.shape[0] is not None and a.shape[0] <= CHUNK:
        return ops.stack(_walk(ops.unstack(a), ops.unstack(b), first))
    if not levels:
        return _loop(a, b, first)
    steps, *shape = ops.shape(a)
    chunks = (steps + CHUNK - 1) // CHUNK
    fill = ops.zeros((chunks * CHUNK - steps, *shape), dtype=a.dtype)
    a, b = (ops.reshape(ops.concatenate([x, fill]), (chunks, CHUNK, *shape)) for x in (a, b))
    a, b = ops.unstack(a, CHUNK, axis=1), ops.unstack(b, CHUNK, axis=1)
    A, B = a[0], _walk(a[1:], b[1:], b[0])[-1]
    for factor in a[1:]:
        A = factor * A
    ends = _solve(A, B, first, levels - 1)
    starts = ops.concatenate([first[None], ends[:-1]])
    hs = ops.stack(_walk(a, b, starts), axis=1)
    return ops.reshape(hs, (chunks * CHUNK, *shape))[:steps]


def _walk(a: Sequence[Tensor], b: Sequence[Tensor], h: Tensor) -> list[Tensor]:
    hs = []
    for factor, term in zip(a, b, strict=True):
        h = factor * h + term
        hs.append(h)
    return hs


def _loop(a: Tensor, b: Tensor, first: Tensor) -> Tensor:
    """For what is left when T is unknown: a single step, unless T is above CHUNK ** LEVELS."""

    def step(h, a, b):
        h = a * h + b
        return h, h

    return scan(step, first, a, b)
