"""Which frames the model sees, against the words that say so."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf

from pipelines.video.sampling import places

COUNTS = [1, 2, 5, 16, 17, 40]


def found(count: int, frames: int, how: str, draws=None) -> list[int]:
    given = None if draws is None else tf.constant([draws], tf.float32)
    return places(tf.constant([count]), frames, how, given).numpy()[0].tolist()


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("frames", [1, 4, 16])
def test_uniform_takes_the_middle_of_each_segment(count, frames):
    """Evaluation sees the whole clip, evenly; a short one has frames shown again, in order."""
    middles = [math.floor(Fraction(2 * k + 1, 2 * frames) * count) for k in range(frames)]
    assert found(count, frames, "uniform") == middles
    assert middles == sorted(middles)


def test_uniform_draws_from_its_own_segment():
    """Training sees every frame of the clip at some time, and keeps their order."""
    seen = set()
    for draw in np.random.default_rng(0).uniform(0, 1, (60, 4)):
        chosen = found(12, 4, "uniform", draw)
        assert all(3 * k <= place < 3 * k + 3 for k, place in enumerate(chosen))
        seen |= set(chosen)
    assert seen == set(range(12))
    assert found(12, 4, "uniform", [0.9999999] * 4) == [2, 5, 8, 11]


@pytest.mark.parametrize("count", COUNTS)
def test_window_is_centred_and_a_short_clip_begins_anew(count):
    """What lies in the middle of a clip is scored; nothing is invented for short ones."""
    chosen = found(count, 4, "window")
    start = (max(count - 4, 0) + 1) // 2
    assert chosen == [(start + k) % count for k in range(4)]


def test_window_draws_every_beginning_alike():
    """No end of a long clip is left out of training."""
    draws = np.repeat(np.linspace(0, 0.9999, 700, dtype=np.float32)[:, None], 4, axis=1)
    starts = places(tf.fill([700], 10), 4, "window", tf.constant(draws)).numpy()[:, 0]
    assert np.bincount(starts).tolist() == [100] * 7
    assert found(10, 4, "window", [0.5] * 4) == found(10, 4, "window")


def test_rows_of_a_batch_do_not_meet():
    """Clips of other lengths beside it change nothing of a row."""
    together = places(tf.constant(COUNTS), 5, "uniform").numpy()
    for row, count in zip(together, COUNTS, strict=True):
        assert row.tolist() == found(count, 5, "uniform")
