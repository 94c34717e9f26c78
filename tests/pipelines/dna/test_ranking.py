"""Areas under curves against scikit-learn, and intervals that hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from pipelines.dna.ranking import Ranking, label_scores, matthews


@pytest.mark.parametrize("decimals", [1, 8])
@pytest.mark.parametrize("weighted", [False, True])
def test_areas_are_scikit_learns(decimals, weighted):
    """With many equal scores too, where the order of the records must not matter."""
    random = np.random.default_rng(0)
    positive = random.random(300) < 0.3
    score = np.round(random.random(300) + 0.4 * positive, decimals)
    weights = random.integers(0, 4, 300).astype(float) if weighted else None
    roc, precision = Ranking(positive, score).areas(weights)
    assert roc == pytest.approx(metrics.roc_auc_score(positive, score, sample_weight=weights))
    expected = metrics.average_precision_score(positive, score, sample_weight=weights)
    assert precision == pytest.approx(expected)


def test_an_area_without_positives_is_no_number():
    assert np.isnan(Ranking(np.zeros(4, bool), np.arange(4.0)).areas()[0])


def test_scores_are_scikit_learns():
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, 200)
    probabilities = random.dirichlet(np.ones(3), 200) + 0.5 * np.eye(3)[truth]
    probabilities /= probabilities.sum(1, keepdims=True)
    found = label_scores(probabilities, truth, ["a", "b", "c"])
    best = probabilities.argmax(1)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, best))
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(truth, best))
    assert found["nll"] == pytest.approx(metrics.log_loss(truth, probabilities))
    assert found["mcc_low"] < found["mcc"] < found["mcc_high"]
    expected = metrics.roc_auc_score(truth, probabilities, multi_class="ovr")
    assert found["roc_auc"] == pytest.approx(expected)
    for k, name in enumerate("abc"):
        area = metrics.average_precision_score(truth == k, probabilities[:, k])
        assert found[f"pr_auc_{name}"] == pytest.approx(area)
        assert found[f"roc_auc_{name}_low"] < found[f"roc_auc_{name}"]
        assert found[f"roc_auc_{name}"] < found[f"roc_auc_{name}_high"]


def test_no_better_than_chance_is_no_correlation():
    assert matthews(np.array([0, 1, 0, 1]), np.array([0, 0, 0, 0]), 2) == 0
    assert matthews(np.array([0, 1, 2]), np.array([0, 1, 2]), 3) == pytest.approx(1)


def test_a_weighted_correlation_is_that_of_repeated_records():
    """The bootstrap counts records several times, or not at all."""
    random = np.random.default_rng(3)
    truth, given, weights = random.integers(0, (3, 3, 4), (80, 3)).T
    expected = metrics.matthews_corrcoef(np.repeat(truth, weights), np.repeat(given, weights))
    assert matthews(truth, given, 3, weights) == pytest.approx(expected)


def test_an_interval_holds_the_truth_as_often_as_it_says():
    """Intervals that are too short let a lucky test look like a discovery."""
    random = np.random.default_rng(2)
    held = 0
    for seed in range(60):
        truth = random.integers(0, 2, 100)
        right = random.random(100) < 0.8
        answers = np.where(right, truth, 1 - truth)
        found = label_scores(np.eye(2)[answers] * 0.8 + 0.1, truth, ["a", "b"], seed=seed)
        held += found["accuracy_low"] <= 0.8 <= found["accuracy_high"]
    assert 51 <= held <= 60


def test_letters_of_one_sequence_are_resampled_together():
    """A thousand letters of ten sequences are ten independent facts: letter by letter, the interval
    would be ten times too short."""
    truth = np.repeat(np.arange(10) % 2, 100)
    answers = np.repeat([0, 1, 0, 1, 0, 1, 0, 1, 1, 0], 100)
    probabilities = np.eye(2)[answers] * 0.8 + 0.1
    units = np.repeat(np.arange(10), 100)
    clustered = label_scores(probabilities, truth, ["a", "b"], units)
    single = label_scores(probabilities, truth, ["a", "b"])
    assert clustered["accuracy_high"] - clustered["accuracy_low"] > 0.3
    assert single["accuracy_high"] - single["accuracy_low"] < 0.1
