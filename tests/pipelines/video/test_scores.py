"""Scores, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from pipelines.confusion import confusion
from pipelines.errors import UserError
from pipelines.video import floors
from pipelines.video.scores import by_group, scores

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.integers(0, 8, 200)
PROBABILITIES = RANDOM.dirichlet(np.ones(8), 200)
PROBABILITIES[np.arange(200), TRUTH] += 0.2
PROBABILITIES /= PROBABILITIES.sum(1, keepdims=True)


def test_scores_are_those_of_scikit_learn():
    """What is printed can be set beside what others print."""
    found, decided = scores(PROBABILITIES, TRUTH), PROBABILITIES.argmax(1)
    assert found["top1"] == pytest.approx(metrics.accuracy_score(TRUTH, decided))
    assert found["top5"] == pytest.approx(metrics.top_k_accuracy_score(TRUTH, PROBABILITIES, k=5))
    assert found["mean_class_accuracy"] == pytest.approx(
        metrics.balanced_accuracy_score(TRUTH, decided)
    )
    assert found["nll"] == pytest.approx(metrics.log_loss(TRUTH, PROBABILITIES))
    np.testing.assert_array_equal(
        confusion(TRUTH, decided, 8), metrics.confusion_matrix(TRUTH, decided)
    )
    assert "top5" not in scores(PROBABILITIES[:, :5], TRUTH % 5)


def test_clips_of_a_group_count_less_than_as_many_others():
    """An interval over clips of the same few scenes would be too narrow."""
    right = np.repeat(RANDOM.uniform(0, 1, 20) < 0.7, 10)
    truth = np.zeros(200, int)
    probabilities = np.stack([right, ~right], 1).astype(float)
    wide = scores(probabilities, truth, np.repeat(np.arange(20), 10))
    narrow = scores(probabilities, truth, np.arange(200))
    assert wide["top1"] == narrow["top1"] == right.mean()
    assert wide["top1_high"] - wide["top1_low"] > 2 * (narrow["top1_high"] - narrow["top1_low"])
    assert "worst_group_accuracy" not in narrow
    assert wide["worst_group_accuracy"] == 0
    assert wide["mean_group_accuracy"] == pytest.approx(right.mean())


def test_the_interval_covers_what_it_says():
    """Of 200 draws of 40 groups, about 95 % have the true share inside."""
    random, inside = np.random.default_rng(1), 0
    for _ in range(200):
        right = random.uniform(0, 1, 40) < 0.7
        found = scores(np.stack([right, ~right], 1).astype(float), np.zeros(40, int), np.arange(40))
        inside += found["top1_low"] <= 0.7 <= found["top1_high"]
    assert 175 <= inside <= 198


def test_scores_of_groups():
    rows = by_group(np.array([1, 0, 1, 1]), ["a", "a", "b", "c"])
    assert rows == [("a", 2, 0.5), ("b", 1, 1.0), ("c", 1, 1.0)]


def test_unknown_labels_cannot_be_scored():
    with pytest.raises(UserError, match="1 of 2 answers have no label"):
        scores(PROBABILITIES[:2], np.array([0, -1]))


def test_the_floor_is_logistic_regression():
    """It finds what frames tell without their order, in two classes and in more."""
    for labels in (2, 3):
        truth = RANDOM.integers(0, labels, 120)
        described = RANDOM.normal(size=(120, 6)) + 3 * truth[:, None]
        fitted = floors.fit(described, truth, labels)
        found = floors.floor_scores(fitted, described, truth, None)
        assert found["frames_without_order"]["top1"] > 0.9
        assert found["majority"]["top1"] == np.bincount(truth).max() / 120


def test_a_small_picture_is_the_mean_of_its_blocks():
    frames = RANDOM.integers(0, 256, (2, 36, 64, 3)).astype(np.uint8)
    found = floors.describe_frames(frames).reshape(2, 9, 16, 3)
    assert found[1, 2, 3, 1] == pytest.approx(frames[1, 8:12, 12:16, 1].mean())
