"""Scheduled sampling: a decoder trained on some tokens of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops, tree

from rnnkit.cells.base import Tensor
from rnnkit.counter_random import threefry_2x32, uniform
from rnnkit.decoding.sampling import sample

Step = Callable[..., tuple[Tensor, list[Tensor]]]


def scheduled_sampling(
    step: Step,
    targets: Tensor,
    state: list[Tensor],
    rate: Any,
    *,
    seed: Any,
    batch_number: Any,
    keep: Tensor | None = None,
) -> Tensor:
    """The logits of a decoder that is given, with the chance `rate`, what it drew itself.

        token_l = a draw from softmax(logits_{l-1})     with the chance rate, for l > 0
                  target_l                              else
        logits_l, s_l = step(token_l, s_{l-1})

    No gradient flows through a draw. Draws and choices come from `rnnkit.counter_random`, out of
    seed, batch number, row and step: a training run repeats bit for bit.

    Args:
        step: `(tokens, state, keep) -> (logits, state)`; tokens (batch,) int, state a list of
            (batch, width).
        targets: (batch, L) int: y_0..y_{L-1}.
        state: before the first step.
        rate: scalar, from 0 (teacher forcing) to 1 (free running).
        seed, batch_number: int scalars.
        keep: (batch, L, n), of which a step is handed its (batch, n): masks of dropout, drawn for
            all steps before the loop. None: steps are handed None.

    Returns:
        logits (batch, L, V).

    Reference: S. Bengio, O. Vinyals, N. Jaitly and N. Shazeer, Scheduled Sampling for Sequence
    Prediction with Recurrent Neural Networks, NIPS 2015.
    """
    rows, length = ops.shape(targets)
    word = lambda value: ops.cast(ops.convert_to_tensor(value), "uint32")
    numbers = ops.arange(rows, dtype="int32")
    key = word(seed) + 0 * word(numbers), word(batch_number) + 0 * word(numbers)
    seeds, others = threefry_2x32(key, (word(numbers), word(0)))
    steps = ops.arange(length, dtype="int32")
    chance = uniform(others[:, None], steps[None], 0)
    own = ops.logical_and(chance < ops.cast(rate, chance.dtype), steps[None] > 0)
    # One tensor, for Keras's loop: whole numbers up to 2**24 are exact in float32.
    columns = [targets, own, ops.broadcast_to(steps, (rows, length))]
    inputs = ops.stack([ops.cast(column, "float32") for column in columns], axis=-1)
    if keep is not None:
        inputs = ops.concatenate([inputs, ops.cast(keep, "float32")], axis=-1)
    cell = _SamplingCell(step, [leaf.shape[-1] for leaf in state], seeds, keep is not None)
    layer = keras.layers.RNN(cell, return_sequences=True, dtype="float32")
    nothing = ops.zeros((rows, 1), dtype="float32")
    return layer(inputs, initial_state=[nothing, *state])


class _SamplingCell(keras.layers.Layer):
    """`step` as a cell of Keras's, whose first state is the token that it drew."""

    def __init__(self, step: Step, widths: list[int], seeds: Tensor, has_masks: bool) -> None:
        super().__init__(dtype="float32")
        self.state_size = [1, *widths]
        self._parts = step, seeds, has_masks
        self.built = True

    def call(self, inputs: Tensor, states: list[Tensor]):
        step, seeds, has_masks = self._parts
        drawn, *state = tree.flatten(states)
        target, own, place = (ops.cast(inputs[:, k], "int32") for k in range(3))
        token = ops.where(own > 0, ops.cast(drawn[:, 0], "int32"), target)
        logits, new = step(token, state, inputs[:, 3:] if has_masks else None)
        logits = ops.cast(logits, "float32")
        drawn = sample(ops.stop_gradient(logits), seeds, place)
        return logits, [ops.cast(s, "float32") for s in (drawn[:, None], *new)]
