"""One token from logits: the likeliest, or a draw at a temperature, from the top k, from the top p.

    token = sample(logits, seed, step, temperature=0.8, top_k=40)     (batch, V) -> (batch,)

Temperature, top k and top p are numbers or tensors with a value a row, so that a served model takes
them as inputs.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from rnnkit.counter_random import uniform
from rnnkit.precision import exact

Tensor = Any

_COLDEST = 1e-4  # in the softmax of top p; the draw itself takes a temperature of 0


def greedy(logits: Tensor) -> Tensor:
    """The likeliest token of each row, the first of equals.

    Args:
        logits: (batch, V).

    Returns:
        (batch,) int32.

    Example:

    >>> greedy(keras.ops.array([[0.0, 2.0, 1.0]])).shape
    TensorShape([1])
    """
    return ops.cast(ops.argmax(logits, axis=-1), "int32")


def sample(
    logits: Tensor,
    seed: Tensor,
    step: Tensor,
    *,
    temperature: Any = 1.0,
    top_k: Any = None,
    top_p: Any = None,
) -> Tensor:
    """One random token for each row, which depends on (logits, seed, step) of the row alone.

        p = softmax(logits / temperature), of the candidates that top_k and top_p leave
        token = argmax_v (logits_v + temperature * g_v),    g_v = -log(-log(u_v))
        u_v = rnnkit.counter_random.uniform(seed, step, v)

    That is the Gumbel-max trick: the argmax is distributed as p. The u are the same bits in a plain
    graph, under XLA, in a SavedModel and on any backend, and so are the tokens (two candidates
    would have to tie to the last bit of a logarithm); a row gets the same token wherever it stands
    in the batch. A token's u does not depend on the filters: where the unfiltered draw is among the
    candidates, the filtered one is the same.

    The cost is V numbers a row, with an int `top_k` only k; filters given as tensors, and top_p,
    sort all V.

    Args:
        logits: (batch, V) floats; -inf forbids a token.
        seed: (batch,) or scalar int: rows of equal seeds and logits get equal tokens.
        step: scalar or (batch,) int, the position in the sequence: a new draw at each.
        temperature: float, or (batch,) tensor, at least 0: 1 (the default) draws from the model's
            own distribution, less sharpens it, and 0 is `greedy`.
        top_k: positive int, or (batch,) tensor: only the k likeliest tokens are candidates
            (0 or less in a tensor: all of them). None, the default: all.
        top_p: float in (0, 1], or (batch,) tensor: only the fewest likeliest tokens whose
            probability is p or more together, at least one. It is taken after the temperature and
            among the top k. None, the default: all.

    Returns:
        (batch,) int32.

    Raises:
        ValueError: logits of another rank; a number outside its range; seed or step not integers.

    Example:

    >>> logits, seeds = keras.ops.zeros((2, 10)), keras.ops.array([7, 8])
    >>> sample(logits, seeds, 0, temperature=0.7, top_k=3).shape
    TensorShape([2])

    Reference: C. Maddison, D. Tarlow and T. Minka, A* Sampling, NIPS 2014, for Gumbel-max;
    A. Holtzman et al., The Curious Case of Neural Text Degeneration, ICLR 2020, for top p.
    """
    logits = ops.convert_to_tensor(logits)
    if len(logits.shape) != 2:
        raise ValueError(
            "sample expects logits of rank 2, (batch, V). "
            f"Received: logits of shape {tuple(logits.shape)}. Example: sample(logits[:, -1], ...)."
        )
    finite = lambda value: 0 <= value < float("inf")
    _check_number("temperature", temperature, finite, "at least 0, and finite", 0.8)
    _check_number("top_k", top_k, lambda k: k >= 1 and k == int(k), "a positive int", 40)
    _check_number("top_p", top_p, lambda p: 0 < p <= 1, "above 0 and at most 1", 0.9)
    logits = exact(logits)
    vocabulary = logits.shape[-1]
    fixed_k = isinstance(top_k, int)
    tokens = None  # of the columns of `logits`; None: they are in order
    if fixed_k or top_k is not None or top_p is not None:
        kept = min(top_k, vocabulary) if fixed_k else vocabulary
        logits, tokens = ops.top_k(logits, kept)
    warmth = _column(temperature, logits.dtype)
    if top_k is not None and not fixed_k:
        logits = _forbid(logits, _beyond(top_k, vocabulary))
    if top_p is not None:
        logits = _forbid(logits, _outside_nucleus(logits / ops.maximum(warmth, _COLDEST), top_p))
    keys = ops.arange(vocabulary, dtype="int32")[None] if tokens is None else tokens
    noise = uniform(_int_column(seed), _int_column(step), keys)
    gumbel = -ops.log(-ops.log(ops.cast(noise, logits.dtype)))
    place = greedy(logits + warmth * gumbel)
    if tokens is None:
        return place
    return ops.cast(ops.take_along_axis(tokens, place[:, None], axis=-1)[:, 0], "int32")


def _beyond(top_k: Tensor, vocabulary: int) -> Tensor:
    """Of tokens in falling order: whether each is beyond the row's k."""
    k = _int_column(top_k)
    return ops.logical_and(k > 0, ops.arange(vocabulary, dtype="int32")[None] >= k)


def _outside_nucleus(logits: Tensor, top_p: Any) -> Tensor:
    """Of tokens in falling order: whether those before each have p together already."""
    probabilities = ops.exp(logits - ops.logsumexp(logits, axis=-1, keepdims=True))
    before = ops.cumsum(probabilities, axis=-1) - probabilities
    first = ops.arange(logits.shape[-1], dtype="int32")[None] == 0
    return ops.logical_and(before >= _column(top_p, logits.dtype), ops.logical_not(first))


def _forbid(logits: Tensor, where: Tensor) -> Tensor:
    return ops.where(where, ops.full((), -float("inf"), dtype=logits.dtype), logits)


def _column(value: Any, dtype: Any) -> Tensor:
    """(batch, 1), or a scalar, that broadcasts over the tokens."""
    value = ops.cast(ops.convert_to_tensor(value), dtype)
    return value[:, None] if len(value.shape) == 1 else value


def _int_column(value: Any) -> Tensor:
    value = ops.convert_to_tensor(value)
    return value[:, None] if len(value.shape) == 1 else value


def _check_number(name: str, value: Any, fits: Any, expected: str, example: float) -> None:
    """Refuses a Python number outside its range; what is in a tensor cannot be seen in a graph."""
    if isinstance(value, bool) or (isinstance(value, (int, float)) and not fits(value)):
        raise ValueError(
            f"{name} must be {expected}. Received: {name}={value!r}. "
            f"Example: sample(logits, seed=7, step=0, {name}={example})."
        )
