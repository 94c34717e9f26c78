"""Backpropagation through time as the lectures derive it by hand, for any cell.

Forward, with p_t = x_t W + b of all steps from one product before the loop:

    s_t = step(p_t, s_{t-1})                                            t = 1..T

Backward, where the loop carries dL/ds_t and computes pre-activation gradients alone, from a step
recomputed at the stored states:

    dL/dp_t, dL/ds_{t-1}, dL/de_t = vjp of step at (p_t, s_{t-1})       t = T..1

Here r_t + e_t stands for the result r_t of a use of a recurrent weight, with e_t = 0. After the
loop each weight's gradient is one product over all steps and the batch:

    r_t = a_t U      dL/dU = sum_t a_t^T dL/de_t      Cell.dot
    r_t = a_t * w    dL/dw = sum_t a_t * dL/de_t      Cell.scale
    r_t = a_t + b    dL/db = sum_t dL/de_t            Cell.shift

In a plain graph of TensorFlow a sequence in training is cut into chunks, each with its loops and
products (`rnnkit.engine_tensorflow_chunks`).

Autodiff of the loop instead adds up dL/dU step by step and stores every intermediate of a step. A
weight that a cell uses in any other way gets its gradient inside the loop: correct, and slower.
Both loops are themselves differentiable: second derivatives are those of autodiff.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops
from keras.src.backend import AutocastScope

from rnnkit.cells.base import Cell, States, Tensor, accepted
from rnnkit.cells.weights import USES, Watcher, watched_by


def run_over_time(
    engine: Any,
    cell: Cell,
    inputs: Tensor,
    mask: Tensor | None,
    states: States,
    *,
    training: bool | None,
    truncate: int | None,
    sequence: bool,
) -> tuple[Tensor | None, Tensor, States] | None:
    """A cell over time, on the loops of `engine`.

    None if a step changes variables, as a draw of random numbers does: recomputing it would draw
    others.

    Args:
        engine: what `backend_engine` gives.
        cell: a built cell.
        inputs: (time, batch, m).
        mask: (time, batch, 1) bool, or None.
        states: list of (batch, width).
        training: handed to the cell's `project` and `step` if they take it.
        truncate: cuts the gradient to the states every so many steps, counted from the end.
        sequence: whether the output of every step is wanted.

    Returns:
        `(outputs, last output, last states)`; outputs are (time, batch, n), None unless `sequence`.
    """
    step = Step(cell, training)
    if truncate is None and hasattr(cell, "over_time"):  # it is parallel over time by itself
        outputs, last = cell.over_time(step.project(inputs), states, mask)
        outputs, output = _from_zero(outputs, last[0], mask)
        return outputs, output, last
    weights = [variable.value for variable in cell.variables]
    in_chunks = training and engine.in_chunks()
    project: Callable[[Tensor, list[Tensor]], Tensor] = step.project
    if not in_chunks or step.projection_draws(inputs[0], weights):
        inputs, project = step.project(inputs), _projected
    projected = project(inputs[0], weights)
    step.try_out(projected, states, weights)
    if step.has_side_effects:
        return None
    if step.output_rides:
        states = [*states, ops.zeros((ops.shape(inputs)[1], step.output_size), projected.dtype)]
    unroll = partial(engine.unroll_in_chunks, project) if in_chunks else engine.unroll
    outputs, last = unroll(
        step, inputs, mask, states, weights, truncate=truncate, sequence=sequence
    )
    output = last[step.output]
    if not step.output_rides:
        outputs, output = _from_zero(outputs, output, mask)
    return outputs, output, last[: len(states) - step.output_rides]


def _projected(inputs: Tensor, weights: list[Tensor]) -> Tensor:
    """In place of `Step.project`, for what is projected already."""
    return inputs


def _from_zero(outputs: Tensor | None, last: Tensor, mask: Tensor | None):
    """Outputs that are a state: zero before the first real step, where the state is the first one.

    So that they are those of a cell whose output is no state.
    """
    if mask is None:
        return outputs, last
    some = ops.any(mask, axis=0)
    if outputs is not None:
        steps = ops.arange(ops.shape(mask)[0], dtype="int32")[:, None, None]
        first = ops.cast(ops.argmax(ops.cast(mask, "int32"), axis=0), "int32")
        outputs = ops.where(ops.logical_and(some, steps >= first), outputs, 0)
    return outputs, ops.where(some, last, 0)


class Step:
    """A cell's step as a function of tensors alone: (p_t, states, weights) -> states.

    An output that is no state rides along as one more state, which the next step ignores.
    """

    def __init__(self, cell: Cell, training: bool | None) -> None:
        self.cell = cell
        self.variables = list(cell.variables)
        self.options = accepted(cell.step, training=training)
        self.options_of_project = accepted(cell.project, training=training)

    def project(self, inputs: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """x -> p, (..., m) -> (..., width), with `weights` in place of the variables if given."""
        shape = ops.shape(inputs)
        flat = ops.reshape(inputs, (-1, shape[-1]))  # a product of rank 2 has the fast gradient
        project = lambda: self.cell.project(flat, **self.options_of_project)
        projected = project() if weights is None else self._stateless(weights, project)[0]
        return ops.reshape(projected, (*shape[:-1], projected.shape[-1]))

    def projection_draws(self, inputs: Tensor, weights: list[Tensor]) -> bool:
        """Whether `project` changes variables, so that projecting again would draw other noise."""
        project = lambda: self.cell.project(inputs, **self.options_of_project)
        return self._stateless(weights, project)[1]

    def try_out(self, projected: Tensor, states: States, weights: list[Tensor]) -> None:
        """Learns from one step, whose values nobody reads, what every step does."""
        output, new, self.has_side_effects = self._run(projected, states, weights, _plain)
        if len(new) != len(states):
            raise ValueError(
                f"{type(self.cell).__name__} has {len(states)} state(s), of widths "
                f"{self.cell.state_sizes}: step must return (output, states) with as many. "
                f"Received: {len(new)} state(s)."
            )
        places = [i for i, state in enumerate(new) if state is output]
        self.output = places[0] if places else len(new)
        self.output_size = output.shape[-1]
        self.output_rides = not places
        self.constant = [
            state is old and i != self.output
            for i, (state, old) in enumerate(zip(new, states, strict=True))
        ] + [False] * self.output_rides

    def __call__(
        self, projected: Tensor, states: States, weights: list[Tensor], watcher: Watcher
    ) -> States:
        own = states[:-1] if self.output_rides else states
        output, new, _ = self._run(projected, own, weights, watcher)
        return [*new, output] if self.output_rides else new

    def _run(self, projected, states, weights, watcher):
        with watched_by(watcher):
            (output, new), changed = self._stateless(
                weights, lambda: self.cell.step(projected, list(states), **self.options)
            )
        return *_like(output, list(new), states), changed

    def _stateless(self, weights: list[Tensor], function: Callable[[], Any]) -> tuple[Any, bool]:
        """What a function of the cell gives with these weights, and whether it changed any."""
        scope = keras.StatelessScope(list(zip(self.variables, weights, strict=True)))
        before = dict(scope.state_mapping)
        # Layers compute in their own precision within `call`; the loop backwards runs after it.
        with scope, AutocastScope(self.cell.compute_dtype):
            result = function()
        return result, any(scope.state_mapping[k] is not value for k, value in before.items())

    def place(self, weight: Any) -> int | None:
        """Where among `variables` a weight stands; None for what a cell made of its weights."""
        return next((i for i, v in enumerate(self.variables) if v is weight), None)


def _like(output: Tensor, new: States, states: States) -> tuple[Tensor, States]:
    """A step's results in the dtype of the states: Keras's tanh of float64 is float32 on JAX."""
    dtype = states[0].dtype
    cast = [state if state.dtype == dtype else ops.cast(state, dtype) for state in new]
    shown = next((after for after, state in zip(cast, new, strict=True) if state is output), None)
    return ops.cast(output, dtype) if shown is None else shown, cast


def _plain(kind: str, tensor: Tensor, weight: Any) -> Tensor:
    return USES[kind](tensor, weight)
