"""Which tag may follow which, in the tagging schemes of chunks."""

import itertools

import pytest

import rnnkit

VALID = {
    "IOB2": ["O", "B-X", "B-X I-X", "B-X B-X", "B-X B-Y I-Y O"],
    "IOBES": ["O", "S-X", "B-X E-X", "B-X I-X E-X O", "S-X B-Y E-Y"],
    "IOB1": ["O", "I-X", "I-X I-X", "I-X B-X", "I-X I-Y O", "I-X B-X I-X"],
}
WRONG = {
    "IOB2": ["I-X", "O I-X", "B-X I-Y"],
    "IOBES": ["B-X", "I-X E-X", "B-X O", "B-X E-Y", "S-X E-X", "B-X S-X", "B-X B-X E-X"],
    "IOB1": ["B-X", "O B-X", "I-Y B-X"],
}


@pytest.mark.parametrize("scheme", VALID)
def test_a_scheme_allows_what_it_allows(scheme):
    """No tag sequence that no chunk reader can read."""
    prefixes = "BIES" if scheme == "IOBES" else "BI"
    labels = ["O", *(f"{p}-{kind}" for kind in "XY" for p in prefixes)]
    allowed = rnnkit.crf_constraints(labels, scheme)

    def fine(text):
        tags = [len(labels), *map(labels.index, text.split()), len(labels)]
        return all(allowed[a, b] for a, b in itertools.pairwise(tags))

    assert [text for text in VALID[scheme] if not fine(text)] == []
    assert [text for text in WRONG[scheme] if fine(text)] == []


@pytest.mark.parametrize(
    ("labels", "scheme", "message"),
    [
        (["O", "B-X"], "BIO", "scheme must be one of IOB1, IOB2, IOBES"),
        (["O", "E-X"], "IOB2", "Received: 'E-X'"),
        (["O", "NOUN"], "IOB2", "Received: 'NOUN'"),
        (["O", "B-"], "IOB2", "Received: 'B-'"),
    ],
)
def test_labels_of_another_scheme_are_refused(labels, scheme, message):
    with pytest.raises(ValueError, match=message):
        rnnkit.crf_constraints(labels, scheme)
