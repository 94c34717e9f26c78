"""How many weights a task's model has, and how many units make it as large as asked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import keras

from pipelines.cells import cell_class
from pipelines.errors import UserError
from pipelines.task import Task
from rnnkit.cells.base import BaseCell

MOST_UNITS = 2**15  # a cell wider than this is no small recurrent net
WHOLE, RECURRENT = "whole", "recurrent"


@dataclass(frozen=True)
class Count:
    """Numbers of weights."""

    whole: int  # of the model
    recurrent: int  # of its recurrent layers

    def of(self, part: str) -> int:
        """Of the part that a budget is about: "whole" or "recurrent"."""
        return self.recurrent if part == RECURRENT else self.whole


def count(model: keras.Model) -> Count:
    """Weights of a built model, and those of them that belong to recurrent layers and cells."""
    found = {
        id(weight): math.prod(weight.shape)
        for layer in model._flatten_layers()
        if isinstance(layer, (keras.layers.RNN, BaseCell))
        for weight in layer.trainable_weights
    }
    return Count(whole=model.count_params(), recurrent=sum(found.values()))


def count_of(task: Task, cell: str, units: int) -> Count:
    """Of the model that a task, which has learnt from its data, builds with so many units."""
    settings = dataclasses.replace(task.settings, cell=cell, units=units)
    return count(type(task)(settings, task.learnt).model())


def solve_units(task: Task, cell: str, budget: int, part: str = WHOLE) -> tuple[int, Count]:
    """The units with which a cell's model comes nearest to a budget of weights; of two that are as
    near, the fewer.

    Args:
        task: which has learnt from its data.
        cell: name of the cell.
        budget: number of weights.
        part: "whole" counts the model, "recurrent" its recurrent layers.

    Raises:
        UserError: the smallest net is above the budget, or no width reaches it.
    """
    cell_class(cell)
    counts: dict[int, Count] = {}

    def size(units: int) -> int:
        if units not in counts:
            counts[units] = count_of(task, cell, units)
        return counts[units].of(part)

    if size(1) > budget:
        raise UserError(
            f"--parameters {budget}: the smallest net with {cell}, one unit a layer, has "
            f"{size(1)} weights in the {_words(part)}. Raise it"
            f"{', or use --parameters-of recurrent.' if part == WHOLE else '.'}"
        )
    low = largest_within(size, budget)
    high = low + 1
    nearest = high if size(high) - budget < budget - size(low) else low
    return nearest, counts[nearest]


def largest_within(size: Callable[[int], int], budget: int) -> int:
    """The largest n >= 1 with size(n) <= budget, for a size that grows, and size(1) <= budget.

    Sizes grow about as a n^2 + b n, so that their roots are nearly a line: interpolating on it
    finds n in a few models, where halving would build a dozen.

    Raises:
        UserError: the size stays below the budget however large n is.
    """
    low, high = 1, 2

    def guessed() -> int:
        a, b = math.sqrt(size(low)), math.sqrt(size(high))
        return low + int((high - low) * (math.sqrt(budget) - a) / (b - a)) if b > a else 2 * high

    while size(high) <= budget:
        # No wider than twice what is known to fit, and no wider than needed: a net is built.
        low, high = high, min(max(guessed(), high) + 1, 2 * high)
        if high > MOST_UNITS:
            raise UserError(
                f"--parameters {budget}: no number of units reaches it. Lower it, or use --units."
            )
    while high - low > 1:
        guess = guessed()
        # Both neighbours are looked at: where the guess is right, they close the interval.
        for n in (guess, guess + 1):
            n = min(max(n, low + 1), high - 1)
            if high - low > 1 and low < n < high:
                low, high = (n, high) if size(n) <= budget else (low, n)
    return low


def _words(part: str) -> str:
    return "recurrent layers" if part == RECURRENT else "whole model"
