"""The engine's two loops on TensorFlow: a tape for one step, `tf.while_loop` over all of them."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from rnnkit.cells.base import States, Tensor
from rnnkit.cells.weights import USES
from rnnkit.engine import Step
from rnnkit.engine_plan import Gradients, Plan, Seen, covers, where_real


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
    plan = _plan(step, projected[0], states, weights)

    @tf.custom_gradient
    def run(*tensors: Tensor):
        history, memory, last = _forward(step, projected, mask, states, weights, plan)

        def gradients(*upstream: Tensor):
            d_outputs, d_last = (upstream[0], upstream[1:]) if sequence else (None, upstream)
            before = [
                state if after is None else tf.concat([state[None], after[:-1]], axis=0)
                for state, after in zip(states, history, strict=True)
            ]
            return _backward(
                step, projected, mask, before, memory, weights, d_outputs, d_last, plan, truncate
            )

        return ([history[step.output]] if sequence else []) + last, gradients

    results = run(projected, *states, *weights)
    return (results[0], results[1:]) if sequence else (None, results)


def _forward(step: Step, projected, mask, states: States, weights: list[Tensor], plan: Plan):
    """States after every step (None for those a step hands on as they are), memory, last states."""
    steps = tf.shape(projected)[0]
    inputs, masks = _array(projected), None if mask is None else _array(mask)
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
    arrays = [_new_array(example, steps) for example in kept + plan.results]
    _, last, arrays = tf.while_loop(
        lambda t, *_: t < steps,
        body,
        (tf.constant(0), list(states), arrays),
        maximum_iterations=steps,  # XLA asks for it where the loop is differentiated once more
    )
    stacked = iter([_stacked(array, projected.shape[0]) for array in arrays])
    history = [None if same else next(stacked) for same in step.constant]
    return history, dict(zip(plan.remembered, stacked, strict=True)), last


def _backward(
    step: Step, projected, mask, before, memory, weights, d_outputs, d_last, plan: Plan, truncate
):
    """The gradients of p, of the first states and of the weights.

    `before` holds s_{t-1} for all t; `memory` the results of products in the forward loop.
    """
    steps = tf.shape(projected)[0]
    inputs = _array(projected if plan.folded is None else memory[plan.folded])
    masks = None if mask is None else _array(mask)
    d_output = None if d_outputs is None else _array(d_outputs)
    pasts = [s if same else _array(s) for s, same in zip(before, step.constant, strict=True)]
    results = {i: _array(r) for i, r in memory.items() if i != plan.folded}
    zeros = {} if plan.folded is None else {plan.folded: tf.zeros_like(projected[0])}

    def body(t, d_states, d_direct, arrays):
        p = inputs.read(t)
        past = [s if same else s.read(t) for s, same in zip(pasts, step.constant, strict=True)]
        d_states = list(d_states)
        if d_output is not None:
            d_states[step.output] += d_output.read(t)
        d_new = d_states
        if masks is not None:
            real = masks.read(t)
            d_new = [where_real(real, d, tf.zeros_like(d)) for d in d_states]
        known = zeros | {i: array.read(t) for i, array in results.items()}
        found = _vjp(step, p, past, weights, plan.direct, d_new, known)
        d_past = found.states
        if masks is not None:  # the gradient passes a masked step by
            d_past = [where_real(real, d, old) for d, old in zip(d_past, d_states, strict=True)]
        if truncate is not None:
            cut = tf.logical_and(t > 0, (steps - t) % truncate == 0)
            d_past = [tf.where(cut, tf.zeros_like(d), d) for d in d_past]
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
            [_new_array(example, steps) for example in plan.stored],
        ),
        maximum_iterations=steps,
    )
    stored = [_stacked(array, projected.shape[0]) for array in arrays]
    d_weights = plan.weight_gradients(stored, before, d_direct)
    return [stored[0], *d_states, *(d_weights.get(i) for i in range(len(weights)))]


def _plan(step: Step, projected: Tensor, states: States, weights: list[Tensor]) -> Plan:
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


def scan(step: Callable[..., tuple[Tensor, Tensor]], first: Tensor, *sequences: Tensor) -> Tensor:
    """See `rnnkit.backend.scan`."""
    steps = tf.shape(sequences[0])[0]
    inputs = [_array(sequence) for sequence in sequences]

    def body(t, carry, ys):
        carry, y = step(carry, *(array.read(t) for array in inputs))
        return t + 1, carry, ys.write(t, y)

    _, _, ys = tf.while_loop(
        lambda t, *_: t < steps,
        body,
        (tf.constant(0), first, _new_array(first, steps)),
        maximum_iterations=steps,
    )
    return _stacked(ys, sequences[0].shape[0])


def _array(tensor: Tensor) -> tf.TensorArray:
    """Something to read one step from."""
    array = tf.TensorArray(tensor.dtype, size=tf.shape(tensor)[0], element_shape=tensor.shape[1:])
    return array.unstack(tensor)


def _new_array(like: Tensor, steps: Tensor) -> tf.TensorArray:
    """Something to write one tensor a step to."""
    return tf.TensorArray(like.dtype, size=steps, element_shape=like.shape)


def _stacked(array: tf.TensorArray, steps: int | None) -> Tensor:
    """All that was written, (time, ...): a time that is known stays known."""
    tensor = array.stack()
    return tf.ensure_shape(tensor, (steps, *tensor.shape[1:]))
