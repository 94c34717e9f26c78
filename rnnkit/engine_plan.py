"""What the engine keeps of each step, and the weight gradients it makes of that after the loop."""

from __future__ import annotations

import dataclasses

from keras import ops

from rnnkit.cells.base import States, Tensor
from rnnkit.precision import exact


@dataclasses.dataclass(frozen=True)
class Seen:
    """A use of a weight while a step runs: `result = USES[kind](operand, weights[weight])`."""

    kind: str
    weight: int
    operand: Tensor
    result: Tensor


@dataclasses.dataclass(frozen=True)
class Gradients:
    """The vjp of one step: its uses of weights, and the gradients of everything that enters it."""

    uses: list[Seen]
    projected: Tensor
    states: States
    results: list[Tensor]  # of the uses
    direct: list[Tensor | None]  # of weights themselves, None where no path leads to them


@dataclasses.dataclass(frozen=True)
class Use:
    """A use of a weight in every step, and where the loops find its operand and its gradient."""

    kind: str
    weight: int
    state: int | None  # the state before the step that is the operand; None: it is stored
    is_projected: bool  # dL/de is dL/dp, and not stored twice


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the loops store, known from the gradients of one trial step."""

    uses: list[Use]
    direct: list[int]  # weights whose gradient, or a part of it, comes from no use
    remembered: list[int]  # uses whose results the forward loop stores: products are not cheap
    folded: int | None  # of them, one that the step only adds to p_t: p_t + r_t replaces p_t
    results: list[Tensor]  # tensors like those that a forward step stores
    stored: list[Tensor]  # tensors like those that a backward step stores

    @classmethod
    def of(cls, trial: Gradients, states: States, watched: list[int]) -> Plan:
        """The plan of a step whose `trial.direct` stands for the weights at `watched`."""
        uses = [
            Use(
                seen.kind,
                seen.weight,
                next((i for i, state in enumerate(states) if state is seen.operand), None),
                # One tensor is the gradient of both only if the step uses nothing but their sum.
                d_result is trial.projected,
            )
            for seen, d_result in zip(trial.uses, trial.results, strict=True)
        ]
        products = [i for i, use in enumerate(uses) if use.kind == "dot"]
        return cls(
            uses,
            direct=[i for i, d in zip(watched, trial.direct, strict=True) if d is not None],
            remembered=products,
            folded=next((i for i in products if uses[i].is_projected), None),
            results=[trial.uses[i].result for i in products],
            stored=_stored(uses, trial),
        )

    def to_store(self, gradients: Gradients) -> list[Tensor]:
        """dL/dp, and of each use its dL/de and operand where nothing else gives them."""
        return _stored(self.uses, gradients)

    def weight_gradients(
        self, stored: list[Tensor], before: list[Tensor | None], direct: list[Tensor]
    ) -> dict[int, Tensor]:
        """The gradients of weights, by their places.

        Args:
            stored: `to_store` of every step, each (time, batch, width).
            before: each state before every step, (time, batch, width).
            direct: what the loop added up for the weights at `self.direct`.
        """
        found = dict(zip(self.direct, direct, strict=True))
        d_projected, *stored = stored
        for use in self.uses:
            d_result = d_projected if use.is_projected else stored.pop(0)
            operand = before[use.state] if use.state is not None else None
            if operand is None and use.kind != "shift":
                operand = stored.pop(0)
            d = weight_gradient(use.kind, operand, d_result)
            found[use.weight] = found[use.weight] + d if use.weight in found else d
        return found


def _stored(uses: list[Use], gradients: Gradients) -> list[Tensor]:
    stored = [gradients.projected]
    for use, seen, d_result in zip(uses, gradients.uses, gradients.results, strict=True):
        if not use.is_projected:
            stored.append(d_result)
        if use.state is None and use.kind != "shift":
            stored.append(seen.operand)
    return stored


def where_real(real: Tensor, tensor: Tensor, other: Tensor | float) -> Tensor:
    """`tensor` in the rows where the step is real, `other` elsewhere; `real` is (batch, 1).

    States may have more axes than one behind the batch: the memory of an `AttentionCell` has.
    """
    ones = [1] * (len(tensor.shape) - 2)
    return ops.where(ops.reshape(real, (-1, 1, *ones)) if ones else real, tensor, other)


def covers(kind: str, operand: Tensor, weight: Tensor) -> bool:
    """Whether `weight_gradient` has the formula for a use of these shapes."""
    if len(operand.shape) != 2:
        return False
    if kind == "dot":
        return len(weight.shape) == 2
    return len(weight.shape) == 1 and operand.shape[-1] == weight.shape[0]


def weight_gradient(kind: str, operands: Tensor | None, gradients: Tensor) -> Tensor:
    """dL/dw of one use over all steps: operands and dL/de are (time, batch, width)."""
    flat = lambda tensor: ops.reshape(tensor, (-1, tensor.shape[-1]))
    if kind == "dot":
        return ops.matmul(ops.transpose(flat(operands)), flat(gradients))
    terms = flat(gradients) if kind == "shift" else flat(operands) * flat(gradients)
    return ops.cast(ops.sum(exact(terms), axis=0), terms.dtype)
