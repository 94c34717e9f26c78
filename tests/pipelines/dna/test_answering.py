"""Which files are answered whole, and which in windows."""

from __future__ import annotations

import pytest

from pipelines.dna import answering
from pipelines.dna.answering import Answerer
from pipelines.dna.settings import DNAOptions, DNASettings
from pipelines.errors import UserError
from tests.pipelines.dna.test_model import random_model


def answerer(per_base: bool = False, **options) -> Answerer:
    """Of a model of sequences of several lengths."""
    learnt = {"labels": ["a", "b", "c"], "length": None, "pool": 1}
    settings = DNASettings(per_base=per_base)
    return Answerer(random_model(per_base=per_base), settings, learnt, DNAOptions(**options))


def test_labels_of_letters_are_scanned_without_being_asked(write, monkeypatch):
    """A chromosome as one sequence would fill the memory, and its answer fits no track."""
    monkeypatch.setattr(answering, "PER_BASE_WINDOW", 8)
    path = write("g.fa", ">chr1\n" + "ACGT" * 10 + "\n")
    found = list(answerer(per_base=True).answers((), str(path)))
    assert [(each["chromosome"], each["start"]) for each in found] == [
        ("chr1", k) for k in range(40)
    ]
    assert max(each["window_end"] - each["window_start"] for each in found) == 8


def test_a_chromosome_is_refused_before_anything_is_computed(write, monkeypatch):
    """Where no window is known, the way out is said at once and not after hours."""
    monkeypatch.setattr(answering, "LONGEST", 30)
    path = write("g.fa", ">short\nACGT\n>chr1\n" + "ACGT\n" * 8)
    table = write("t.csv", f"sequence\n{'ACGT' * 8}\n")
    with pytest.raises(UserError, match=r"g\.fa:3: expected at most 30 letters.*--window N"):
        next(answerer().answers((), str(path)))
    with pytest.raises(UserError, match=r"t\.csv:2: expected at most 30 letters"):
        next(answerer().answers((), str(table)))
    assert len(list(answerer(window=16).answers((), str(path)))) == 17
