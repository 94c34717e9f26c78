"""Records with one label, or with a label a step: what training learns of them, and refuses."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from pipelines.errors import UserError

NO_LABEL = -1  # the number of a label that is not known


class NoLabelsError(UserError):
    """The source has no labels, which a model that is trained already can do without."""


class Labelled(Protocol):
    """A record with the label of the whole, or with the labels of its steps."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str | None: ...
    @property
    def labels(self) -> Sequence[str] | None: ...


def labels_of(record: Labelled) -> Sequence[str | None]:
    """Its label, or those of its steps."""
    return (record.label,) if record.labels is None else record.labels


def learn_labels(records: Iterable[Labelled], remedy: str) -> list[str]:
    """All labels of the training part, sorted.

    Raises:
        UserError: they are fewer than two; `remedy` says what to do.
    """
    found = {str(label) for record in records for label in labels_of(record)}
    if len(found) < 2:
        raise UserError(
            f"expected at least two labels in the training part. Received: "
            f"{', '.join(found) or 'none'}. {remedy}"
        )
    return sorted(found)


def check_spelling(records: Iterable[Labelled]) -> None:
    """Refuses a label that stands there in two spellings, which would be learnt as two classes.

    Raises:
        UserError: with the names of two such records.
    """
    spelled: dict[str, tuple[str, str]] = {}
    for record in records:
        for label in {str(label) for label in labels_of(record) if label is not None}:
            key = " ".join(label.casefold().split())
            other, name = spelled.setdefault(key, (label, record.name))
            if other != label:
                raise UserError(
                    f"{record.name}: expected one name a class. Received: {label!r}, and {other!r} "
                    f"of {name}. Rename one, or join the two."
                )


def check_taught(parts: Mapping[str, Sequence[Labelled]], kind: str) -> None:
    """Refuses a label to validate or test on that no record of the training part has.

    Args:
        parts: records by part.
        kind: what records are called, in the plural.

    Raises:
        UserError: with the name of the first such record.
    """
    taught = {str(label) for record in parts["train"] for label in labels_of(record)}
    for part, records in parts.items():
        for record in records:
            if unknown := {str(label) for label in labels_of(record)} - taught:
                raise UserError(
                    f"{record.name}: label {min(unknown)} stands in the {part} part and nowhere in "
                    f"the training part, which has {', '.join(sorted(taught))}. Give more {kind} "
                    "of it, or leave it out."
                )


def check_known(records: Iterable[Labelled], known: Sequence[str]) -> None:
    """Refuses a label that the model did not learn; a record without one is no fault.

    Raises:
        UserError: with the name of the first such record.
    """
    for record in records:
        for label in labels_of(record):
            if label is not None and label not in known:
                raise UserError(
                    f"{record.name}: expected one of the labels {', '.join(known)}. Received: "
                    f"{label}."
                )


def label_numbers(record: Labelled, known: Sequence[str]) -> np.ndarray:
    """Where in `known` its labels stand, `NO_LABEL` for what is not there: int32 (labels,)."""
    number = {label: k for k, label in enumerate(known)}
    return np.array([number.get(str(label), NO_LABEL) for label in labels_of(record)], np.int32)


def count_labels(records: Iterable[Labelled]) -> str:
    """How often each label occurs, as text."""
    counts = collections.Counter(str(label) for record in records for label in labels_of(record))
    return ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
