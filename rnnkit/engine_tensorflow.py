"""The engine's two loops on TensorFlow: a tape for one step, `tf.while_loop` over all of them."""

from __future__ import annotations

import tensorflow as tf

from rnnkit.cells.base import States, Tensor
from rnnkit.cells.weights import USES
from rnnkit.engine import SECOND_DERIVATIVE, Plan, Step, Use, covers, weight_gradient


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
        # Stopped, so that an eager tape outside records nothing of the loop. The gradients use the
        # tensors themselves, so that a second derivative meets PreventGradient and raises.
        stop = lambda tensors: [tf.stop_gradient(tensor) for tensor in tensors]
        history, last = _forward(step, *stop([projected]), mask, stop(states), stop(weights))

        def gradients(*upstream: Tensor):
            d_outputs, d_last = (upstream[0], upstream[1:]) if sequence else (None, upstream)
            before = [
                state if after is None else tf.concat([state[None], after[:-1]], axis=0)
                for state, after in zip(states, history, strict=True)
            ]
            found = _backward(
                step, projected, mask, before, weights, d_outputs, d_last, plan, truncate
            )
            return [
                None
                if d is None
                else tf.raw_ops.PreventGradient(input=d, message=SECOND_DERIVATIVE)
                for d in found
            ]

        return ([history[step.output]] if sequence else []) + last, gradients

    results = run(projected, *states, *weights)
    return (results[0], results[1:]) if sequence else (None, results)


def _forward(step: Step, projected, mask, states: States, weights: list[Tensor]):
    """Every state after every step, None for those a step hands on as they are; the last states."""
    steps = tf.shape(projected)[0]
    inputs, masks = _array(projected), _array(mask)

    def watcher(kind, operand, variable):
        place = step.place(variable)
        return USES[kind](operand, variable if place is None else weights[place])

    def body(t, states, arrays):
        new = step(inputs.read(t), states, weights, watcher)
        if mask is not None:
            real = masks.read(t)
            new = [tf.where(real, a, b) for a, b in zip(new, states, strict=True)]
        varying = [s for s, constant in zip(new, step.constant, strict=True) if not constant]
        return t + 1, new, [a.write(t, s) for a, s in zip(arrays, varying, strict=True)]

    arrays = [
        _new_array(s, steps)
        for s, constant in zip(states, step.constant, strict=True)
        if not constant
    ]
    _, last, arrays = tf.while_loop(
        lambda t, *_: t < steps, body, (tf.constant(0), list(states), arrays)
    )
    stored = iter(arrays)
    return [None if constant else next(stored).stack() for constant in step.constant], last


def _backward(
    step: Step, projected, mask, before, weights, d_outputs, d_last, plan: Plan, truncate
):
    """The gradients of p, of the first states and of the weights; `before`: s_{t-1} for all t."""
    steps = tf.shape(projected)[0]
    inputs, masks, d_output = _array(projected), _array(mask), _array(d_outputs)
    pasts = [s if same else _array(s) for s, same in zip(before, step.constant, strict=True)]

    def body(t, d_states, d_direct, arrays):
        p = inputs.read(t)
        past = [s if same else s.read(t) for s, same in zip(pasts, step.constant, strict=True)]
        d_states = list(d_states)
        if d_output is not None:
            d_states[step.output] += d_output.read(t)
        d_new = d_states
        if mask is not None:
            real = masks.read(t)
            d_new = [tf.where(real, d, tf.zeros_like(d)) for d in d_states]
        results, (d_p, d_past, d_results, d_weights) = _vjp(
            step, p, past, weights, plan.direct, d_new
        )
        d_past = _zeros_for_none(d_past, past)
        if mask is not None:  # the gradient passes a masked step by
            d_past = [tf.where(real, d, old) for d, old in zip(d_past, d_states, strict=True)]
        if truncate is not None:
            cut = tf.logical_and(t > 0, (steps - t) % truncate == 0)
            d_past = [tf.where(cut, tf.zeros_like(d), d) for d in d_past]
        d_direct = [a + b for a, b in zip(d_direct, d_weights, strict=True)]
        stored = _stored(plan.uses, p, d_p, results, d_results)
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
    )
    stored = [array.stack() for array in arrays]
    d_weights = dict(zip(plan.direct, d_direct, strict=True))
    d_projected, *rest = stored
    for use in plan.uses:
        d_result = d_projected if use.is_projected else rest.pop(0)
        operand = None
        if use.kind != "shift":
            operand = before[use.state] if use.state is not None else rest.pop(0)
        d = weight_gradient(use.kind, operand, d_result)
        d_weights[use.weight] = d_weights[use.weight] + d if use.weight in d_weights else d
    return [d_projected, *d_states, *(d_weights.get(i) for i in range(len(weights)))]


def _plan(step: Step, projected: Tensor, states: States, weights: list[Tensor]) -> Plan:
    """What one step and its gradients tell; in a graph nobody reads, so nothing computes, them."""
    floats = [i for i, weight in enumerate(weights) if weight.dtype.is_floating]
    ones = [tf.ones_like(state) for state in states]
    results, (d_p, _, d_results, d_weights) = _vjp(step, projected, states, weights, floats, ones)
    uses = [
        Use(
            kind,
            place,
            next((i for i, state in enumerate(states) if state is operand), None),
            d_result is not None and d_result is d_p,
        )
        for (kind, place, operand, _), d_result in zip(results, d_results, strict=True)
    ]
    stored = _stored(uses, projected, d_p, results, d_results)
    return Plan(uses, [i for i, d in zip(floats, d_weights, strict=True) if d is not None], stored)


def _vjp(step: Step, projected: Tensor, states: States, weights: list[Tensor], direct, upstream):
    """Uses of weights in a step; gradients of p, states, results of the uses, `direct` weights."""
    results = []

    def watcher(kind, operand, variable):
        place = step.place(variable)
        if place is None or not covers(kind, operand, weights[place]):
            return USES[kind](operand, variable)
        result = USES[kind](operand, tf.stop_gradient(weights[place]))
        results.append((kind, place, operand, result))
        return result

    directly = [weights[i] for i in direct]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([projected, *states, *directly])
        new = step(projected, states, weights, watcher)
    sources = [projected, list(states), [result for *_, result in results], directly]
    return results, tape.gradient(new, sources, output_gradients=upstream)


def _stored(uses: list[Use], projected, d_projected, results, d_results) -> list[Tensor]:
    """What the backward loop writes at a step: dL/dp, and of each use what is not known already."""
    stored = _zeros_for_none([d_projected], [projected])
    for use, (*_, operand, result), d_result in zip(uses, results, d_results, strict=True):
        if not use.is_projected:
            stored += _zeros_for_none([d_result], [result])
        if use.kind != "shift" and use.state is None:
            stored.append(operand)
    return stored


def _zeros_for_none(gradients, tensors) -> list[Tensor]:
    return [tf.zeros_like(x) if d is None else d for d, x in zip(gradients, tensors, strict=True)]


def _array(tensor: Tensor | None) -> tf.TensorArray | None:
    """Something to read one step from."""
    if tensor is None:
        return None
    array = tf.TensorArray(tensor.dtype, size=tf.shape(tensor)[0], element_shape=tensor.shape[1:])
    return array.unstack(tensor)


def _new_array(like: Tensor, steps: Tensor) -> tf.TensorArray:
    """Something to write one tensor a step to."""
    return tf.TensorArray(like.dtype, size=steps, element_shape=like.shape)
