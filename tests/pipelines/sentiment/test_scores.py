"""Scores against scikit-learn, and floors against what scikit-learn predicts itself."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from pipelines.confusion import confusion
from pipelines.sentiment import floors
from pipelines.sentiment.scores import calibration_error, reliability, scores

random = np.random.default_rng(0)


def draw(rows, classes, ties=False):
    labels = random.integers(0, classes, rows)
    labels[:classes] = np.arange(classes)
    logits = random.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[labels]
    if ties:
        logits[20:] = logits[random.integers(0, 20, rows - 20)]
    powers = np.exp(logits)
    return labels, powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("classes", [2, 5])
def test_scores_equal_scikit_learns(classes, ties):
    labels, probabilities = draw(300, classes, ties)
    found = scores(labels, probabilities)
    decided = probabilities.argmax(1)
    given = probabilities[:, 1] if classes == 2 else probabilities
    assert found == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(labels, decided),
            "macro_f1": metrics.f1_score(labels, decided, average="macro"),
            "roc_auc": metrics.roc_auc_score(labels, given, multi_class="ovr"),
            "nll": metrics.log_loss(labels, probabilities),
            "calibration_error": found["calibration_error"],
        }
    )
    np.testing.assert_array_equal(
        confusion(labels, decided, classes), metrics.confusion_matrix(labels, decided)
    )


def test_calibration_error_by_its_definition():
    labels, probabilities = draw(500, 3)
    total = 0.0
    for low in np.arange(10) / 10:
        confidence = probabilities.max(1)
        inside = (confidence >= low) & ((confidence < low + 0.1) | (low == 0.9))
        if inside.any():
            right = (probabilities.argmax(1) == labels)[inside].mean()
            total += inside.sum() * abs(right - confidence[inside].mean())
    assert calibration_error(labels, probabilities) == pytest.approx(total / 500, abs=1e-9)
    counts, _, _ = reliability(labels, probabilities)
    assert counts.sum() == 500


def test_a_model_that_is_as_sure_as_right_has_no_calibration_error():
    labels = np.array([1] * 8 + [0] * 2)
    assert calibration_error(labels, np.tile([0.2, 0.8], (10, 1))) == pytest.approx(0)
    assert calibration_error(labels, np.tile([0.0, 1.0], (10, 1))) == pytest.approx(0.2)


def test_one_class_in_the_data_has_no_roc_auc():
    """nan would not be JSON, and 0.5 would be a lie."""
    assert "roc_auc" not in scores(np.zeros(3, int), np.tile([0.6, 0.4], (3, 1)))


@pytest.mark.parametrize("classes", [2, 3])
def test_the_bag_of_words_answers_as_scikit_learn_does(classes):
    """The floor is stored as arrays: taken up later it must be the model that was fitted."""
    words = [f"w{k}" for k in range(30)] + ["手\n", "it's"]
    labels = random.integers(0, classes, 80)
    texts = [floors.END.join([*random.choice(words, 12), f"w{label}"]) for label in labels]
    fitted = {
        **floors.fit_majority(labels, classes),
        **floors.fit_bag_of_words(texts, labels, classes),
    }
    assert all(isinstance(array, np.ndarray) and array.dtype != object for array in fitted.values())
    vectorizer = floors._vectorizer(min_df=2, max_features=floors.MOST_TERMS)
    counts = vectorizer.fit_transform(texts)
    model = floors.require("sklearn.linear_model", "text").LogisticRegression(max_iter=1000)
    expected = model.fit(counts, labels).predict_proba(counts)
    np.testing.assert_allclose(floors.bag_of_words(fitted, texts), expected, atol=1e-5)
    reached = floors.floor_scores(fitted, texts, labels)
    assert reached["majority"]["accuracy"] == np.bincount(labels).max() / 80
    assert reached["bag_of_words"]["accuracy"] > 0.9


def test_the_bag_of_words_does_with_texts_that_share_nothing():
    fitted = floors.fit_bag_of_words(["a", "b"], np.array([0, 1]), 2)
    assert floors.bag_of_words(fitted, ["a", "zzz"])[1] == pytest.approx([0.5, 0.5])
