"""The mathematics of a linear-chain CRF as plain functions on tensors of any backend.

    score(y)  = start(y_1) + sum_t emissions_t(y_t) + sum_t transitions(y_{t-1}, y_t) + end(y_n)
    log p(y)  = score(y) - log Z,      Z = sum over all sequences y' of exp(score(y'))

y_1..y_n are the tags of the real steps: whatever a mask leaves out, at the left, at the right or in
between, is as if it were not there. A score of -inf forbids. Half precision is computed in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from rnnkit.crf.chain import Chain, Tensor, expectations, log_partition
from rnnkit.crf.masks import Front
from rnnkit.crf.viterbi import best_path
from rnnkit.precision import working_dtype


def crf_log_likelihood(
    emissions: Tensor,
    tags: Tensor,
    transitions: Tensor,
    *,
    start: Tensor | None = None,
    end: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """log p(tags) of each row: the loss of a CRF is its negative.

    Args:
        emissions: (B, T, K) floats, a score for each tag at each step.
        tags: (B, T) integers 0..K-1, negative where the tag is not known; or (B, T, K), non-zero
            for the tags that a step may have. Of partly known tags it is the probability of all
            sequences that agree with them. Tags at masked steps are not read.
        transitions: (K, K), the score of tag i before tag j.
        start, end: (K,), scores of the first and the last tag; default zeros.
        mask: (B, T), True (or non-zero) where a step is real; default: everywhere.

    Returns:
        (B,) in the dtype of the scores, float32 for half precision. 0 for a row without steps, -inf
        for tags that are forbidden, or not among 0..K-1.

    Raises:
        ValueError: shapes that do not fit each other.

    Example:

    >>> import numpy as np
    >>> emissions, transitions = np.zeros((1, 3, 2)), np.zeros((2, 2))
    >>> found = rnnkit.crf_log_likelihood(emissions, [[0, 1, 1]], transitions)
    >>> print(f"{float(keras.ops.exp(found[0])):.3f}")       # one of 2 * 2 * 2 sequences
    0.125

    Reference: J. Lafferty, A. McCallum and F. Pereira, Conditional Random Fields: Probabilistic
    Models for Segmenting and Labeling Sequence Data, ICML 2001.
    """
    emissions, tags = ops.convert_to_tensor(emissions), ops.convert_to_tensor(tags)
    chain, front = _chain(emissions, transitions, start, end, mask)
    if len(tags.shape) not in (2, 3) or not _fits(tags.shape, emissions.shape):
        raise ValueError(
            "tags must be (batch, time) integers or (batch, time, tags) of allowed tags, for "
            f"emissions of shape {tuple(emissions.shape)}. "
            f"Received: tags of shape {tuple(tags.shape)}."
        )
    if len(tags.shape) == 3:
        allowed = ops.cast(tags, "bool")
        allowed = allowed if front is None else front.gather(allowed)
        return _restricted(chain, allowed)
    tags = ops.cast(tags, "int32")
    tags = tags if front is None else front.gather(tags[..., None])[..., 0]
    width = chain.emissions.shape[-1]
    options = (tags[..., None] == ops.arange(width)) | (tags < 0)[..., None]
    return ops.cond(
        ops.any(tags < 0),
        lambda: _restricted(chain, options),
        lambda: _minus(_score(chain, tags), log_partition(chain)),
    )


def crf_decode(
    emissions: Tensor,
    transitions: Tensor,
    *,
    start: Tensor | None = None,
    end: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The most probable tags of each row (Viterbi), and their score.

    Tags that are known beforehand are honoured when the other tags' emissions are -inf there.

    Args:
        emissions, transitions, start, end, mask: as for `crf_log_likelihood`.

    Returns:
        Tags, int32 (B, T), 0 at masked steps; and score(tags), (B,), -inf where every sequence is
        forbidden. Of equally good tags the first wins.

    Raises:
        ValueError: shapes that do not fit each other.

    Example:

    >>> import numpy as np
    >>> emissions = np.array([[[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]]])
    >>> stay = np.array([[1.0, -1.0], [-1.0, 1.0]])
    >>> tags, score = rnnkit.crf_decode(emissions, stay)
    >>> np.asarray(tags).tolist(), float(score[0])
    ([[0, 0, 0]], 7.0)
    """
    chain, front = _chain(emissions, transitions, start, end, mask)
    tags, score = best_path(chain)
    if front is not None:
        tags = front.scatter(tags[..., None])[..., 0]
    return tags, score


def crf_marginals(
    emissions: Tensor,
    transitions: Tensor,
    *,
    start: Tensor | None = None,
    end: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """P(y_t = j), the probability of each tag at each step (forward-backward).

    Args:
        emissions, transitions, start, end, mask: as for `crf_log_likelihood`.

    Returns:
        (B, T, K), rows that sum to one; zeros at masked steps, and where every sequence is
        forbidden.

    Raises:
        ValueError: shapes that do not fit each other.

    Example:

    >>> import numpy as np
    >>> never_the_same_twice = np.array([[-np.inf, 0.0], [0.0, -np.inf]])
    >>> found = rnnkit.crf_marginals(np.log([[[3.0, 1.0], [1.0, 1.0]]]), never_the_same_twice)
    >>> np.asarray(found).round(2).tolist()
    [[[0.75, 0.25], [0.25, 0.75]]]
    """
    chain, front = _chain(emissions, transitions, start, end, mask)
    marginals = expectations(chain).marginals
    return marginals if front is None else front.scatter(marginals)


def _chain(emissions, transitions, start, end, mask) -> tuple[Chain, Front | None]:
    """The real steps of every row, at its front, and where they were."""
    emissions, transitions = map(ops.convert_to_tensor, (emissions, transitions))
    dtype = working_dtype(emissions.dtype, transitions.dtype)
    emissions, transitions = ops.cast(emissions, dtype), ops.cast(transitions, dtype)
    if len(emissions.shape) != 3 or emissions.shape[-1] is None:
        raise ValueError(
            "emissions must have the shape (batch, time, tags). "
            f"Received: emissions of shape {tuple(emissions.shape)}."
        )
    width = emissions.shape[-1]
    start, end = (
        ops.zeros((width,), dtype) if s is None else ops.cast(s, dtype) for s in (start, end)
    )
    for name, found, shape in (
        ("transitions", transitions, (width, width)),
        ("start", start, (width,)),
        ("end", end, (width,)),
    ):
        if tuple(found.shape) != shape:
            raise ValueError(
                f"{name} must have the shape {shape}, for emissions of shape "
                f"{tuple(emissions.shape)}. Received: {name} of shape {tuple(found.shape)}."
            )
    batch, steps, _ = ops.shape(emissions)
    if mask is None:
        if isinstance(steps, int):
            return Chain(emissions, transitions, start, end), None
        mask = ops.ones((batch, steps), "bool")  # in a graph, where there may be no step at all
    mask = ops.convert_to_tensor(mask)
    if len(mask.shape) != 2 or not _fits(mask.shape, emissions.shape):
        raise ValueError(
            f"mask must have the shape (batch, time) of emissions {tuple(emissions.shape)}. "
            f"Received: mask of shape {tuple(mask.shape)}."
        )
    front = Front.of(mask)
    return Chain(front.gather(emissions), transitions, start, end, front.lengths), front


def _fits(shape: Sequence[Any], longer: Sequence[Any]) -> bool:
    """Whether all that is known of a shape is the beginning of another one."""
    known = (
        pair for pair in zip(shape, longer, strict=False) if all(isinstance(n, int) for n in pair)
    )
    return all(a == b for a, b in known)


def _score(chain: Chain, tags: Tensor) -> Tensor:
    """score(tags) of each row; -inf where a tag is none of 0..K-1."""
    width = chain.emissions.shape[-1]
    safe = ops.clip(tags, 0, width - 1)
    real, last = chain.real(), chain.last()
    unary = ops.take_along_axis(chain.emissions, safe[..., None], axis=2)[..., 0]
    unary = unary + ops.where(last, ops.take(chain.end, safe), 0.0)
    moves = ops.take(ops.reshape(chain.transitions, (-1,)), safe[:, :-1] * width + safe[:, 1:])
    before = ops.concatenate([ops.take(chain.start, safe[:, :1]), moves], axis=1)
    score = ops.sum(ops.where(real, unary + before, 0.0), axis=1)
    return ops.where(ops.any(real & (tags >= width), axis=1), -np.inf, score)


def _restricted(chain: Chain, allowed: Tensor) -> Tensor:
    """The log-probability of all sequences of `allowed` tags, (B, T, K) bool."""
    among = chain._replace(emissions=ops.where(allowed, chain.emissions, -np.inf))
    return _minus(log_partition(among), log_partition(chain))


def _minus(score: Tensor, log_z: Tensor) -> Tensor:
    """Where no sequence is possible none has a probability: -inf, and not the NaN of inf - inf."""
    return score - ops.where(log_z > -np.inf, log_z, 0.0)
