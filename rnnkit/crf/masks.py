"""Masks of any form: the real steps move to the front, and what is found moves back."""

from __future__ import annotations

from typing import NamedTuple

from keras import ops

from rnnkit.crf.chain import Tensor, rows


class Front(NamedTuple):
    """Where the real steps of a mask are."""

    mask: Tensor  # (B, T) bool
    order: Tensor  # (B, T), the steps in the order: real ones, then masked ones
    lengths: Tensor  # (B,) int32

    @classmethod
    def of(cls, mask: Tensor) -> Front:
        """The places of the real steps, True in `mask`."""
        mask = ops.cast(mask, "bool")
        steps = ops.shape(mask)[1]
        t = ops.arange(steps)[None]
        order = ops.argsort(ops.where(mask, t, t + steps), axis=1)
        return cls(mask, order, ops.sum(ops.cast(mask, "int32"), axis=1))

    def gather(self, sequences: Tensor) -> Tensor:
        """(B, T, K) with the real steps first and zeros behind them."""
        t = ops.arange(ops.shape(sequences)[1])[None]
        front = rows(sequences, self.order)
        return ops.where((t < self.lengths[:, None])[..., None], front, ops.zeros_like(front))

    def scatter(self, sequences: Tensor) -> Tensor:
        """The inverse of `gather`: back in place, with zeros at masked steps."""
        rank = ops.cumsum(ops.cast(self.mask, "int32"), axis=1) - 1
        placed = rows(sequences, ops.maximum(rank, 0))
        return ops.where(self.mask[..., None], placed, ops.zeros_like(placed))
