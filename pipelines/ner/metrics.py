"""Entities found, missed and invented: precision, recall and F1.

An entity counts as found if its type and both its ends are right.

    precision = found / predicted      recall = found / true      F1 = 2 found / (predicted + true)

They are 0 where they would divide by zero. "Strict" counts the entities whose tags are spelled as
the scheme has it, as seqeval does in its mode `strict`; "lenient" reads any tags as the script
conlleval does, and seqeval by default. On tags that break no rule both are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pipelines.ner.schemes import INSIDE, Entity, lenient_entities, strict_entities

Tags = Sequence[str]


@dataclass
class EntityCounts:
    """Counts of entities by their type; sentences are added one after the other."""

    found: Counter[str] = field(default_factory=Counter)  # in both
    predicted: Counter[str] = field(default_factory=Counter)
    true: Counter[str] = field(default_factory=Counter)

    def add(self, true: Iterable[Entity], predicted: Iterable[Entity]) -> None:
        """Counts the entities of a sentence."""
        true, predicted = set(true), set(predicted)
        for counter, entities in (
            (self.found, true & predicted),
            (self.predicted, predicted),
            (self.true, true),
        ):
            counter.update(entity.type for entity in entities)

    @property
    def types(self) -> list[str]:
        """In alphabetical order."""
        return sorted(self.true | self.predicted)

    def scores(self, kind: str | None = None) -> dict[str, float]:
        """`precision`, `recall` and `f1` of a type, or of all entities alike."""
        found, predicted, true = (
            counter.total() if kind is None else counter[kind]
            for counter in (self.found, self.predicted, self.true)
        )
        return {
            "precision": found / predicted if predicted else 0.0,
            "recall": found / true if true else 0.0,
            "f1": 2 * found / (predicted + true) if predicted + true else 0.0,
        }


def count_entities(
    sentences: Iterable[tuple[Tags, Tags]], read: Callable[[Tags], list[Entity]]
) -> EntityCounts:
    """Counts over sentences, each as its true and its predicted tags; `read` finds entities."""
    counts = EntityCounts()
    for true, predicted in sentences:
        counts.add(read(true), read(predicted))
    return counts


def entity_scores(sentences: Sequence[tuple[Tags, Tags]], scheme: str = INSIDE) -> dict[str, float]:
    """What `evaluate` tells of tags in a scheme, each sentence with its true and predicted tags.

    Returns:
        `f1_strict`, `precision_strict`, `recall_strict`, the same with `_lenient`, `accuracy` (of
        tags, O included), and the strict scores of each type: `f1_strict_PER`, ...

    Example:

    >>> scores = entity_scores([(["S-PER", "O", "S-LOC"], ["S-PER", "O", "O"])])
    >>> scores["precision_strict"], scores["recall_strict"]
    (1.0, 0.5)
    """
    strict = count_entities(sentences, lambda tags: strict_entities(tags, scheme))
    lenient = count_entities(sentences, lenient_entities)
    scores = _named(strict.scores(), "strict") | _named(lenient.scores(), "lenient")
    scores["accuracy"] = label_accuracy(sentences)
    for kind in strict.types:
        scores |= _named(strict.scores(kind), f"strict_{kind}")
    return scores


def label_scores(sentences: Sequence[tuple[Tags, Tags]]) -> dict[str, float]:
    """What `evaluate` tells of labels that spell no entities.

    Returns:
        `accuracy`; `f1_macro`, the mean of the labels' F1; and the F1 of each: `f1_NOUN`, ...

    Example:

    >>> label_scores([(["1", "1", "0"], ["1", "0", "0"])])["accuracy"]
    0.6666666666666666
    """
    counts = count_entities(
        sentences, lambda labels: [Entity(label, k, k + 1) for k, label in enumerate(labels)]
    )
    each = {f"f1_{label}": counts.scores(label)["f1"] for label in counts.types}
    mean = sum(each.values()) / len(each) if each else 0.0
    return {"accuracy": label_accuracy(sentences), "f1_macro": mean, **each}


def label_accuracy(sentences: Iterable[tuple[Tags, Tags]]) -> float:
    """The share of tokens with the right tag."""
    equal = [a == b for true, predicted in sentences for a, b in zip(true, predicted, strict=True)]
    return sum(equal) / len(equal) if equal else 0.0


def _named(scores: dict[str, float], suffix: str) -> dict[str, float]:
    order = ("f1", "precision", "recall")
    return {f"{name}_{suffix}": scores[name] for name in order}
