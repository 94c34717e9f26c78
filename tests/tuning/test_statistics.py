"""Which differences a comparison claims: against the textbook, and on tables without any."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tuning.statistics import holm, paired_tests


def tables(count: int, cells: int, seeds: int, simulation: int, shift: float = 0.0):
    """Score tables in which each seed is easier or harder for all cells, and all cells are equal,
    but for the first, which is better by `shift` standard deviations."""
    draw = np.random.default_rng(simulation)
    for _ in range(count):
        values = draw.normal(size=(cells, seeds)) + 3 * draw.normal(size=seeds)
        values[0] -= shift
        yield {f"cell {k}": dict(enumerate(row)) for k, row in enumerate(values.tolist())}


def claims(count: int, cells: int, seeds: int) -> list[bool]:
    """Whether a difference is claimed, for tables of three simulations."""
    return [
        any(test.significant for test in paired_tests(table))
        for simulation in range(3)
        for table in tables(count, cells, seeds, simulation)
    ]


def most_claims(tables: int) -> float:
    """What tests that are wrong in 5 % of cases exceed once in a thousand simulations."""
    return stats.binom.ppf(0.999, tables, 0.05)


@pytest.mark.parametrize(("cells", "seeds", "count"), [(3, 5, 700), (5, 10, 200)])
def test_noise_is_called_noise(cells: int, seeds: int, count: int):
    """Who compares cells that do not differ is told of a difference in at most 5 % of cases."""
    found = claims(count, cells, seeds)
    assert sum(found) <= most_claims(len(found))


@pytest.mark.prove
@pytest.mark.parametrize(("cells", "seeds"), [(3, 5), (5, 10)])
def test_noise_is_called_noise_in_many_tables(cells: int, seeds: int, record_property):
    """In 15,000 tables without a difference, one is claimed in at most 5 %, give or take chance."""
    found = claims(5000, cells, seeds)
    record_property("claims in 15000 tables", sum(found))
    assert sum(found) <= most_claims(len(found))


def test_a_difference_is_found():
    """A cell that is better by three standard deviations is found with ten seeds, always."""
    for table in tables(20, 4, 10, simulation=0, shift=3.0):
        found = [test for test in paired_tests(table) if test.a == "cell 0"]
        assert len(found) == 3
        assert all(test.significant and test.difference < 0 for test in found)
        assert all("cell 0 is better than" in test.verdict for test in found)


def test_the_test_is_the_textbook_one():
    """t, p and the interval by their definitions, with the quantiles of Student's t for 4 degrees
    of freedom from a printed table: 2.776 (95 %)."""
    a, b = [1.0, 2.0, 3.0, 4.0, 5.0], [1.5, 2.1, 3.9, 4.2, 5.8]
    (test,) = paired_tests({"a": dict(enumerate(a)), "b": dict(enumerate(b))})
    differences = np.subtract(a, b)
    mean, error = differences.mean(), differences.std(ddof=1) / math.sqrt(5)
    assert test.t == pytest.approx(mean / error)
    interval = (mean - 2.776 * error, mean + 2.776 * error)
    assert (test.low, test.high) == pytest.approx(interval, abs=1e-3)
    assert test.effect == pytest.approx(mean / differences.std(ddof=1) * (1 - 3 / 15))
    assert 0.02 < test.p < 0.05  # 2.776 is at p = 0.05, 3.747 at 0.02
    assert test.p_holm == test.p
    assert test.verdict.startswith("a is better than b by 0.5 (95 % interval 0.061 to 0.94): p = ")


def test_only_common_seeds_count():
    """A seed that diverged for one cell must not stand on one side of a pair alone."""
    scores = {"a": {0: 1.0, 1: 2.0, 2: 3.0}, "b": {0: 2.0, 2: 4.5, 3: 0.0}, "c": {9: 1.0}}
    (test,) = paired_tests(scores)
    assert (test.a, test.b, test.repeats) == ("a", "b", 2)
    assert test.difference == pytest.approx(-1.25)


def test_equal_scores_are_no_difference():
    """Two cells that gave the same numbers: p is 1, not NaN."""
    scores = {"a": {0: 1.0, 1: 2.0}, "b": {0: 1.0, 1: 2.0}, "c": {0: 0.5, 1: 1.5}}
    tests = {(test.a, test.b): test for test in paired_tests(scores)}
    assert tests["a", "b"].p_holm == 1
    assert not tests["a", "b"].significant
    assert tests["a", "c"].significant  # apart by exactly 0.5 on every seed


def test_a_baseline_tests_fewer_pairs():
    scores = {name: {0: k * 1.0, 1: k * 1.1, 2: k * 1.3} for k, name in enumerate("abcd")}
    assert len(paired_tests(scores)) == 6
    assert {test.b for test in paired_tests(scores, baseline="a")} == {"b", "c", "d"}


def test_holm_is_the_step_down_rule():
    """Rejecting while p_(k) <= level / (m - k + 1), smallest first, is p_holm <= level."""
    draw = np.random.default_rng(0)
    for _ in range(200):
        p_values = draw.uniform(size=5) ** 3
        for level in (0.01, 0.05, 0.3):
            rejected = np.zeros(5, bool)
            for k, place in enumerate(np.argsort(p_values)):
                if p_values[place] > level / (5 - k):
                    break
                rejected[place] = True
            assert ((np.array(holm(p_values.tolist())) <= level) == rejected).all()
