"""Masks of any form: the real steps move to the front, and what is found moves back."""

from __future__ import annotations

from typing import NamedTuple

from keras import ops

from rnnkit.crf.chain import Tensor, rows


class Front(NamedTuple):
    """Where the real steps of a mask are."""

    mask: Tensor  # (B, T) bool
    order: Tensor  # (B, T or 1), the steps in the order: real ones, then masked ones
    lengths: Tensor  # (B,) int32

    @classmethod
    def of(cls, mask: Tensor) -> Front:
        """The places of the real steps, True in `mask`."""
        mask = ops.cast(mask, "bool")
        room = _with_a_step(mask)
        steps = ops.shape(room)[1]
        t = ops.arange(steps)[None]
        order = ops.argsort(ops.where(room, t, t + steps), axis=1)
        return cls(mask, order, ops.sum(ops.cast(mask, "int32"), axis=1))

    def gather(self, sequences: Tensor) -> Tensor:
        """(B, T, K) with the real steps first and zeros behind them; T is at least 1 where it was
        unknown."""
        sequences = _with_a_step(sequences)
        t = ops.arange(ops.shape(sequences)[1])[None]
        front = rows(sequences, self.order)
        return ops.where((t < self.lengths[:, None])[..., None], front, ops.zeros_like(front))

    def scatter(self, sequences: Tensor) -> Tensor:
        """The inverse of `gather`: back in place, with zeros at masked steps."""
        rank = ops.cumsum(ops.cast(self.mask, "int32"), axis=1) - 1
        placed = rows(sequences, ops.maximum(rank, 0))
        return ops.where(self.mask[..., None], placed, ops.zeros_like(placed))


def _with_a_step(sequences: Tensor) -> Tensor:
    """One step of zeros more where an unknown T turns out to be 0: loops over no step fail."""
    batch, steps, *width = ops.shape(sequences)
    if isinstance(steps, int):
        return sequences
    missing = ops.zeros((batch, ops.maximum(1 - steps, 0), *width), dtype=sequences.dtype)
    return ops.concatenate([sequences, missing], axis=1)
