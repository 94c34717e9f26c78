"""The engine's two loops on TensorFlow: a tape for one step, `tf.while_loop` over all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from rnnkit.cells.base import States, Tensor
from rnnkit.cells.weights import USES
from rnnkit.engine import Step
from rnnkit.engine_plan import Gradients, Plan, Seen, covers, where_real


def cuts(
    truncate: int | None, steps: Tensor, first: Tensor | int = 0
) -> Callable[[Tensor], Tensor] | None:
    """Tells of step t, counted from `first`, whether it hands no gradient back to the one before.

    None if all of the `steps` of the sequence do.
    """
    if truncate is None:
        return None
    return lambda t: tf.logical_and(first + t > 0, (steps - first - t) % truncate == 0)


@dataclasses.dataclass(frozen=True)
class Past:
    """Steps gone through, and what the way back needs of them: each (time, batch, ...)."""

    projected: Tensor
    mask: Tensor | None
    first: States  # (batch, width) each: before the first of the steps
    history: list[Tensor | None]  # states after every step; None: steps hand it on as it is
    memory: dict[int, Tensor]  # results of products, by their places among the uses of weights

    @property
    def before(self) -> list[Tensor]:
        """The states before every step; one that no step changes, (batch, width)."""
        return [
            first if after is None else tf.concat([first[None], after[:-1]], axis=0)
            for first, after in zip(self.first, self.history, strict=True)
        ]


def forward(
    step: Step,
    plan: Plan,
    projected: Tensor,
    mask: Tensor | None,
    states: States,
    weights: list[Tensor],
) -> tuple[Past, States]:
    """Runs all steps; also gives the last states."""
    steps = tf.shape(projected)[0]
    inputs, masks = array_of(projected), None if mask is None else array_of(mask)
    results = []

    def watcher(kind, operand, variable):
        place = step.place(variable)
        result = USES[kind](operand, variable if place is None else weights[place])
        if place is not None and covers(kind, operand, weights[place]):
            results.append(result)
        return result

    def body(t, states, arrays):
        results.clear()
        p = inputs.read(t)
        new = step(p, states, weights, watcher)
        if masks is not None:
            real = masks.read(t)
            new = [
                old if same else where_real(real, state, old)
                for state, old, same in zip(new, states, step.constant, strict=True)
            ]
        varying = [s for s, same in zip(new, step.constant, strict=True) if not same]
        varying += [p + results[i] if i == plan.folded else results[i] for i in plan.remembered]
        return t + 1, new, [a.write(t, s) for a, s in zip(arrays, varying, strict=True)]

    kept = [s for s, same in zip(states, step.constant, strict=True) if not same]
    arrays = [new_array(example, steps) for example in kept + plan.results]
    _, last, arrays = tf.while_loop(
        lambda t, *_: t < steps,
        body,
        (tf.constant(0), list(states), arrays),
        maximum_iterations=steps,  # XLA asks for it where the loop is differentiated once more
    )
    whole = iter([stacked(array, projected.shape[0]) for array in arrays])
    history = [None if same else next(whole) for same in step.constant]
    memory = dict(zip(plan.remembered, whole, strict=True))
    return Past(projected, mask, states, history, memory), last


def backward(
    step: Step,
    plan: Plan,
    past: Past,
    weights: list[Tensor],
    d_outputs: Tensor | None,
    d_last: States,
    is_cut: Callable[[Tensor], Tensor] | None,
) -> tuple[Tensor, States, dict[int, Tensor]]:
    """The gradients of p, of the first states, and of weights by their places.

    `is_cut` is what `cuts` gives.
    """
    projected, mask, memory, before = past.projected, past.mask, past.memory, past.before
    steps = tf.shape(projected)[0]
    inputs = array_of(projected if plan.folded is None else memory[plan.folded])
    masks = None if mask is None else array_of(mask)
    d_output = None if d_outputs is None else array_of(d_outputs)
    pasts = [s if same else array_of(s) for s, same in zip(before, step.constant, strict=True)]
    results = {i: array_of(r) for i, r in memory.items() if i != plan.folded}
    zeros = {} if plan.folded is None else {plan.folded: tf.zeros_like(projected[0])}

    def body(t, d_states, d_direct, arrays):
        p = inputs.read(t)
        states = [s if same else s.read(t) for s, same in zip(pasts, step.constant, strict=True)]
        d_states = list(d_states)
        if d_output is not None:
            d_states[step.output] += d_output.read(t)
        d_new = d_states
        if masks is not None:
            real = masks.read(t)
            d_new = [where_real(real, d, tf.zeros_like(d)) for d in d_states]
        known = zeros | {i: array.read(t) for i, array in results.items()}
        found = _vjp(step, p, states, weights, plan.direct, d_new, known)
        d_past = found.states
        if masks is not None:  # the gradient passes a masked step by
            d_past = [where_real(real, d, old) for d, old in zip(d_past, d_states, strict=True)]
        if is_cut is not None:
            d_past = [tf.where(is_cut(t), tf.zeros_like(d), d) for d in d_past]
        d_direct = [a + b for a, b in zip(d_direct, found.direct, strict=True)]
        stored = plan.to_store(found)
        return t - 1, d_past, d_direct, [a.write(t, s) for a, s in zip(arrays, stored, strict=True)]

    _, d_states, d_direct, arrays = tf.while_loop(
        lambda t, *_: t >= 0,
        body,
        (
            steps - 1,
            list(d_last),
            [tf.zeros_like(weights[i]) for i in plan.direct],
            [new_array(example, steps) for example in plan.stored],
        ),
        maximum_iterations=steps,
    )
    stored = [stacked(array, projected.shape[0]) for array in arrays]
    return stored[0], d_states, plan.weight_gradients(stored, before, d_direct)


def plan_of(step: Step, projected: Tensor, states: States, weights: list[Tensor]) -> Plan:
    """What one step and its gradients tell; in a graph nobody reads, so nothing computes, them."""
    floats = [i for i, weight in enumerate(weights) if weight.dtype.is_floating]
    states = [tf.identity(state) for state in states]  # so that each is itself, and no other
    ones = [tf.ones_like(state) for state in states]
    trial = _vjp(step, projected, states, weights, floats, ones, {})
    return Plan.of(trial, states, floats)


def _vjp(
    step: Step,
    projected: Tensor,
    states: States,
    weights: list[Tensor],
    direct: list[int],
    upstream: list[Tensor],
    known: dict[int, Tensor],
) -> Gradients:
    """The gradients of one step. Products in `known` (by their place among the uses) are given."""
    # An LSTM's step, i, f, g, o = p_t + h_{t-1} U, uses one weight: r_t = h_{t-1} U, known from the
    # forward loop. The tape goes from h_t and c_t back to p_t, c_{t-1} and r_t and ends there,
    # because r_t came out of no operation that it saw. dL/dr_t is what dL/dU is made of after the
    # loop; what is left, dL/dh_{t-1} = dL/dr_t U^T, is added below.
    # A GRU's second operand is no state but r_t * h_{t-1}: from dL/d(r_t * h_{t-1}) the same tape
    # is asked once more for its way to the states and to the first product, the gates', so it is
    # persistent, and the uses are gone through from the last to the first: a product's dL/dr is
    # whole only when all that came after it is in.
    # Uses that are covered act on copies of their weights, made before the tape: no path leads from
    # them to `directly`, so the gradient there is that of all other uses, or None if there are
    # none, and nothing is counted both in the loop and after it.
    uses: list[Seen] = []
    directly = [weights[i] for i in direct]
    covered = [tf.identity(weight) for weight in weights]

    def watcher(kind, operand, variable):
        place = step.place(variable)
        if place is None or not covers(kind, operand, weights[place]):
            return USES[kind](operand, variable)
        result = known.get(len(uses))
        if result is None:
            result = USES[kind](operand, covered[place])
        else:
            tape.watch(result)
        uses.append(Seen(kind, place, operand, result))
        return result

    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch([projected, *states, *directly])
        new = step(projected, states, weights, watcher)
    sources = [projected, *states, *(use.result for use in uses), *directly]
    found = tape.gradient(new, sources, output_gradients=upstream)
    for i in sorted(known, reverse=True):  # the tape ends at a known product: on to its operand
        use, d_result = uses[i], found[1 + len(states) + i]
        if d_result is None:
            continue
        d_operand = tf.matmul(d_result, weights[use.weight], transpose_b=True)
        more = [d_operand if source is use.operand else None for source in sources]
        if all(d is None for d in more):
            more = tape.gradient(use.operand, sources, output_gradients=d_operand)
        found = [_sum(a, b) for a, b in zip(found, more, strict=True)]
    inner = 1 + len(states) + len(uses)
    d_projected, *rest = (
        tf.zeros_like(x) if d is None else d
        for d, x in zip(found[:inner], sources[:inner], strict=True)
    )
    return Gradients(
        uses, d_projected, rest[: len(states)], rest[len(states) :], direct=found[inner:]
    )


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b


def array_of(tensor: Tensor) -> tf.TensorArray:
    """Something to read one step from."""
    array = tf.TensorArray(tensor.dtype, size=tf.shape(tensor)[0], element_shape=tensor.shape[1:])
    return array.unstack(tensor)


def new_array(like: Tensor, steps: Tensor) -> tf.TensorArray:
    """Something to write one tensor a step to."""
    return tf.TensorArray(like.dtype, size=steps, element_shape=like.shape)


def stacked(array: tf.TensorArray, steps: int | None) -> Tensor:
    """All that was written, (time, ...): a time that is known stays known."""
    tensor = array.stack()
    return tf.ensure_shape(tensor, (steps, *tensor.shape[1:]))
