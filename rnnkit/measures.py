"""What can be measured of a cell: the radius of W_h, the share of the state kept, saturation."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from rnnkit import cells
from rnnkit.tracing import innermost, nested, to_array, twin

Array = np.ndarray
LOW, HIGH = 0.1, 0.9  # a sigmoid beyond these has less than 0.36 of its steepest slope


def eigenvalues(cell: keras.layers.Layer) -> dict[str, Array]:
    """The eigenvalues of each gate's block of W_h; {} where no matrix joins two steps.

    Where h is narrower than c, or y is the state, they are those of the product of the two matrices
    on the way from step to step.
    """
    cell = twin(innermost(cell))
    kernels = [getattr(cell, name, None) for name in ("recurrent_kernel", "candidate_kernel")]
    arrays = [to_array(kernel) for kernel in kernels if kernel is not None]
    names = getattr(cell, "gates", ())
    if not arrays or not names:
        return {}
    if arrays[0].ndim == 1:
        return {names[0]: arrays[0]}
    joined = np.concatenate(arrays, axis=1).astype("float64")
    if joined.shape[1] != len(names) * cell.units:
        return {}
    back = next(
        (getattr(cell, n) for n in ("projection_kernel", "output_kernel") if hasattr(cell, n)), None
    )
    blocks = np.split(joined, len(names), axis=1)
    if back is not None:
        blocks = [block @ to_array(back) for block in blocks]
    return {name: np.linalg.eigvals(block) for name, block in zip(names, blocks, strict=True)}


def spectral_radius(cell: keras.layers.Layer) -> dict[str, float]:
    """The largest |eigenvalue| of each gate's block of W_h.

    Below 1 the linear part of a step forgets, above 1 it may explode.
    """
    return {name: float(np.abs(values).max()) for name, values in eigenvalues(cell).items()}


def share_kept(cell: keras.layers.Layer, traced: dict[str, Array]) -> Array | None:
    """How much of the old state each unit keeps: what multiplies c_{t-1}, or h_{t-1}, in the new.

    An LSTM's f, a GRU's 1 - z, (batch, T, n) as in `traced`; None for a cell without such a gate.
    The candidate and the gates see the old state too; this is the path that goes past them. Zoneout
    at the rate d keeps d + (1 - d) of that.
    """
    share = _KEPT.get(type(twin(innermost(cell))))
    kept = None if share is None else share(traced)
    for wrapper in reversed(list(nested(cell))):
        if isinstance(wrapper, cells.ZoneoutCell):
            d = wrapper.memory_rate if "c" in traced else wrapper.hidden_rate
            kept = d + (1 - d) * (np.zeros_like(traced["h"]) if kept is None else kept)
    return kept


def saturation(
    cell: keras.layers.Layer, traced: dict[str, Array], real: Array
) -> dict[str, tuple[float, float]]:
    """Shares of real values near the ends: below 0.1 and above 0.9, for tanh -0.9 and 0.9."""
    inner = twin(innermost(cell))
    squashed = dict.fromkeys("ifozr", LOW)
    if not isinstance(inner, cells.LinearCell):  # whose g is not squashed
        squashed["g"] = -HIGH
    if isinstance(inner, cells.OutputRecurrentCell) or (
        isinstance(inner, cells.VanillaCell) and inner.activation is keras.activations.tanh
    ):
        squashed["h"] = -HIGH
    return {
        name: (
            float((array[real] < squashed[name]).mean()),
            float((array[real] > HIGH).mean()),
        )
        for name, array in traced.items()
        if name in squashed
    }


_KEPT: dict[type, Callable[[dict[str, Array]], Array]] = {
    cells.LSTMCell: lambda traced: traced["f"],
    cells.PeepholeLSTMCell: lambda traced: traced["f"],
    cells.FullPeepholeLSTMCell: lambda traced: traced["f"],
    cells.ProjectedLSTMCell: lambda traced: traced["f"],
    cells.CoupledLSTMCell: lambda traced: traced["f"],
    cells.LayerNormLSTMCell: lambda traced: traced["f"],
    cells.GRUCell: lambda traced: 1 - traced["z"],
    cells.ResetAfterGRUCell: lambda traced: traced["z"],
    cells.MGUCell: lambda traced: 1 - traced["f"],
    cells.MinGRUCell: lambda traced: 1 - traced["z"],
    cells.MinLSTMCell: lambda traced: traced["f"] / (traced["f"] + traced["i"]),
}
