"""Scores of entities against seqeval and scikit-learn, over thousands of random sentences."""

import itertools
import random

import pytest
import seqeval.metrics
import seqeval.scheme
from sklearn.metrics import accuracy_score, f1_score

from pipelines.ner import metrics
from tests.pipelines.ner.test_schemes import draw

drawn = random.Random(6)


def pairs(prefixes: str, count: int) -> list[tuple[list[str], list[str]]]:
    """Sentences whose predictions agree with the truth in most places, valid or not."""
    found = []
    while len(found) < count:
        true, other = draw(prefixes, ("PER", "LOC", "ORG"), 12), draw(prefixes, ("PER", "LOC"), 12)
        if len(true) <= len(other):
            mixed = zip(true, other, strict=False)
            found.append((true, [a if drawn.random() < 0.7 else b for a, b in mixed]))
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("scheme", ["iob2", "iobes"])
def test_scores_are_seqevals_in_both_modes(scheme):
    """Overall and of each type: nobody gets other figures from the usual tool."""
    for _ in range(12):
        sentences = pairs({"iob2": "BI", "iobes": "BIES"}[scheme], 150)
        true, predicted = map(list, zip(*sentences, strict=True))
        ours = metrics.entity_scores(sentences, scheme)
        rules = getattr(seqeval.scheme, scheme.upper())
        for name in ("precision", "recall", "f1"):
            score = getattr(seqeval.metrics, f"{name}_score")
            strict = score(true, predicted, mode="strict", scheme=rules)
            assert ours[f"{name}_strict"] == pytest.approx(strict)
            assert ours[f"{name}_lenient"] == pytest.approx(score(true, predicted))
        assert ours["accuracy"] == pytest.approx(seqeval.metrics.accuracy_score(true, predicted))
        report = seqeval.metrics.classification_report(
            true, predicted, mode="strict", scheme=rules, output_dict=True
        )
        for kind in ("PER", "LOC", "ORG"):
            for ours_name, theirs in (("f1", "f1-score"), ("recall", "recall")):
                expected = report[kind][theirs]
                assert ours[f"{ours_name}_strict_{kind}"] == pytest.approx(expected)


def test_strict_differs_from_lenient_where_tags_break_the_rules():
    """The known case in which a lenient score says 1 and a strict one 0."""
    scores = metrics.entity_scores([(["B-PER", "O"], ["I-PER", "O"])], "iob2")
    assert (scores["f1_lenient"], scores["f1_strict"]) == (1.0, 0.0)


def test_nothing_to_find_and_nothing_found_is_zero_and_not_an_error():
    scores = metrics.entity_scores([(["O", "O"], ["O", "O"])])
    assert (scores["f1_strict"], scores["recall_strict"], scores["accuracy"]) == (0.0, 0.0, 1.0)


def test_labels_are_scored_as_by_scikit_learn():
    for _ in range(20):
        sentences = [
            ([*drawn.choices("NVD", k=6)], [*drawn.choices("NVDX", k=6)]) for _ in range(9)
        ]
        true, predicted = ([*itertools.chain(*side)] for side in zip(*sentences, strict=True))
        ours = metrics.label_scores(sentences)
        assert ours["accuracy"] == pytest.approx(accuracy_score(true, predicted))
        macro = f1_score(true, predicted, average="macro", zero_division=0)
        assert ours["f1_macro"] == pytest.approx(macro)
