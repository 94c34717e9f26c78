"""Which differences between cells are more than noise: paired t tests over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

LEVEL = 0.05  # of claiming at least one difference where there is none


@dataclass(frozen=True)
class PairedTest:
    """Two cells on the same seeds. Lower scores are better."""

    a: str
    b: str
    repeats: int  # seeds that both finished
    difference: float  # mean of a - b: below zero, a is better
    low: float  # 95 % confidence interval of the difference, of this pair by itself
    high: float
    t: float
    p: float
    p_holm: float  # corrected for the number of tests
    effect: float  # mean of a - b over its standard deviation, corrected for few seeds

    @property
    def significant(self) -> bool:
        """Whether the difference is told from noise, all tests of the comparison counted."""
        return self.p_holm < LEVEL

    @property
    def verdict(self) -> str:
        """The outcome in words."""
        p = f"p = {self.p_holm:.2g}" if self.p_holm >= 1e-4 else "p < 0.0001"
        ends = (self.low, self.high) if self.difference > 0 else (-self.high, -self.low)
        size = f"{abs(self.difference):.3g} (95 % interval {ends[0]:.2g} to {ends[1]:.2g})"
        numbers = f"{p}, effect size {abs(self.effect):.1f}, {self.repeats} seeds"
        if not self.significant:
            pair = f"{self.a} and {self.b}"
            return f"{pair}: the difference of {size} cannot be told from noise: {numbers}"
        better, worse = (self.a, self.b) if self.difference < 0 else (self.b, self.a)
        return f"{better} is better than {worse} by {size}: {numbers}"


def paired_tests(
    scores: Mapping[str, Mapping[int, float]], baseline: str | None = None
) -> list[PairedTest]:
    """Every two cells on the seeds that both finished, Holm-corrected.

        d_s = a_s - b_s                     over seeds s = 1..n
        t   = mean(d) / (std(d) / sqrt(n))  Student's t with n - 1 degrees of freedom

    The same seed means the same batches and draws for both, and what one seed makes harder for all
    cells drops out of the difference.

    Args:
        scores: cell -> seed -> score.
        baseline: only differences from this cell are tested: fewer tests, each with more power.

    Returns:
        A test a pair with at least two common seeds. At most one comparison in twenty without any
        true difference claims one, however many cells it has.

    Example:

    >>> scores = {"a": {0: 1.0, 1: 1.1, 2: 1.2}, "b": {0: 2.0, 1: 2.1, 2: 2.3}}
    >>> paired_tests(scores)[0].significant
    True

    Reference: S. Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian
    Journal of Statistics 6, 1979; L. Hedges, Distribution Theory for Glass's Estimator of Effect
    Size, Journal of Educational Statistics 6, 1981.
    """
    pairs = [pair for pair in combinations(scores, 2) if baseline is None or baseline in pair]
    compared, results = [], []
    for a, b in pairs:
        seeds = sorted(scores[a].keys() & scores[b].keys())
        if len(seeds) > 1:
            compared.append((a, b, len(seeds)))
            first, second = ([scores[cell][seed] for seed in seeds] for cell in (a, b))
            results.append(_paired(first, second))
    corrected = holm([result["p"] for result in results])
    return [
        PairedTest(a=a, b=b, repeats=repeats, p_holm=p_holm, **result)
        for (a, b, repeats), result, p_holm in zip(compared, results, corrected, strict=True)
    ]


def _paired(first: Sequence[float], second: Sequence[float]) -> dict[str, float]:
    differences = np.subtract(first, second)
    mean, spread, n = differences.mean(), differences.std(ddof=1), len(differences)
    if spread <= 1e-12 * max(1.0, np.abs(first).max()):  # no noise: equal, or apart by a constant
        same = abs(mean) <= 1e-12 * max(1.0, np.abs(first).max())
        signed = math.copysign(math.inf, mean)
        return {
            "difference": float(mean),
            "low": float(mean),
            "high": float(mean),
            "t": 0.0 if same else signed,
            "p": 1.0 if same else 0.0,
            "effect": 0.0 if same else signed,
        }
    result = stats.ttest_rel(first, second)
    interval = result.confidence_interval(0.95)
    shrunk = 1 - 3 / (4 * n - 5) if n > 2 else 1.0  # few seeds make the effect look too large
    return {
        "difference": float(mean),
        "low": float(interval.low),
        "high": float(interval.high),
        "t": float(result.statistic),
        "p": float(result.pvalue),
        "effect": float(shrunk * mean / spread),
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """P values after Holm's correction, in the order given.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none comes out smaller than
    one before it.

    >>> [round(p, 2) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    corrected, worst = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable").tolist()):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = worst
    return corrected
