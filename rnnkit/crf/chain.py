"""Sums over all tag sequences of a linear chain, in one loop of matrix products.

The forward message q_t(j) collects all beginnings that end in tag j at step t, the backward message
u_t(j) all that can follow from there. With x_t = exp(emissions_t) and E = exp(transitions):

    q_t = (q_{t-1} E) * x_t            q_1 = exp(start) * x_1
    u_t = (u_{t+1} E^T) * x_t          u_T = exp(end) * x_T

Both are the same recursion, so that both directions run in one loop, one batched product a step.
Each message is divided by its largest entry before the next product (the logarithms of these add
up to log Z): nothing overflows, and no exponential or logarithm is left inside the loop.

The gradient of log Z is known in closed form, so that no loop is differentiated:

    d log Z / d emissions_t(j)    = P(y_t = j)
    d log Z / d transitions(i, j) = expected number of steps from i to j

What is some 10^31 times smaller than the largest entry may be lost, and where only that leads to an
allowed end, so is everything. `_by_products` tells, and the same sums then run as logarithms.

Every sequence starts at the first step here: `rnnkit.crf.masks` moves the real steps there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from rnnkit.backend import scan

Tensor = Any
_NEVER = -1e30  # log 0 as a number whose differences are numbers


class Chain(NamedTuple):
    """Scores of a batch of chains of equal dtype: emissions (B, T, K), transitions (K, K), start
    (K,) and end (K,), any of them -inf; the number of real steps (B,), or None for all."""

    emissions: Tensor
    transitions: Tensor
    start: Tensor
    end: Tensor
    lengths: Tensor | None = None

    def real(self) -> Tensor:
        """(B, T), True at the first `lengths` steps."""
        batch, steps, _ = ops.shape(self.emissions)
        if self.lengths is None:
            return ops.ones((batch, steps), "bool")
        return ops.arange(steps)[None] < self.lengths[:, None]

    def counts(self) -> Tensor:
        """(B,), the number of real steps."""
        batch, steps, _ = ops.shape(self.emissions)
        return self.lengths if self.lengths is not None else ops.full((batch,), steps, "int32")

    def last(self) -> Tensor:
        """(B, T), True at the last real step."""
        steps = ops.shape(self.emissions)[1]
        return ops.arange(steps)[None] == self.counts()[:, None] - 1

    def reversed(self, sequences: Tensor) -> Tensor:
        """(B, T, K) with the real steps of each row in reversed order; twice is as it was."""
        if self.lengths is None:
            return ops.flip(sequences, axis=1)
        t = ops.arange(ops.shape(sequences)[1])[None]
        lengths = self.lengths[:, None]
        return rows(sequences, ops.where(t < lengths, lengths - 1 - t, t))


class Expectations(NamedTuple):
    """log Z (B,), P(y_t = j) (B, T, K), expected numbers of steps from i to j (B, K, K)."""

    log_partition: Tensor
    marginals: Tensor
    moves: Tensor


def rows(sequences: Tensor, index: Tensor) -> Tensor:
    """sequences[b, index[b, t]] of (B, T, K) and (B, T)."""
    batch, steps, width = ops.shape(sequences)
    places = ops.cast(index, "int32") + ops.arange(batch)[:, None] * steps
    return ops.take(ops.reshape(sequences, (batch * steps, width)), places, axis=0)


def log_partition(chain: Chain) -> Tensor:
    """log Z of shape (B,): the logarithm of the sum of exp(score) over all sequences.

    0 for a chain without steps, -inf (with gradients of zero) where no sequence is possible.
    """

    @ops.custom_gradient
    def run(emissions, transitions, start, end, *lengths):
        given = Chain(
            emissions, transitions, start, end, *(ops.cast(each, "int32") for each in lengths)
        )
        found = expectations(given)
        last = given.last()[..., None]

        def gradient(*arguments, upstream=None):
            d = arguments[0] if upstream is None else upstream
            d_emissions = d[:, None, None] * found.marginals
            return (
                d_emissions,
                ops.sum(d[:, None, None] * found.moves, axis=0),
                ops.sum(d_emissions[:, :1], axis=(0, 1)),
                ops.sum(ops.where(last, d_emissions, 0.0), axis=(0, 1)),
                *(ops.zeros_like(each) for each in lengths),
            )

        return found.log_partition, gradient

    # As numbers among the arguments: JAX lets such a function close over nothing that it traces.
    lengths = () if chain.lengths is None else (ops.cast(chain.lengths, chain.emissions.dtype),)
    return run(*chain[:4], *lengths)


def expectations(chain: Chain) -> Expectations:
    """log Z and its gradient, by products where they are exact, else by logarithms."""
    if 0 in chain.emissions.shape[:2]:
        batch, _, width = ops.shape(chain.emissions)
        dtype = chain.emissions.dtype
        moves = ops.zeros((batch, width, width), dtype)
        return Expectations(ops.zeros((batch,), dtype), chain.emissions, moves)
    found, underflow = _by_products(chain)
    return Expectations(
        *ops.cond(underflow, lambda: tuple(_by_logarithms(chain)), lambda: tuple(found))
    )


def _by_products(chain: Chain) -> tuple[Expectations, Tensor]:
    """The expectations, and whether a row of the batch lost too much."""
    emissions, emission_shift = _shifted(chain.emissions)
    transitions, transition_shift = _shifted(ops.reshape(chain.transitions, (-1,)))
    (start, start_shift), (end, end_shift) = _shifted(chain.start), _shifted(chain.end)
    start, end = ops.exp(start), ops.exp(end)
    kernel = ops.exp(ops.reshape(transitions, ops.shape(chain.transitions)))
    limits = np.finfo(keras.backend.standardize_dtype(kernel.dtype))
    tiny = float(limits.tiny)

    def product(messages, kernels, x):
        return ops.matmul(_scaled(messages, tiny)[0], kernels) * x

    messages = _both_ways(chain, ops.exp(emissions), start, end, kernel, product, ops.multiply)
    messages, peaks = _scaled(messages, tiny)
    q, u = messages[0], messages[1]  # (T, B, K)
    before = ops.concatenate([ops.zeros_like(q[:1]), q[:-1]], axis=0)
    opens = (ops.arange(ops.shape(q)[0]) == 0)[:, None, None]
    arriving = ops.where(opens, start, ops.matmul(before, kernel))
    joint = arriving * u
    total = ops.sum(joint, axis=-1, keepdims=True)
    real = ops.transpose(chain.real())[..., None]
    safe = ops.where(real & (total > 0), total, 1.0)
    share = ops.where(real, u / safe, 0.0)
    moves = kernel * ops.einsum("tbi,tbj->bij", before, share)
    at_last = ops.sum(ops.where(ops.transpose(chain.last())[..., None], q * end, 0.0), axis=(0, 2))
    steps = ops.cast(chain.counts(), kernel.dtype)
    shifts = ops.transpose(emission_shift) + ops.log(peaks[0, ..., 0])
    log_z = (
        ops.log(at_last)
        + ops.sum(ops.where(real[..., 0], shifts, 0.0), axis=0)
        + (steps - 1) * transition_shift
        + start_shift
        + end_shift
    )
    # Lost on the way forward: a tag that can be reached and has (almost) no message.
    open_ = ops.transpose(chain.emissions, (1, 0, 2)) > -np.inf
    allowed = ops.cast(chain.transitions > -np.inf, kernel.dtype)
    led_to = ops.matmul(ops.cast(before > 0, kernel.dtype), allowed) > 0
    reached = ops.where(opens, chain.start > -np.inf, led_to) & open_
    least = tiny / float(limits.eps)
    underflow = ops.any(real & ((reached & (q < least)) | (total < least)))
    found = Expectations(
        ops.where(chain.counts() > 0, log_z, 0.0),
        ops.transpose(arriving * share, (1, 0, 2)),
        moves,
    )
    return found, underflow


def _by_logarithms(chain: Chain) -> Expectations:
    """The same sums, slower, whatever the range of the scores."""
    emissions, transitions, start, end = (ops.maximum(x, _NEVER) for x in chain[:4])

    def product(messages, kernels, x):
        return ops.logsumexp(messages[..., None] + kernels[:, None], axis=2) + x

    messages = _both_ways(chain, emissions, start, end, transitions, product, ops.add)
    q, u = ops.maximum(messages, _NEVER)[0], ops.maximum(messages, _NEVER)[1]
    last = ops.transpose(chain.last())[..., None]
    log_z = ops.logsumexp(ops.max(ops.where(last, q, -np.inf), axis=0) + end, axis=-1)
    log_z = ops.where(chain.counts() > 0, log_z, 0.0)
    possible = log_z > 0.5 * _NEVER
    real = chain.real() & possible[:, None]
    marginals = ops.softmax(ops.transpose(q + u, (1, 0, 2)) - emissions, axis=-1)
    marginals = ops.where(real[..., None], marginals, 0.0)

    follows = ops.transpose(real)[..., None, None]  # (T, B, 1, 1)

    def add(t, moves):
        score = q[t][:, :, None] + transitions + u[t + 1][:, None]
        share = ops.reshape(ops.softmax(ops.reshape(score, (-1, width * width))), ops.shape(score))
        return moves + ops.where(follows[t + 1], share, 0.0)

    batch, steps, width = ops.shape(emissions)
    moves = ops.fori_loop(0, steps - 1, add, ops.zeros((batch, width, width), q.dtype))
    return Expectations(ops.where(possible, log_z, -np.inf), marginals, moves)


def _both_ways(
    chain: Chain,
    x: Tensor,
    start: Tensor,
    end: Tensor,
    kernel: Tensor,
    product: Callable[[Tensor, Tensor, Tensor], Tensor],
    times: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Forward and backward messages of all steps, (2, T, B, K), from one loop."""
    sequences = ops.stack([x, chain.reversed(x)])  # (2, B, T, K)
    sequences = ops.transpose(sequences, (2, 0, 1, 3))
    kernels = ops.stack([kernel, ops.transpose(kernel)])
    first = times(sequences[0], ops.stack([start, end])[:, None])

    def step(messages, following):
        return product(messages, kernels, following), messages

    messages = scan(step, first, ops.roll(sequences, -1, axis=0))
    forward, backward = messages[:, 0], messages[:, 1]
    backward = ops.transpose(chain.reversed(ops.transpose(backward, (1, 0, 2))), (1, 0, 2))
    return ops.stack([forward, backward])


def _shifted(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Scores less the largest of each, which is returned too, as 0 where all are -inf."""
    peak = ops.max(scores, axis=-1, keepdims=True)
    peak = ops.where(peak > -np.inf, peak, 0.0)
    return scores - peak, peak[..., 0]


def _scaled(messages: Tensor, tiny: float) -> tuple[Tensor, Tensor]:
    peak = ops.maximum(ops.max(messages, axis=-1, keepdims=True), tiny)
    return messages / peak, peak
