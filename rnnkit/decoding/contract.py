"""What every search here asks of a step, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops, tree

from rnnkit.arguments import is_positive_int
from rnnkit.precision import exact

Tensor = Any
State = Any
Step = Callable[[Tensor, State], tuple[Tensor, State]]


class Decoded(NamedTuple):
    """Sequences of tokens, filled up with the end token.

    Shapes begin with (batch,), those of `beam_search` with (batch, n_best), best first.

    Attributes:
        tokens: (..., max_length) int32, without the start; from the end on all are `end`.
        lengths: (...,) int32, tokens before the end.
        scores: (...,) float32, what sequences are ranked by: log p, in a beam divided by the
            penalty of its length. -inf where there are fewer sequences than were asked for.
        log_probabilities: (...,) float32, log p of the tokens, the end included if it was reached.
    """

    tokens: Tensor
    lengths: Tensor
    scores: Tensor
    log_probabilities: Tensor


def step_of_cell(
    cell: Any, inputs: Callable[[Tensor], Tensor], outputs: Callable[[Tensor], Tensor], *memory: Any
) -> Step:
    """The step of a recurrent language model from its parts, for the searches of this package.

        x = inputs(token)
        y, state = cell(x, state)
        logits = outputs(y)

    Args:
        cell: any cell with Keras's contract, a `StackedRNNCells` or a `rnnkit.AttentionCell`
            included.
        inputs: (batch,) tokens -> (batch, m), such as an `Embedding`.
        outputs: (batch, n) -> (batch, V) logits, such as a `Dense(V)`.
        *memory: what `AttentionCell.remember` gives, handed to the cell behind its states.

    Example:

    >>> cell, embedding = rnnkit.GRUCell(8), keras.layers.Embedding(5, 4)
    >>> step = step_of_cell(cell, embedding, keras.layers.Dense(5))
    >>> logits, state = step(keras.ops.array([1, 2]), cell.get_initial_state(2))
    >>> logits.shape
    TensorShape([2, 5])
    """

    def step(tokens: Tensor, state: State) -> tuple[Tensor, State]:
        y, new = cell(inputs(tokens), [*tree.flatten(state), *memory] if memory else state)
        kept = tree.flatten(new)[: len(tree.flatten(state))]
        return outputs(y), tree.pack_sequence_as(state, kept)

    return step


class Limits:
    """The longest sequence of each row, and of all."""

    def __init__(self, max_length: Any) -> None:
        fixed = is_positive_int(max_length)
        of_rows = ops.convert_to_tensor(int(max_length) if fixed else max_length)
        whole = "int" in keras.backend.standardize_dtype(of_rows.dtype)
        if not fixed and (isinstance(max_length, (int, float)) or not whole):
            raise ValueError(
                "max_length must be a positive int, or a (batch,) tensor of them, in tokens. "
                f"Received: max_length={max_length!r}. Example: max_length=100."
            )
        self.of_rows = ops.cast(of_rows, "int32")
        self.longest = int(max_length) if fixed else ops.max(self.of_rows)


def first_tokens(start: Any, state: State) -> Tensor:
    """The start token of each row, (batch,) int32."""
    start = ops.cast(ops.convert_to_tensor(start), "int32")
    if len(start.shape) == 1:
        return start
    leaves = tree.flatten(state)
    if len(start.shape) or not leaves:
        raise ValueError(
            "start must be an int, or a (batch,) tensor of ints where initial_state is empty. "
            f"Received: start of shape {tuple(start.shape)}, {len(leaves)} state(s). "
            "Example: beam_search(step, state, start=1, end=2, width=5, max_length=100)."
        )
    return ops.broadcast_to(start, (ops.shape(leaves[0])[0],))


def call_step(step: Step, tokens: Tensor, state: State) -> tuple[Tensor, State]:
    """A step, its logits in float32 at least, its state known to be like the one before.

    Raises:
        ValueError: logits or state are of another form than the contract says.
    """
    result = step(tokens, state)
    if not isinstance(result, tuple) or len(result) != 2:
        raise ValueError(
            f"step(tokens, state) must return (logits, state). Received: {type(result).__name__}."
        )
    logits, new = result
    if len(logits.shape) != 2 or logits.shape[-1] is None:
        raise ValueError(
            "step(tokens, state) must return logits of shape (batch, V), V known. "
            f"Received: logits of shape {tuple(logits.shape)}."
        )
    logits = exact(logits)
    try:
        tree.assert_same_structure(state, new)
    except (ValueError, TypeError) as error:
        raise ValueError(
            "step(tokens, state) must return a state of the structure of initial_state. "
            f"Received: {error}"
        ) from None
    return logits, tree.map_structure(_like, state, new)


def _like(old: Tensor, new: Tensor) -> Tensor:
    """`new` with what is known of the shape of `old`: loops in a graph ask for it."""
    differ = old.dtype != new.dtype or len(old.shape) != len(new.shape)
    if differ or any(None not in (a, b) and a != b for a, b in zip(old.shape, new.shape)):  # noqa: B905
        raise ValueError(
            "step(tokens, state) must return states of the shapes and dtypes it is given: "
            f"expected {tuple(old.shape)} {keras.backend.standardize_dtype(old.dtype)}. "
            f"Received: {tuple(new.shape)} {keras.backend.standardize_dtype(new.dtype)}."
        )
    return ops.reshape(new, ops.shape(old))
