"""Counting weights, and the units that come nearest to a budget."""

from __future__ import annotations

import dataclasses

import pytest

from pipelines.errors import UserError
from pipelines.memory.copying import CopyTask
from pipelines.memory.settings import CopySettings
from rnnkit import CELLS
from tuning.parameters import count_of, largest_within, solve_units


@pytest.fixture(scope="module")
def task() -> CopyTask:
    return CopyTask(CopySettings(length=3))


@pytest.mark.parametrize("cell", CELLS)
def test_no_other_width_is_nearer(task: CopyTask, cell: str):
    """A cell that gets more weights than the others would win for that alone."""
    for budget, part in ((3000, "whole"), (2000, "recurrent")):
        units, count = solve_units(task, cell, budget, part)
        assert count == count_of(task, cell, units)
        distance = abs(count.of(part) - budget)
        for other in (units - 1, units + 1):
            assert distance <= abs(count_of(task, cell, other).of(part) - budget)


def test_counts_are_those_of_the_equations(task: CopyTask):
    """An LSTM has 4 (m n + n^2 + n) weights, and the answer n k + k more; both are shown."""
    m, n, k = 10, 7, 9
    count = count_of(task, "lstm", n)
    assert count.recurrent == 4 * (m * n + n * n + n)
    assert count.whole == count.recurrent + n * k + k
    two = CopyTask(dataclasses.replace(task.settings, layers=2))
    assert count_of(two, "lstm", n).recurrent == count.recurrent + 4 * (2 * n * n + n)


@pytest.mark.parametrize("budget", [1, 2, 3, 5, 99, 100, 101, 12_345, 1_000_000])
def test_the_search_is_exact_and_short(budget: int):
    """Against counting up one by one, for sizes that grow like those of layers, or by leaps."""
    for size in (
        lambda n: n,
        lambda n: 4 * n * n + 11 * n - 14,
        lambda n: n**3,
        lambda n: 100 * (n // 10) + 1,
    ):
        asked = []

        def counted(n, size=size, asked=asked):
            asked.append(n)
            return size(n)

        found = largest_within(counted, budget) if budget < 2**15 or size(2) > 2 else None
        if found is not None:
            assert size(found) <= budget < size(found + 1)
        if size(2) == 16 - 14 + 22:
            assert len(set(asked)) < 20
            assert max(asked) <= found + 2  # a wider net would be built for nothing


def test_budgets_no_net_fits(task: CopyTask):
    """One line that says what the smallest net has."""
    with pytest.raises(UserError, match=r"--parameters 50: the smallest net with lstm.* has 66 "):
        solve_units(task, "lstm", 50)
    with pytest.raises(UserError, match=r"unknown cell 'ltsm'\. Did you mean lstm"):
        solve_units(task, "ltsm", 5000)
    with pytest.raises(UserError, match="no number of units reaches it"):
        largest_within(lambda n: min(n, 10), 11)
