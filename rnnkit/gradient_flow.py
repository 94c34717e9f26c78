"""gradient_flow: how the gradient of a loss travels back through the steps of a model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from rnnkit import cells
from rnnkit.attention.cell import AttentionCell
from rnnkit.cells.base import Tensor
from rnnkit.measures import eigenvalues, saturation, share_kept, spectral_radius
from rnnkit.step_by_step import gradients, moved_by, nudged_query, run_steps, visited
from rnnkit.tracing import gates, innermost, nested, over_time, state_names, to_array, twin

Array = np.ndarray
ROWS = 1024  # most rows that go through the model at once


@dataclass(frozen=True)
class LayerFlow:
    """One recurrent cell of a model, on one batch.

    Steps are those of the input, whichever way the cell runs through them.
    """

    name: str  # of the layer; with the cell's number in a stack, and the call's if there are more
    gradients: dict[str, Array]  # "h", "c" -> (T,): norms of dL/dh_t over batch and units
    maps: dict[str, Array]  # "h", "c" -> (len(steps), T): norms of dL_t/dh_k, t = steps[row]
    eigenvalues: dict[str, Array]  # of W_h, gate by gate
    spectral_radius: dict[str, float]  # the largest |eigenvalue| of each
    traced: dict[str, Array]  # gates and states by name, (batch, T, n); see `rnnkit.trace`
    kept: Array | None  # (batch, T, n): what multiplies the old state in the new; None: no gate
    real: Array  # (batch, T) bool: False where the layer was masked
    saturation: dict[str, tuple[float, float]]  # gate -> shares of values near each of its ends


@dataclass(frozen=True)
class GradientFlow:
    """What `gradient_flow` found."""

    loss: float  # L, the sum of `losses`
    losses: Array  # L_t, (T,); (1,) for a loss of one value a sequence
    steps: Array  # the t of the rows of `LayerFlow.maps`
    layers: list[LayerFlow]  # in the order in which the model runs them
    weights: dict[str, float]  # path of each trainable weight -> norm of its gradient

    @property
    def norm(self) -> float:
        """Norm of the gradient of all weights together: what `global_clipnorm` looks at."""
        return float(np.sqrt(sum(norm**2 for norm in self.weights.values())))

    def clipped(self, norm: float) -> float:
        """The factor by which clipping to `norm` shrinks every gradient: 1 where it does not."""
        return min(1.0, norm / self.norm) if self.norm > 0 else 1.0


def gradient_flow(
    model: keras.layers.Layer,
    batch: Any,
    loss: Any = None,
    *,
    steps: Sequence[int] | None = None,
) -> GradientFlow:
    """Follows the gradient of a loss back through every step of every recurrent layer.

        L = sum_t L_t,     L_t = sum over rows of weight * loss at step t / sum of all weights
        dL/dh_t            everything that hangs on h_t: the output, and all later steps
        dL/dc_t            likewise, h_t of the same step included
        dL_t/dh_k          what step k can learn of the error at step t >= k

    These are norms over batch and units. Along a vanilla net they shrink or grow by a factor a
    step; along an LSTM's c they shrink by f alone (`docs/bptt.md`). Nothing is trained, and nothing
    of the model changes: not its weights, nor the states of stateful layers. Each recurrent layer
    runs step by step, in any backend, with dropout off.

    Args:
        model: a model or layer with recurrent layers (`RNN`, `BiRNN`, Keras's own) anywhere in it,
            whose output goes into the loss. They must run once per call, not in a loop.
        batch: `(x, y)` or `(x, y, sample_weight)`, as in `fit`; weights (batch,) or (batch, T).
        loss: a Keras loss or its name, or a function `(y_true, y_pred) -> (batch,)` or (batch, T).
            By default the one the model was compiled with.
        steps: the t whose L_t is followed back by itself. They go through the model together, each
            with a copy of the batch. By default up to eight, evenly spread, the last one included.

    Returns:
        A `GradientFlow`. Of cells that are not rnnkit's, nor have a twin here, dL/dc_t leaves the
        way through h_t of the same step out, because only their states are seen.

    Raises:
        ValueError: no recurrent layer, no loss, a loss of more axes, or steps that do not exist.

    Example:

    >>> layer = rnnkit.RNN(rnnkit.VanillaCell(4), return_sequences=True)
    >>> x = np.random.default_rng(0).normal(size=(2, 30, 3)).astype("float32")
    >>> flow = rnnkit.gradient_flow(layer, (x, np.zeros((2, 30, 4))), "mse", steps=[29])
    >>> bool(flow.layers[0].maps["h"][0, 0] < flow.layers[0].maps["h"][0, 29])
    True

    Reference: Y. Bengio, P. Simard and P. Frasconi, Learning Long-Term Dependencies with Gradient
    Descent is Difficult, IEEE Transactions on Neural Networks 5, 1994.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    x = tree.map_structure(ops.convert_to_tensor, x)
    losses = _losses(model, loss, y, sample_weight)
    if not model.built:
        model(x, training=False)
    layers = [part for part in model._flatten_layers() if isinstance(part, keras.layers.RNN)]
    places, per_step = _record(model, layers, x, losses)
    if not places:
        raise ValueError(
            "gradient_flow needs a model with recurrent layers. "
            f"Received: {model.name}, which ran none."
        )
    followed = _followed(steps, len(per_step))
    weights = list(model.trainable_variables)
    nudged = _Nudged(model, layers, places, weights, x, losses)
    found = gradients(
        nudged.specs(1) + [(weight.shape, weight.dtype) for weight in weights], nudged.loss
    )
    split = len(nudged.specs(1))
    whole = len(per_step) == 1  # then L_t is L
    rows = [found[:split] for _ in followed] if whole else nudged.rows(followed)
    flows, first = [], 0
    for place in places:
        here = slice(first, first + len(place.widths))
        flows.append(place.flow(found[here], [row[here] for row in rows]))
        first = here.stop
    return GradientFlow(
        loss=float(per_step.sum()),
        losses=per_step,
        steps=np.array(followed),
        layers=flows,
        weights={
            weight.path: float(np.linalg.norm(gradient))
            for weight, gradient in zip(weights, found[split:], strict=True)
        },
    )


# --- the loss -----------------------------------------------------------------------------------


def _losses(
    model: keras.layers.Layer, loss: Any, y: Any, sample_weight: Any
) -> Callable[..., Tensor]:
    """The function from a prediction of so many copies of the batch to the L_t, (copies, T)."""
    if loss is None and getattr(model, "compiled", False):
        loss = model.loss
    if loss is None or y is None:
        raise ValueError(
            "gradient_flow needs a batch (x, y) and a loss, its own or a compiled model's. "
            f"Received: {'no y' if y is None else 'loss=None'}. "
            "Example: gradient_flow(model, (x, y), 'mse')."
        )
    found = keras.losses.get(loss)
    function = found.call if isinstance(found, keras.losses.Loss) else found

    def losses(prediction: Tensor, copies: int = 1) -> Tensor:
        values = function(_copied(ops.convert_to_tensor(y), copies), prediction)
        if len(values.shape) not in (1, 2):
            raise ValueError(
                "The loss must have one value a row, (batch,), or a step, (batch, T). "
                f"Received: values of shape {tuple(values.shape)}."
            )
        values = ops.reshape(values, (copies, values.shape[0] // copies, -1))
        weight = ops.ones_like(values[0])
        if sample_weight is not None:
            given = ops.cast(sample_weight, values.dtype)
            weight = weight * ops.reshape(given, (given.shape[0], -1))
        return ops.sum(weight * values, axis=1) / ops.sum(weight)

    return losses


def _copied(tensor: Tensor, copies: int) -> Tensor:
    return tensor if copies == 1 else ops.concatenate([tensor] * copies, axis=0)


def _followed(steps: Sequence[int] | None, count: int) -> list[int]:
    if steps is None:
        return sorted({round(t) for t in np.linspace(0, count, 9)[1:] - 1 if t > -0.5})
    several = isinstance(steps, (Sequence, np.ndarray))
    if not several or any(not 0 <= t < count for t in steps):
        raise ValueError(
            f"steps must be a list of numbers from 0 to {count - 1}, of which the loss has values. "
            f"Received: steps={steps}. Example: gradient_flow(..., steps=[{count - 1}])."
        )
    return [int(t) for t in steps]


# --- the model, recorded and nudged -------------------------------------------------------------


@dataclass
class _Place:
    """A cell where the model runs it, as recorded."""

    name: str
    cell: Any
    reverse: bool
    traced: dict[str, Array]  # in the order in which the cell ran
    real: Array
    widths: list[int]
    dtype: str

    def flow(self, gradients: list[Array], rows: list[list[Array]]) -> LayerFlow:
        names = state_names(self.cell)
        forth = lambda array: array[:, ::-1] if self.reverse else array
        norm = lambda array: np.sqrt((forth(array).astype("float64") ** 2).sum((0, 2)))
        traced = {name: forth(array) for name, array in self.traced.items()}
        real = forth(self.real)
        return LayerFlow(
            name=self.name,
            gradients={name: norm(g) for name, g in zip(names, gradients, strict=True)},
            maps={
                name: np.reshape([norm(row[k]) for row in rows], (len(rows), real.shape[1]))
                for k, name in enumerate(names)
            },
            eigenvalues=eigenvalues(self.cell),
            spectral_radius=spectral_radius(self.cell),
            traced=traced,
            kept=share_kept(self.cell, traced),
            real=real,
            saturation=saturation(self.cell, traced, real),
        )


def _record(
    model: keras.layers.Layer, layers: list[Any], x: Any, losses: Callable[[Tensor], Tensor]
) -> tuple[list[_Place], Array]:
    """Every cell as it runs on x, and the L_t."""
    places: list[_Place] = []

    def visit(name, cell, xs, masks, states, reverse):
        after: list[list[Tensor]] = []

        def keep(t, y, new, shown, mask):
            after.append(new)
            return y, new

        ys, end, before = run_steps(cell, xs, masks, states, keep)
        names = state_names(cell)
        traced = gates(cell, ops.stack(xs, axis=1), over_time(before))
        traced |= dict(zip(names, map(to_array, over_time(after)), strict=False))
        batch = xs[0].shape[0]
        calls = sum(place.name.partition(" ")[0] == name for place in places)
        places.append(
            _Place(
                name=f"{name} (call {calls + 1})" if calls else name,
                cell=cell,
                reverse=reverse,
                traced=traced,
                real=np.ones((batch, len(xs)), bool)
                if masks is None
                else to_array(ops.concatenate(masks, axis=1)),
                widths=[state.shape[-1] for state in end[: len(names)]],
                dtype=keras.backend.standardize_dtype(end[0].dtype),
            )
        )
        return ys, end

    with visited(layers, visit):
        per_step = losses(model(x, training=False))[0]
    return places, to_array(per_step)


@dataclass
class _Nudged:
    """The model, every state and every weight of which is moved by a nudge, which is zero."""

    model: keras.layers.Layer
    layers: list[Any]
    places: list[_Place]
    weights: list[Any]
    x: Any
    losses: Callable[..., Tensor]

    def specs(self, copies: int) -> list[tuple[tuple[int, ...], str]]:
        """Shape and dtype of the nudges of all states, for so many copies of the batch."""
        return [
            ((copies * place.real.shape[0], place.real.shape[1], width), place.dtype)
            for place in self.places
            for width in place.widths
        ]

    def rows(self, followed: list[int]) -> list[list[Array]]:
        """For each t the gradients of L_t: the batch is copied, each copy has the loss of one t."""
        batch = max(len(place.real) for place in self.places)
        stateful = any(layer.stateful for layer in self.layers)  # they know one batch size only
        most = 1 if stateful else max(1, ROWS // batch)
        rows: list[Any] = []
        for first in range(0, len(followed), most):
            some = followed[first : first + most]
            found = gradients(self.specs(len(some)), functools.partial(self.loss, followed=some))
            rows += zip(*(np.split(each, len(some)) for each in found), strict=True)
        return [list(row) for row in rows]

    def loss(self, nudges: list[Tensor], followed: Sequence[int] | None = None) -> Tensor:
        """L; or the sum of the L_t of `followed`, each of a copy of its own."""
        copies = 1 if followed is None else len(followed)
        queue = iter(nudges)
        shifts = [[next(queue) for _ in place.widths] for place in self.places]
        visits = iter(zip(self.places, shifts, strict=True))

        def visit(name, cell, xs, masks, states, reverse):
            place, shift = next(visits)

            def moves(t, new, mask=None):
                moved = [each[:, t] for each in shift]
                if len(moved) > 1 and "o" in place.traced:  # c of this step is in its h
                    o = _copied(ops.cast(place.traced["o"][:, t], new[1].dtype), copies)
                    through = _through_memory(cell, o, new[1], moved[1])
                    moved[0] += through if mask is None else ops.where(mask, through, 0)
                return moved

            def nudge(t, y, new, shown, mask):
                moved = moves(t, new, mask)
                if shown is not None and shown < len(moved):
                    y = y + moved[shown]
                elif isinstance(cell, cells.ResidualCell):
                    y = y + moved[0]
                return y, moved_by(new, moved)

            def nudge_masked(t, y, new, shown, mask):  # where the step counts, its query is nudged
                moved = [] if mask is None else [ops.where(mask, 0, each[:, t]) for each in shift]
                return y, moved_by(new, moved)

            attending = _attending(cell)
            if attending is None:
                return run_steps(cell, xs, masks, states, nudge)[:2]
            with nudged_query(attending, moves):
                return run_steps(cell, xs, masks, states, nudge_masked)[:2]

        with visited(self.layers, visit):
            for weight, shift in zip(self.weights, queue, strict=False):
                weight.assign(weight.value + shift)  # as long as it is visited
            x = tree.map_structure(lambda tensor: _copied(tensor, copies), self.x)
            per_step = self.losses(self.model(x, training=False), copies)
        if followed is None:
            return ops.sum(per_step)
        return sum(per_step[copy, t] for copy, t in enumerate(followed))


def _through_memory(cell: Any, o: Tensor, c: Tensor, move: Tensor) -> Tensor:
    """What a nudge of c_t does to h_t = o_t * tanh(c_t), to first order."""
    if _zones_out(cell):
        return ops.zeros_like(o)
    cell = twin(innermost(cell))
    shown = ops.tanh
    if isinstance(cell, cells.LayerNormLSTMCell):
        shown = lambda c: ops.tanh(cell.memory_gain * cell.normalised(c) + cell.memory_bias)
    h = o * (shown(c + move) - shown(c))
    if isinstance(cell, cells.PeepholeLSTMCell):
        h += ops.tanh(c) * o * (1 - o) * (move * cell.peephole_o)
    if isinstance(cell, cells.FullPeepholeLSTMCell):
        h += ops.tanh(c) * o * (1 - o) * ops.matmul(move, cell.peephole_o)
    if isinstance(cell, cells.ProjectedLSTMCell):
        h = ops.matmul(h, cell.projection_kernel)
    return h


def _zones_out(cell: Any) -> bool:
    """Whether the c that is kept is another than the one that h has seen."""
    return any(isinstance(each, cells.ZoneoutCell) for each in nested(cell))


def _attending(cell: Any) -> AttentionCell | None:
    """The cell whose attention sees h in the step that makes it.

    None of a zoneout around it: the h that is kept is another one than it sees.
    """
    kinds = AttentionCell, cells.ZoneoutCell
    first = next((each for each in nested(cell) if isinstance(each, kinds)), None)
    return first if isinstance(first, AttentionCell) else None
