"""All potentials of a chain in one tensor, so that a loss needs nothing else.

              K columns       1        1
    T rows  | emissions    | real?  | 0    |
    K rows  | transitions  | start  | end  |      row i: from tag i; start(i), end(i)

The lower block is the same in every row of the batch.
"""

from __future__ import annotations

from typing import NamedTuple

from keras import ops

from rnnkit.crf.chain import Tensor


class Potentials(NamedTuple):
    """The parts: (B, T, K), (K, K), (K,), (K,) and the mask (B, T), bool.

    They are named as the arguments of `rnnkit.crf.functions` are.
    """

    emissions: Tensor
    transitions: Tensor
    start: Tensor
    end: Tensor
    mask: Tensor


def pack(
    emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, mask: Tensor | None
) -> Tensor:
    """The potentials as one tensor (B, T + K, K + 2)."""
    batch, steps, width = ops.shape(emissions)
    dtype = emissions.dtype
    if mask is None:
        mask = ops.ones((batch, steps), dtype)
    real = ops.stack([ops.cast(mask, dtype), ops.zeros((batch, steps), dtype)], axis=-1)
    above = ops.concatenate([emissions, real], axis=-1)
    below = ops.concatenate([transitions, start[:, None], end[:, None]], axis=-1)
    below = ops.broadcast_to(below, (batch, width, width + 2))
    return ops.concatenate([above, below], axis=1)


def unpack(potentials: Tensor) -> Potentials:
    """The parts of what `pack` made.

    Raises:
        ValueError: this is not what a `CRF` puts out.
    """
    potentials = ops.convert_to_tensor(potentials)
    shape = tuple(potentials.shape)
    width = (shape[-1] or 0) - 2 if len(shape) == 3 else 0
    if width < 1 or (shape[1] is not None and shape[1] < width):
        raise ValueError(
            "Expected the potentials of a rnnkit.CRF, (batch, time + tags, tags + 2). "
            f"Received: shape {shape}. The CRF must be the last layer before it."
        )
    # The first row's, or zeros where there is no row; reshaped so that the shape is known.
    below = ops.reshape(ops.sum(potentials[:1, -width:], axis=0), (width, width + 2))
    return Potentials(
        emissions=potentials[:, :-width, :width],
        transitions=below[:, :width],
        start=below[:, width],
        end=below[:, width + 1],
        mask=potentials[:, :-width, width] > 0.5,
    )
