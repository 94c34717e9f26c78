"""Cells broken as a careless hand would break them: the check that we ship must notice each one."""

from unittest import mock

import numpy as np
import pytest

from rnnkit.cells import Cell
from rnnkit.reference import REFERENCE, run_forward
from rnnkit.testing import check_forward, sample, weights_of
from tests import zoo
from tests.rnnkit.mistakes import MISTAKES, Mistake
from tests.rnnkit.mutants import edited, mutants


def broken(name: str, error: Mistake) -> Cell:
    right = type(zoo.CELLS[name]())
    method = edited(getattr(right, error.method), error.edits)
    return type(f"Broken{right.__name__}", (right,), {error.method: method})(4)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        pytest.param(name, error, id=f"{name}: {error}")
        for name in MISTAKES
        for error in MISTAKES[name]
    ],
)
def test_a_broken_cell_does_not_pass(name, error):
    """If this fails, the cell could be wrong in this very way and no test would say so."""
    with pytest.raises(AssertionError, match="steps against the NumPy reference"):
        check_forward(broken(name, error), REFERENCE[name][0])


def test_every_cell_is_broken_in_a_dozen_ways():
    assert set(MISTAKES) == set(zoo.CELLS), "add the mistakes of the new cell"
    few = [name for name, mistakes in MISTAKES.items() if len(mistakes) < 12]
    assert not few


@pytest.mark.parametrize("name", zoo.CELLS)
def test_every_small_mistake_shows(name, record_property):
    """Any operator, operand, activation, variable or weight of a step changed, dropped, swapped."""
    cell, xs, states = sample(zoo.CELLS[name]())
    expected, _, _ = run_forward(REFERENCE[name][0], xs, states, weights_of(cell))

    def right():
        now = [np.asarray(state) for state in states]
        for t in range(3):
            y, now = cell.step(cell.project(xs[:, t]), now)
            if np.shape(y) != expected[:, t].shape or not np.allclose(y, expected[:, t], atol=1e-9):
                return False
        return True

    assert right()
    survivors, wrong, crashed = [], 0, 0
    for method in [m for m in ("project", "step", "coefficients") if hasattr(cell, m)]:
        for change, mutant in mutants(getattr(type(cell), method)):
            with mock.patch.object(type(cell), method, mutant):
                try:
                    if right():
                        survivors.append(change)
                    else:
                        wrong += 1
                except Exception:  # whatever TensorFlow raises: nobody would miss that
                    crashed += 1
    record_property("wrong values", wrong)
    record_property("crashes", crashed)
    assert wrong > 12
    assert not survivors, f"mistakes that nobody would notice: {survivors}"
