"""One sequence a row, token by token: always the likeliest, or drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops, tree

from rnnkit.decoding.contract import Decoded, Limits, State, Step, Tensor, call_step, first_tokens
from rnnkit.decoding.sampling import greedy, sample


def greedy_search(
    step: Step, initial_state: State, start: Any, end: int, *, max_length: Any
) -> Decoded:
    """The likeliest token at each step. For arguments and result see `sample_search`.

    Example:

    >>> step = lambda tokens, state: (keras.ops.one_hot((tokens + 1) % 4, 4), state)
    >>> found = greedy_search(step, [], keras.ops.array([0, 1]), 3, max_length=5)
    >>> keras.ops.convert_to_numpy(found.tokens).tolist()
    [[1, 2, 3, 3, 3], [2, 3, 3, 3, 3]]
    """
    return _search(step, initial_state, start, end, max_length, lambda logits, _: greedy(logits))


def sample_search(
    step: Step,
    initial_state: State,
    start: Any,
    end: int,
    *,
    max_length: Any,
    seed: Any,
    temperature: Any = 1.0,
    top_k: Any = None,
    top_p: Any = None,
) -> Decoded:
    """A sequence for each row, each token drawn by `rnnkit.decoding.sample`.

    It runs in the graph, as one loop that ends when every row has; a row depends on nothing but
    its own state, start and seed.

    Args:
        step: `(tokens, state) -> (logits, state)`; tokens (batch,) int32, logits (batch, V), state
            any nest of tensors (batch, ...) that keeps its structure, shapes and dtypes.
        initial_state: the state before the first token.
        start: int, the first token given to `step`, or a (batch,) tensor.
        end: int, the token after which a sequence is complete.
        max_length: int, the most tokens of a sequence, the end included; or a (batch,) tensor, a
            limit a row, such as one that grows with the source (not under XLA and JAX's jit,
            which want to know the length).
        seed: int or (batch,) int tensor: rows of equal seeds and states give equal sequences.
        temperature, top_k, top_p: see `sample`. Scores are those of the model all the same, at
            temperature 1 and of all tokens.

    Returns:
        `Decoded`.

    Raises:
        ValueError: `max_length` is no positive int, or `step` returns something else.

    Example:

    >>> step = lambda tokens, state: (keras.ops.one_hot((tokens + 1) % 4, 4), state)
    >>> sample_search(step, [], keras.ops.array([0, 1]), 3, max_length=5, seed=1).tokens.shape
    TensorShape([2, 5])
    """

    def choose(logits: Tensor, t: Tensor) -> Tensor:
        return sample(logits, seed, t, temperature=temperature, top_k=top_k, top_p=top_p)

    return _search(step, initial_state, start, end, max_length, choose)


def _search(
    step: Step,
    state: State,
    start: Any,
    end: int,
    max_length: Any,
    choose: Callable[[Tensor, Tensor], Tensor],
) -> Decoded:
    limits = Limits(max_length)
    state = tree.map_structure(ops.convert_to_tensor, state)
    before = first_tokens(start, state)
    rows = ops.shape(before)[0]
    positions = ops.arange(limits.longest, dtype="int32")[None]

    def go_on(t, before, done, *_):
        return ops.logical_and(t < limits.longest, ops.logical_not(ops.all(done)))

    def one_step(t, before, done, score, tokens, state):
        logits, state = call_step(step, before, state)
        token = ops.where(done, end, choose(logits, t))
        chosen = ops.take_along_axis(logits, token[:, None], axis=-1)[:, 0]
        gained = chosen - ops.logsumexp(logits, axis=-1)
        score = ops.where(done, score, score + ops.cast(gained, "float32"))
        done = ops.logical_or(done, ops.logical_or(token == end, t + 1 >= limits.of_rows))
        tokens = ops.where(positions == t, token[:, None], tokens)
        return t + 1, token, done, score, tokens, state

    _, _, _, score, tokens, _ = ops.while_loop(
        go_on,
        one_step,
        (
            ops.zeros((), dtype="int32"),
            before,
            ops.zeros((rows,), dtype="bool"),
            ops.zeros((rows,), dtype="float32"),
            ops.full((rows, limits.longest), end, dtype="int32"),
            state,
        ),
    )
    return Decoded(tokens, ops.sum(ops.cast(tokens != end, "int32"), axis=-1), score, score)
