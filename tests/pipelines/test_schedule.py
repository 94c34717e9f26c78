"""Decisions that follow from the scores alone."""

from __future__ import annotations

import math

import pytest

from pipelines.schedule import best_epoch, learning_rate, stop_reason


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([], None), ([3.0, 2.0, 2.0], 2), ([math.nan, 5.0, math.inf], 2), ([math.nan], None)],
)
def test_best_epoch_is_the_first_of_the_lowest(scores, expected):
    assert best_epoch(scores) == expected


def test_learning_rate_halves_on_each_plateau():
    scores = [5.0, 4.0, 4.5, 4.5, 3.0, 3.0, 3.0, 3.0, 3.0]
    rates = [learning_rate(8.0, scores[:n], patience=4) for n in range(len(scores) + 1)]
    assert rates == [8.0, 8.0, 8.0, 8.0, 4.0, 4.0, 4.0, 2.0, 2.0, 1.0]


def test_decay_shrinks_every_step_and_halving_comes_on_top():
    scores = [5.0, 4.0, 4.5, 4.5]
    rates = [learning_rate(8.0, scores[:n], patience=4, decay=0.5) for n in range(5)]
    assert rates == [8.0, 4.0, 2.0, 1.0, 0.25]


def test_a_patience_of_one_still_trains():
    assert learning_rate(1.0, [2.0, 1.0], patience=1) == 1.0


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], None),
        ([3.0, 2.0, 2.5], None),
        ([3.0, 2.0, 2.5, 2.0], "patience"),
        ([5.0, 4.0, 3.0, 2.0, 1.0], "epochs"),
        ([3.0, 2.0, math.nan], "diverged"),
    ],
)
def test_stop_reason(scores, expected):
    assert stop_reason(scores, epochs=5, patience=2) == expected
