"""The engine's loops for training in a plain graph of TensorFlow: the sequence in chunks.

An outer loop goes over chunks of some steps, forwards and then back; within each run the loops of
`engine_tensorflow_loops`. Of the whole sequence only states and pre-activations are kept, a tensor
a chunk. All else a chunk needs is made from its inputs when its turn comes, and is small enough for
the processor's cache: the projections, and on the way back the gradients of pre-activations, of
which its weight gradients are made, large products still, while the loop is at the chunk before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from rnnkit.cells.base import States, Tensor
from rnnkit.engine import Step
from rnnkit.engine_tensorflow_loops import Past, backward, cuts, forward, new_array, plan_of
from rnnkit.precision import working_dtype

# A chunk has about so many rows, steps times batch, that its weight gradients are good products;
ROWS = 256
# but no fewer steps, because every chunk costs time, and no more, because of the cache.
SHORTEST, LONGEST = 8, 64


@dataclasses.dataclass(frozen=True)
class Chunks:
    """A sequence of `steps` in `count` chunks of `length` steps; the last one may be shorter."""

    steps: Tensor
    length: Tensor
    count: Tensor

    @classmethod
    def of(cls, sequence: Tensor) -> Chunks:
        """Of (time, batch, ...): as even as they can be."""
        steps, batch = tf.unstack(tf.shape(sequence)[:2])
        most = tf.clip_by_value(ROWS // tf.maximum(batch, 1), SHORTEST, LONGEST)
        count = tf.maximum((steps + most - 1) // most, 1)
        return cls(steps, (steps + count - 1) // count, count)

    def first(self, k: Tensor) -> Tensor:
        """The place of the first step of chunk k."""
        return k * self.length

    def part(self, sequence: Tensor | None, k: Tensor) -> Tensor | None:
        """Chunk k of (time, ...), if there is a sequence."""
        return None if sequence is None else sequence[self.first(k) : self.first(k + 1)]

    def new_array(self, like: Tensor) -> tf.TensorArray:
        """Something to write chunks to, (length, *like.shape) each."""
        return tf.TensorArray(
            like.dtype, size=self.count, element_shape=(None, *like.shape), infer_shape=False
        )


Projection = Callable[[Tensor, list[Tensor]], Tensor]


def unroll_in_chunks(
    project: Projection,
    step: Step,
    inputs: Tensor,
    mask: Tensor | None,
    states: States,
    weights: list[Tensor],
    *,
    truncate: int | None,
    sequence: bool,
) -> tuple[Tensor | None, States]:
    """`engine_tensorflow.unroll` of inputs, (time, batch, m), that `project` is to project.

    It is called with some steps and the weights, and on the way back once more.
    """
    weights = [tf.convert_to_tensor(weight) for weight in weights]
    chunks = Chunks.of(inputs)
    projected = project(inputs[0], weights)
    plan = plan_of(step, projected, states, weights)
    learnt = sorted(
        {*plan.direct, *(use.weight for use in plan.uses)}
        | _vjp(project, inputs[0], weights, tf.ones_like(projected))[1].keys()
    )
    varying = [i for i, same in enumerate(step.constant) if not same]

    @tf.custom_gradient
    def run(inputs: Tensor, *_: Tensor):
        def go_on(k, states, starts, histories, memories, projections):
            p = project(chunks.part(inputs, k), weights)
            starts = [a.write(k, states[i]) for a, i in zip(starts, varying, strict=True)]
            past, states = forward(step, plan, p, chunks.part(mask, k), states, weights)
            kept = [past.history[i] for i in varying]
            histories = [a.write(k, after) for a, after in zip(histories, kept, strict=True)]
            kept = [past.memory[i] for i in plan.remembered]
            memories = [a.write(k, result) for a, result in zip(memories, kept, strict=True)]
            return k + 1, states, starts, histories, memories, [a.write(k, p) for a in projections]

        _, last, starts, histories, memories, projections = tf.while_loop(
            lambda k, *_: k < chunks.count,
            go_on,
            (
                tf.constant(0),
                list(states),
                [new_array(states[i], chunks.count) for i in varying],
                [chunks.new_array(states[i]) for i in varying],
                [chunks.new_array(result) for result in plan.results],
                [chunks.new_array(projected)] if plan.folded is None else [],
            ),
            parallel_iterations=2,  # more would only hold more chunks at once
        )

        def gradients(*upstream: Tensor):
            d_outputs, *d_last = upstream if sequence else (None, *upstream)

            def go_back(k, d_states, d_weights, d_inputs):
                memory = {i: a.read(k) for i, a in zip(plan.remembered, memories, strict=True)}
                start, history = list(states), [None] * len(states)
                for i, first, after in zip(varying, starts, histories, strict=True):
                    start[i], history[i] = first.read(k), after.read(k)
                p = projections[0].read(k) if plan.folded is None else memory[plan.folded]
                d_p, d_states, found = backward(
                    step,
                    plan,
                    Past(p, chunks.part(mask, k), start, history, memory),
                    weights,
                    chunks.part(d_outputs, k),
                    d_states,
                    cuts(truncate, chunks.steps, chunks.first(k)),
                )
                d_x, of_project = _vjp(project, chunks.part(inputs, k), weights, d_p)
                for i, d in of_project.items():
                    found[i] = found[i] + d if i in found else d
                d_weights = [
                    d + tf.cast(found[i], d.dtype) for d, i in zip(d_weights, learnt, strict=True)
                ]
                return k - 1, d_states, d_weights, d_inputs.write(k, d_x)

            _, d_states, d_weights, d_inputs = tf.while_loop(
                lambda k, *_: k >= 0,
                go_back,
                (
                    chunks.count - 1,
                    d_last,
                    [tf.zeros_like(weights[i], working_dtype(weights[i].dtype)) for i in learnt],
                    chunks.new_array(inputs[0]),
                ),
                parallel_iterations=2,
            )
            found = {
                i: tf.cast(d, weights[i].dtype) for i, d in zip(learnt, d_weights, strict=True)
            }
            d_inputs = tf.ensure_shape(d_inputs.concat(), inputs.shape)
            return [d_inputs, *d_states, *map(found.get, range(len(weights)))]

        outputs = [histories[varying.index(step.output)].concat()] if sequence else []
        return outputs + last, gradients

    results = run(inputs, *states, *weights)
    if not sequence:
        return None, results
    outputs, *last = results
    return tf.ensure_shape(outputs, (inputs.shape[0], *outputs.shape[1:])), last


def _vjp(
    project: Projection, inputs: Tensor, weights: list[Tensor], upstream: Tensor
) -> tuple[Tensor, dict[int, Tensor]]:
    """The gradients of the inputs, and those of weights by their places."""
    floats = {i: weight for i, weight in enumerate(weights) if weight.dtype.is_floating}
    with tf.GradientTape() as tape:
        tape.watch([inputs, *floats.values()])
        projected = project(inputs, weights)
    d_inputs, *d_weights = tape.gradient(projected, [inputs, *floats.values()], upstream)
    found = zip(floats, d_weights, strict=True)
    return tf.zeros_like(inputs) if d_inputs is None else d_inputs, {
        i: d for i, d in found if d is not None
    }
