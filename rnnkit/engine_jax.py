"""The engine's two loops on JAX: `jax.vjp` of one step, `lax.scan` over all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from rnnkit.cells.base import States, Tensor
from rnnkit.cells.weights import USES
from rnnkit.engine import Step
from rnnkit.engine_plan import Gradients, Plan, Seen, covers, where_real


def in_chunks() -> bool:
    """Whether training goes over a sequence in chunks here: XLA has no use for them."""
    return False


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

    Arguments and results are those of `rnnkit.engine_tensorflow.unroll`.
    """
    plan = _plan(step, projected[0], states, weights)

    @jax.custom_vjp
    def run(projected, mask, states, weights):
        return forward(projected, mask, states, weights)[0]

    def forward(projected, mask, states, weights):
        history, memory, last = _forward(step, projected, mask, states, weights, plan)
        if plan.folded is not None:
            projected = memory[plan.folded]
        saved = projected, mask, states, weights, history, memory
        return (history[step.output] if sequence else None, last), saved

    def backward(saved, upstream):
        return _backward(step, plan, truncate, *saved, *upstream)

    run.defvjp(forward, backward)
    return run(projected, mask, list(states), list(weights))


def _forward(step: Step, projected, mask, states: States, weights: list[Tensor], plan: Plan):
    """States after every step (None for those a step hands on as they are), memory, last states."""

    def body(states, now):
        p, real = now
        results = []

        def watcher(kind, operand, variable):
            place = step.place(variable)
            result = USES[kind](operand, variable if place is None else weights[place])
            if place is not None and covers(kind, operand, weights[place]):
                results.append(result)
            return result

        new = step(p, states, weights, watcher)
        if real is not None:
            new = [
                old if same else where_real(real, state, old)
                for state, old, same in zip(new, states, step.constant, strict=True)
            ]
        memory = {i: p + results[i] if i == plan.folded else results[i] for i in plan.remembered}
        kept = [None if same else s for s, same in zip(new, step.constant, strict=True)]
        return new, (kept, memory)

    last, (history, memory) = jax.lax.scan(body, states, (projected, mask))
    return history, memory, last


def _backward(
    step, plan, truncate, projected, mask, states, weights, history, memory, d_outputs, d_last
):
    """The gradients of p, of the mask (none), of the first states and of the weights."""
    before = [
        None if after is None else jnp.concatenate([state[None], after[:-1]])
        for state, after in zip(states, history, strict=True)
    ]
    steps = projected.shape[0]
    zeros = {} if plan.folded is None else {plan.folded: jnp.zeros_like(projected[0])}
    known = {i: r for i, r in memory.items() if i != plan.folded}

    def body(carry, now):
        d_states, d_direct = carry
        t, p, real, past, results, d_output = now
        past = [s if now is None else now for s, now in zip(states, past, strict=True)]
        d_states = list(d_states)
        if d_output is not None:
            d_states[step.output] += d_output
        d_new = d_states if real is None else [where_real(real, d, 0) for d in d_states]
        found = _vjp(step, p, past, weights, plan.direct, d_new, zeros | results)
        d_past = found.states
        if real is not None:  # the gradient passes a masked step by
            d_past = [where_real(real, d, old) for d, old in zip(d_past, d_states, strict=True)]
        if truncate is not None:
            cut = (t > 0) & ((steps - t) % truncate == 0)
            d_past = [jnp.where(cut, 0, d) for d in d_past]
        d_direct = [a + b for a, b in zip(d_direct, found.direct, strict=True)]
        return (d_past, d_direct), plan.to_store(found)

    start = list(d_last), [jnp.zeros_like(weights[i]) for i in plan.direct]
    now = jnp.arange(steps), projected, mask, before, known, d_outputs
    (d_states, d_direct), stored = jax.lax.scan(body, start, now, reverse=True)
    d_weights = plan.weight_gradients(stored, before, d_direct)
    return stored[0], None, d_states, [d_weights.get(i) for i in range(len(weights))]


def _plan(step: Step, projected: Tensor, states: States, weights: list[Tensor]) -> Plan:
    """What one step and its gradients tell: traced, and not computed."""
    floats = [i for i, weight in enumerate(weights) if jnp.issubdtype(weight.dtype, jnp.floating)]
    plans = []

    def trial(projected, states, weights):
        ones = [jnp.ones_like(state) for state in states]
        found = _vjp(step, projected, states, weights, floats, ones, {})
        reached = _reached(step, projected, states, weights, floats)
        direct = [d if r else None for d, r in zip(found.direct, reached, strict=True)]
        plans.append(Plan.of(dataclasses.replace(found, direct=direct), states, floats))

    jax.eval_shape(trial, projected, list(states), list(weights))
    return plans[0]


def _reached(step: Step, projected, states, weights, places: list[int]) -> list[bool]:
    """Which weights a step uses in another way than through `Cell.dot`, `scale` and `shift`."""

    def rest(chosen):
        given = _replaced(weights, places, chosen)
        new, _ = _watched(step, projected, states, given, lambda *use: jnp.zeros_like(_plain(*use)))
        return new

    jaxpr = jax.make_jaxpr(rest)([weights[i] for i in places]).jaxpr
    needed = {id(v) for v in jaxpr.outvars}
    for equation in reversed(jaxpr.eqns):
        if any(id(v) in needed for v in equation.outvars):
            needed.update(id(v) for v in equation.invars)
    return [id(v) in needed for v in jaxpr.invars]


def _watched(step: Step, projected, states, weights, compute) -> tuple[States, list[Seen]]:
    """A step whose uses of weights are `compute(kind, operand, weight)`; and these uses."""
    seen = []

    def watcher(kind, operand, variable):
        place = step.place(variable)
        if place is None or not covers(kind, operand, weights[place]):
            return USES[kind](operand, variable)
        result = compute(kind, operand, weights[place])
        seen.append(Seen(kind, place, operand, result))
        return result

    return step(projected, states, weights, watcher), seen


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
    _, plain = _watched(step, projected, states, weights, _plain)  # for its shapes: never computed
    taps = [known.get(i, jnp.zeros_like(seen.result)) for i, seen in enumerate(plain)]

    def run(projected, states, directly, taps):
        places = iter(range(len(taps)))

        def compute(kind, operand, _):
            i = next(places)
            weight = weights[plain[i].weight]  # a constant here, though it may be `directly` too
            if i in known:
                return _product(operand.astype(weight.dtype), weight, taps[i])
            return _plain(kind, operand, weight) + taps[i]

        given = _replaced(weights, direct, directly)
        new, seen = _watched(step, projected, states, given, compute)
        return new, [(use.operand, use.result) for use in seen]

    directly = [weights[i] for i in direct]
    _, pull, values = jax.vjp(run, projected, list(states), directly, taps, has_aux=True)
    d_projected, d_states, d_direct, d_results = pull(list(upstream))
    uses = [
        dataclasses.replace(
            use,
            operand=use.operand if any(use.operand is s for s in states) else operand,
            result=result,
        )
        for use, (operand, result) in zip(plain, values, strict=True)
    ]
    return Gradients(uses, d_projected, d_states, d_results, d_direct)


@jax.custom_vjp
def _product(operand: Tensor, weight: Tensor, result: Tensor) -> Tensor:
    """`result`, known to be operand times weight; it takes a gradient of its own too."""
    return result


_product.defvjp(
    lambda operand, weight, result: (result, weight),
    lambda weight, d: (d @ weight.T, jnp.zeros_like(weight), d),
)


def scan(step: Callable[..., tuple[Tensor, Tensor]], first: Tensor, *sequences: Tensor) -> Tensor:
    """See `rnnkit.backend.scan`."""
    return jax.lax.scan(lambda carry, now: step(carry, *now), first, sequences)[1]


def _plain(kind: str, operand: Tensor, weight: Tensor) -> Tensor:
    return USES[kind](operand, weight)


def _replaced(tensors: list[Tensor], places: list[int], by: list[Tensor]) -> list[Tensor]:
    tensors = list(tensors)
    for place, tensor in zip(places, by, strict=True):
        tensors[place] = tensor
    return tensors
