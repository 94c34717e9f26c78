"""Beam search, for any step."""

from __future__ import annotations

from typing import Any

from keras import ops, tree

from rnnkit.arguments import is_positive_int, positive_int
from rnnkit.decoding.contract import Decoded, Limits, State, Step, Tensor, call_step, first_tokens


def beam_search(
    step: Step,
    initial_state: State,
    start: Any,
    end: int,
    width: int,
    *,
    max_length: Any,
    length_penalty: float = 0.0,
    n_best: int = 1,
) -> Decoded:
    """The likeliest sequences that a search of `width` hypotheses a row finds.

        score(y) = log p(y) / ((5 + |y|) / 6) ** length_penalty         |y| counts the end

    Each step extends every open hypothesis of a row by every token, lets the finished ones stand as
    they are, and keeps the `width` best of all by score. With width 1 that is `greedy_search`, with
    width V**max_length or more it is exhaustive. A row is done when no open hypothesis can come
    among its `n_best` any more, however long it grew: what is returned is as if the search had gone
    on to the end. The loop ends when all rows are done.

    Rows do not see each other, and a batch gives what its rows give alone. The state is held
    `width` times a row, and reordered as hypotheses replace each other. What the hypotheses of a
    row share and no step changes (the memory of an `AttentionCell`, a summary of the source) does
    not belong into the state: let `step` close over it. Hypotheses of a row stand side by side, so
    that row r of the tokens belongs to row r // width of it; `AttentionCell` reads it so by itself.

    Args:
        step: `(tokens, state) -> (logits, state)`; tokens (batch * width,) int32, logits
            (batch * width, V), state any nest of tensors (batch * width, ...) that keeps its
            structure, shapes and dtypes. Of logits, -inf forbids a token.
        initial_state: the state before the first token: the same nest of (batch, ...).
        start: int, the first token given to `step`, or a (batch,) tensor.
        end: int, the token after which a hypothesis is finished and grows no more.
        width: positive int, hypotheses a row. 5 is the usual trade between time and score.
        max_length: int, the most tokens of a hypothesis, the end included; or a (batch,) tensor, a
            limit a row, such as one that grows with the source (not under XLA and JAX's jit,
            which want to know the length).
        length_penalty: float, at least 0. log p only falls with every token, so that 0 (the
            default, the most probable sequence) prefers short ones; 0.6 to 1 is usual for
            translation.
        n_best: int from 1 to `width`, how many hypotheses of a row to return.

    Returns:
        `Decoded`, (batch, n_best, ...): best first, no two the same.

    Raises:
        ValueError: a number outside its range, or `step` returns something else.

    Example:

    >>> step = lambda tokens, state: (keras.ops.one_hot((tokens + 1) % 4, 4), state)
    >>> found = beam_search(step, [], keras.ops.array([0]), 3, width=4, max_length=4, n_best=2)
    >>> keras.ops.convert_to_numpy(found.tokens).tolist()
    [[[3, 3, 3, 3], [1, 2, 3, 3]]]

    Reference: A. Graves, Sequence Transduction with Recurrent Neural Networks, arXiv:1211.3711,
    2012; Y. Wu et al., Google's Neural Machine Translation System, arXiv:1609.08144, 2016, for the
    penalty.
    """
    example = "beam_search(step, state, start=1, end=2, width=5, max_length=100)"
    width = positive_int("width", width, example)
    _check(width, n_best, length_penalty)
    limits = Limits(max_length)
    state = tree.map_structure(ops.convert_to_tensor, initial_state)
    first = first_tokens(start, state)
    batch = ops.shape(first)[0]
    state = tree.map_structure(lambda leaf: ops.repeat(leaf, width, axis=0), state)
    limit = limits.of_rows[:, None] if len(limits.of_rows.shape) else limits.of_rows
    rows = ops.arange(batch, dtype="int32")[:, None] * width
    positions = ops.arange(limits.longest, dtype="int32")
    infinity = ops.full((), float("inf"), dtype="float32")

    def penalised(log_p: Tensor, length: Tensor) -> Tensor:
        if not length_penalty:
            return log_p
        return log_p / ((5 + ops.cast(length, "float32")) / 6) ** length_penalty

    def go_on(t, before, log_p, length, finished, tokens, state):
        """Whether some row has less than `n_best` hypotheses that no open one can pass."""
        scores = penalised(log_p, length)
        hope = ops.max(ops.where(finished, -infinity, penalised(log_p, limit)), axis=-1)
        done = ops.logical_and(
            ops.all(finished[:, :n_best], axis=-1), hope <= scores[:, n_best - 1]
        )
        return ops.logical_and(t < limits.longest, ops.logical_not(ops.all(done)))

    def one_step(t, before, log_p, length, finished, tokens, state):
        logits, state = call_step(step, ops.reshape(before, (-1,)), state)
        # No more than `width` extensions of one hypothesis can be among the best of all.
        count = min(width, logits.shape[-1])
        best, candidates = ops.top_k(logits, count)
        gained = ops.cast(best - ops.logsumexp(logits, axis=-1, keepdims=True), "float32")
        gained = ops.reshape(gained, (-1, width, count))
        candidates = ops.reshape(ops.cast(candidates, "int32"), (-1, width, count))
        stays = ops.where(ops.arange(count) == 0, ops.zeros((), dtype="float32"), -infinity)
        gained = ops.where(finished[..., None], stays, gained)
        candidates = ops.where(finished[..., None], end, candidates)
        length = ops.where(finished, length, t + 1)
        extended = log_p[..., None] + gained
        ranked = ops.reshape(penalised(extended, length[..., None]), (-1, width * count))
        _, places = ops.top_k(ranked, width)
        places = ops.cast(places, "int32")

        log_p = ops.take_along_axis(ops.reshape(extended, (-1, width * count)), places, axis=-1)
        token = ops.take_along_axis(ops.reshape(candidates, (-1, width * count)), places, axis=-1)
        parent = places // count
        length = ops.take_along_axis(length, parent, axis=-1)
        finished = ops.take_along_axis(finished, parent, axis=-1)
        finished = ops.logical_or(finished, ops.logical_or(token == end, t + 1 >= limit))
        finished = ops.logical_or(finished, log_p == -infinity)  # a place that nobody took
        tokens = ops.take_along_axis(tokens, parent[..., None], axis=1)
        tokens = ops.where(positions == t, token[..., None], tokens)
        kept = ops.reshape(rows + parent, (-1,))
        state = tree.map_structure(lambda leaf: _rows(leaf, kept), state)
        return t + 1, token, log_p, length, finished, tokens, state

    opening = ops.broadcast_to(ops.arange(width) > 0, (batch, width))  # all but the first are empty
    _, _, log_p, length, _, tokens, _ = ops.while_loop(
        go_on,
        one_step,
        (
            ops.zeros((), dtype="int32"),
            ops.repeat(first[:, None], width, axis=1),
            ops.where(opening, -infinity, ops.zeros((), dtype="float32")),
            ops.zeros((batch, width), dtype="int32"),
            opening,
            ops.full((batch, width, limits.longest), end, dtype="int32"),
            state,
        ),
    )
    tokens = tokens[:, :n_best]
    scores = penalised(log_p, length)
    lengths = ops.sum(ops.cast(tokens != end, "int32"), axis=-1)
    return Decoded(tokens, lengths, scores[:, :n_best], log_p[:, :n_best])


def _rows(leaf: Tensor, kept: Tensor) -> Tensor:
    """The rows of a state that go on, in a tensor of the same shape."""
    return ops.reshape(ops.take(leaf, kept, axis=0), ops.shape(leaf))


def _check(width: int, n_best: Any, length_penalty: Any) -> None:
    if not is_positive_int(n_best) or n_best > width:
        raise ValueError(
            f"n_best must be an int from 1 to width={width}. Received: n_best={n_best!r}. "
            "Use a wider beam to get more hypotheses."
        )
    if not isinstance(length_penalty, (int, float)) or not length_penalty >= 0:
        raise ValueError(
            f"length_penalty must be at least 0. Received: length_penalty={length_penalty!r}. "
            "0 ranks by log p; 0.6 to 1 favours longer sequences."
        )
