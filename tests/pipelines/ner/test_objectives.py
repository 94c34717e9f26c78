"""What training minimises and counts, against enumeration and against the counts of `metrics`."""

import itertools
import random

import numpy as np
import pytest

import rnnkit
from pipelines.ner import metrics, schemes
from pipelines.ner.objectives import PREFIXES, EntityF1, RecallOrientedLoss
from pipelines.ner.schemes import Entity

rng = np.random.default_rng(5)
drawn = random.Random(5)
LABELS = ["O", *(f"{prefix}-{kind}" for kind in ("LOC", "PER") for prefix in PREFIXES)]


def potentials(emissions, mask=None, constraints=None):
    layer = rnnkit.CRF(emissions.shape[-1], constraints=constraints, initializer="random_normal")
    return layer(emissions.astype("float32"), mask=mask), layer


@pytest.mark.parametrize("cost", [0.0, 1.5])
def test_the_loss_is_that_of_all_sequences_one_by_one(cost):
    """Each other sequence with its price for every entity token that it leaves outside."""
    emissions, tags, outside = rng.normal(size=(3, 4, 3)), rng.integers(0, 3, (3, 4)), 1
    packed, crf = potentials(emissions)
    transitions, start, end = (weight.numpy() for weight in crf.weights)

    def score(x, y):
        moves = sum(transitions[a, b] for a, b in itertools.pairwise(y))
        return start[y[0]] + end[y[-1]] + moves + sum(x[t, tag] for t, tag in enumerate(y))

    for x, y, loss in zip(
        emissions,
        tags,
        RecallOrientedLoss(cost, outside, reduction=None)(tags, packed),
        strict=True,
    ):
        totals = [
            score(x, other)
            + cost * sum(a == outside and b != outside for a, b in zip(other, y, strict=True))
            for other in itertools.product(range(3), repeat=4)
        ]
        assert float(loss) == pytest.approx(np.logaddexp.reduce(totals) - score(x, y), rel=1e-5)


def test_without_a_cost_it_is_the_likelihood():
    packed, _ = potentials(rng.normal(size=(2, 5, 3)))
    tags = rng.integers(0, 3, (2, 5))
    ours = RecallOrientedLoss(0.0, 0, reduction=None)(tags, packed)
    np.testing.assert_allclose(ours, rnnkit.CRFLoss(reduction=None)(tags, packed), rtol=1e-6)


def sentence(kinds) -> list[str]:
    """Valid tags of random entities."""
    entities, place = [], 0
    while (place := place + drawn.randint(0, 2)) < 8:
        end = min(place + drawn.randint(1, 3), 9)
        entities.append(Entity(drawn.choice(kinds), place, end))
        place = end
    return schemes.to_tags(entities, 9)[: drawn.randint(1, 9)]


def whole(tags):
    """Cut tags are valid again."""
    return schemes.convert(tags, schemes.INSIDE)


def test_the_f1_of_an_epoch_is_that_of_evaluate():
    """Over padded batches with rows that only fill them, and types that were not learnt."""
    metric, pairs = EntityF1(LABELS), []
    for _ in range(12):
        true = [whole(sentence(["LOC", "PER", "PER", "NEW"])) for _ in range(6)]
        found = [
            whole([a if drawn.random() < 0.8 and a in LABELS else "O" for a in tags])
            for tags in true
        ]
        found = [
            tags
            if drawn.random() < 0.7
            else whole(sentence(["LOC", "PER"]) + ["O"] * 9)[: len(tags)]
            for tags in found
        ]
        found = [whole(tags) for tags in found]
        pairs += zip(true, found, strict=True)
        emissions, mask = np.zeros((7, 9, len(LABELS))), np.zeros((7, 9), bool)
        y = np.zeros((7, 9), int)
        for row, (tags, predicted) in enumerate(zip(true, found, strict=True)):
            mask[row, : len(tags)] = True
            for t, (a, b) in enumerate(zip(tags, predicted, strict=True)):
                y[row, t] = LABELS.index(a) if a in LABELS else -1 - PREFIXES.index(a[0])
                emissions[row, t, LABELS.index(b)] = 50.0
        mask[6] = True  # a row of weight zero, with an entity that must not count
        emissions[6, :, LABELS.index("S-PER")] = 50.0
        metric.update_state(y, potentials(emissions, mask)[0], [1, 1, 1, 1, 1, 1, 0])
    expected = metrics.entity_scores(pairs)["f1_strict"]
    result = {name: float(value) for name, value in metric.result().items()}
    assert 0.2 < expected < 0.9
    assert result == pytest.approx({"f1_strict": expected, "error": 1 - expected})


def test_of_labels_without_entities_it_is_the_accuracy():
    metric = EntityF1(["0", "1", "2"], scheme=False, name="accuracy")
    y, predicted = rng.integers(0, 3, (4, 6)), rng.integers(0, 3, (4, 6))
    y[0, 0] = -1 - PREFIXES.index("S")  # a label that was not learnt is wrong
    metric.update_state(y, potentials(50.0 * np.eye(3)[predicted])[0], np.ones(4))
    assert float(metric.result()["accuracy"]) == pytest.approx((y == predicted).mean())
