"""The engine on TensorFlow: a whole sequence at once, or, to train in a plain graph, in chunks."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from rnnkit.cells.base import States, Tensor
from rnnkit.engine import Step
from rnnkit.engine_tensorflow_chunks import unroll_in_chunks
from rnnkit.engine_tensorflow_loops import (
    array_of,
    backward,
    cuts,
    forward,
    new_array,
    plan_of,
    stacked,
)

__all__ = ["in_chunks", "scan", "unroll", "unroll_in_chunks"]


def in_chunks() -> bool:
    """Whether training goes over a sequence in chunks here: neither eagerly nor under XLA.

    Eagerly Python would pay for every chunk; XLA compiles one loop faster than two in each other,
    and runs it as fast.
    """
    return not tf.executing_eagerly() and not GraphOrParentsInXlaContext(
        tf.compat.v1.get_default_graph()
    )


def unroll(
    step: Step,
    projected: Tensor,
    mask: Tensor | None,
    states: States,
    weights: list[Tensor],
    *,
    truncate: int | None,
    sequence: bool,
) -> tuple[Tensor | None, States]:
    """Runs `step` over time, with the gradients of `rnnkit.engine`.

    Args:
        step: a tried-out step.
        projected: (time, batch, width).
        mask: (time, batch, 1) bool, or None.
        states: one (batch, width) tensor a state, the riding output included.
        weights: the values of `step.variables`.
        truncate: gradients to states are cut every so many steps, counted from the end.
        sequence: whether the output of every step is wanted.

    Returns:
        `(outputs, states)`: (time, batch, output_size) or None, and the last states.
    """
    weights = [tf.convert_to_tensor(weight) for weight in weights]
    plan = plan_of(step, projected[0], states, weights)

    @tf.custom_gradient
    def run(*tensors: Tensor):
        past, last = forward(step, plan, projected, mask, states, weights)

        def gradients(*upstream: Tensor):
            d_outputs, *d_last = upstream if sequence else (None, *upstream)
            is_cut = cuts(truncate, tf.shape(projected)[0])
            d_projected, d_states, d_weights = backward(
                step, plan, past, weights, d_outputs, d_last, is_cut
            )
            return [d_projected, *d_states, *map(d_weights.get, range(len(weights)))]

        return ([past.history[step.output]] if sequence else []) + last, gradients

    results = run(projected, *states, *weights)
    return (results[0], results[1:]) if sequence else (None, results)


def scan(step: Callable[..., tuple[Tensor, Tensor]], first: Tensor, *sequences: Tensor) -> Tensor:
    """See `rnnkit.backend.scan`."""
    steps = tf.shape(sequences[0])[0]
    inputs = [array_of(sequence) for sequence in sequences]

    def body(t, carry, ys):
        carry, y = step(carry, *(array.read(t) for array in inputs))
        return t + 1, carry, ys.write(t, y)

    _, _, ys = tf.while_loop(
        lambda t, *_: t < steps,
        body,
        (tf.constant(0), first, new_array(first, steps)),
        maximum_iterations=steps,
    )
    return stacked(ys, sequences[0].shape[0])
