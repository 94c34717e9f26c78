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

Autodiff of the loop instead adds up dL/dU step by step and stores every intermediate of a step. A
weight that a cell uses in any other way gets its gradient inside the loop: correct, and slower.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import warnings
from typing import Any

import keras
from keras import ops

from rnnkit.cells.base import Cell, States, Tensor
from rnnkit.cells.weights import USES, Watcher, watched_by

SECOND_DERIVATIVE = (
    "rnnkit's engine gives first derivatives only. keras.layers.RNN(cell) runs the same cell in a "
    "loop that can be differentiated twice."
)
_BACKENDS = {"tensorflow": "rnnkit.engine_tensorflow"}


def backend_engine() -> Any:
    """The module that runs the loops on Keras's backend; None, and a warning, where none does."""
    name = keras.backend.backend()
    if name in _BACKENDS:
        return importlib.import_module(_BACKENDS[name])
    warnings.warn(  # Python shows it once
        f"rnnkit has no engine for the {name} backend: its layers run there as Keras's plain loop, "
        f"with the same results and no extra speed. Engines: {', '.join(_BACKENDS)}.",
        stacklevel=2,
    )
    return None


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
) -> tuple[Tensor | None, Tensor, States]:
    """A cell over time, on the loops of `engine`.

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
    shape = ops.shape(inputs)
    flat = ops.reshape(inputs, (-1, shape[-1]))  # a product of rank 2 has the fast gradient
    projected = cell.project(flat, **accepted(cell.project, training=training))
    projected = ops.reshape(projected, (*shape[:2], projected.shape[-1]))
    weights = [variable.value for variable in cell.variables]
    step = Step(cell, training)
    step.try_out(projected[0], states, weights)
    if step.output_rides:
        states = [*states, ops.zeros((shape[1], step.output_size), dtype=projected.dtype)]
    outputs, last = engine.unroll(
        step, projected, mask, states, weights, truncate=truncate, sequence=sequence
    )
    output = last[step.output]
    if mask is not None and not step.output_rides:
        # An output that is a state starts at zero too, and not at the initial state.
        some = ops.any(mask, axis=0)
        output = ops.where(some, output, 0)
        if sequence:
            first = ops.cast(ops.argmax(ops.cast(mask, "int32"), axis=0), "int32")
            begun = ops.arange(shape[0], dtype="int32")[:, None, None] >= first
            outputs = ops.where(ops.logical_and(some, begun), outputs, 0)
    return outputs, output, last[: len(states) - step.output_rides]


class Step:
    """A cell's step as a function of tensors alone: (p_t, states, weights) -> states.

    An output that is no state rides along as one more state, which the next step ignores.
    """

    def __init__(self, cell: Cell, training: bool | None) -> None:
        self.cell = cell
        self.variables = list(cell.variables)
        self.options = accepted(cell.step, training=training)

    def try_out(self, projected: Tensor, states: States, weights: list[Tensor]) -> None:
        """Learns from one step, whose values nobody reads, what every step does."""
        output, new, self.has_side_effects = self._run(projected, states, weights, _plain)
        places = [i for i, state in enumerate(new) if state is output]
        self.output = places[0] if places else len(new)
        self.output_size = output.shape[-1]
        self.output_rides = not places
        self.constant = [
            i != self.output and any(state is old for old in states[i : i + 1])
            for i, state in enumerate([*new, output] if self.output_rides else new)
        ]

    def __call__(
        self, projected: Tensor, states: States, weights: list[Tensor], watcher: Watcher
    ) -> States:
        own = states[:-1] if self.output_rides else states
        output, new, _ = self._run(projected, own, weights, watcher)
        return [*new, output] if self.output_rides else list(new)

    def _run(self, projected, states, weights, watcher):
        scope = keras.StatelessScope(list(zip(self.variables, weights, strict=True)))
        before = dict(scope.state_mapping)
        with scope, watched_by(watcher):
            output, new = self.cell.step(projected, list(states), **self.options)
        return output, new, scope.state_mapping != before

    def place(self, weight: Any) -> int | None:
        """Where among `variables` a weight stands; None for what a cell made of its weights."""
        return next((i for i, v in enumerate(self.variables) if v is weight), None)


@dataclasses.dataclass(frozen=True)
class Use:
    """One use of a weight in a step, and where its operand and its gradient dL/de are stored."""

    kind: str
    weight: int
    state: int | None  # the state that is the operand; None: the loop stores the operand
    is_projected: bool  # dL/de is dL/dp, and not stored twice


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the backward loop stores at every step, known before it runs."""

    uses: list[Use]
    direct: list[int]  # weights whose gradient, or part of it, no use covers
    stored: list[Tensor]  # tensors like those that a backward step stores
    remembered: list[int]  # uses whose results the forward loop stores: products are not cheap
    results: list[Tensor]  # tensors like them
    folded: int | None  # of them, the one that a step only adds to p_t: p_t + r_t replaces p_t


def _plain(kind: str, tensor: Tensor, weight: Any) -> Tensor:
    return USES[kind](tensor, weight)


def accepted(function: Any, **options: Any) -> dict[str, Any]:
    """Those options that `function` takes."""
    return {k: v for k, v in options.items() if k in inspect.signature(function).parameters}


def covers(kind: str, operand: Tensor, weight: Tensor) -> bool:
    """Whether `weight_gradient` has the formula for a use of these ranks."""
    if kind == "dot":
        return len(weight.shape) == 2 and len(operand.shape) == 2
    return (
        len(weight.shape) == 1 and len(operand.shape) == 2 and operand.shape[-1] == weight.shape[0]
    )


def weight_gradient(kind: str, operands: Tensor | None, gradients: Tensor) -> Tensor:
    """dL/dw of one use over all steps: operands and dL/de are (time, batch, width)."""
    flat = lambda tensor: ops.reshape(tensor, (-1, tensor.shape[-1]))
    if kind == "dot":
        return ops.matmul(ops.transpose(flat(operands)), flat(gradients))
    terms = flat(gradients) if kind == "shift" else flat(operands) * flat(gradients)
    exact = keras.backend.result_type(terms.dtype, "float32")  # half precision loses long sums
    return ops.cast(ops.sum(ops.cast(terms, exact), axis=0), terms.dtype)
