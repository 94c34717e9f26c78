"""The floors are what counting gives: checked against plain dictionaries."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from pipelines.charlm import floors

SYMBOLS = 5
draw = np.random.default_rng(1)
TRAIN = np.cumsum(draw.integers(0, 3, 400)).astype(np.int32) % 4 + 1
TEST = np.cumsum(draw.integers(0, 4, 60)).astype(np.int32) % 5


def witten_bell(order: int, history: tuple[int, ...], character: int) -> float:
    """The recursion of the docstring, with counts taken anew from the text."""
    if order == 0:
        return 1 / SYMBOLS
    history = history[-(order - 1) :] if order > 1 else ()
    lower = witten_bell(order - 1, history[1:] if len(history) == order - 1 else history, character)
    if len(history) < order - 1:
        return lower
    after = Counter(
        int(TRAIN[k])
        for k in range(order - 1, len(TRAIN))
        if tuple(TRAIN[k - order + 1 : k].tolist()) == history
    )
    if not after:
        return lower
    return (after[character] + len(after) * lower) / (after.total() + len(after))


def test_both_floors_are_the_recursion():
    """A floor that is too weak would flatter every model."""
    found = floors.nats(floors.fit(TRAIN, SYMBOLS), TEST)
    for name, order in (("unigram", 1), ("5-gram", 5)):
        wanted = [
            -math.log(witten_bell(order, tuple(TEST[max(0, t - 4) : t].tolist()), int(TEST[t])))
            for t in range(len(TEST))
        ]
        np.testing.assert_allclose(found[name], wanted, rtol=1e-9)


def test_chances_sum_to_one():
    """After any history, seen in training or not, unknown characters included."""
    fitted = floors.fit(TRAIN, SYMBOLS)
    sums: dict[str, float] = defaultdict(float)
    for last in range(SYMBOLS):
        for name, nats in floors.nats(fitted, np.append(TEST, last).astype(np.int32)).items():
            sums[name] += math.exp(-nats[-1])
    assert sums == {"unigram": pytest.approx(1), "5-gram": pytest.approx(1)}


@pytest.mark.parametrize("count", [1, 3])
def test_a_text_shorter_than_an_n_gram_is_counted_as_far_as_it_goes(count):
    found = floors.nats(floors.fit(TRAIN[:count], SYMBOLS), TEST)
    assert set(found) == {"unigram", "5-gram"}
    assert all(np.isfinite(nats).all() for nats in found.values())
