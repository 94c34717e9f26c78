"""Tag schemes against conlleval's definition, seqeval, and every short sequence there is."""

import itertools
import random

import pytest
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB1, IOB2, IOBES, Tokens

from pipelines.ner import schemes
from pipelines.ner.schemes import SCHEMES, Entity

random_tags = random.Random(4)


def draw(prefixes: str, types=("PER", "LOC"), longest=9) -> list[str]:
    known = ["O", *(f"{prefix}-{kind}" for prefix in prefixes for kind in types)]
    return random_tags.choices(known, k=random_tags.randint(0, longest))


def conlleval(tags: list[str]) -> set[Entity]:
    """The script's own rules, pair by pair, as its functions `startOfChunk` and `endOfChunk` list
    them for B, I, E, O. (The second lacks E before B, where a new chunk ends the old one.)"""
    starts = {("B", "B"), ("I", "B"), ("O", "B"), ("E", "B")}
    starts |= {("O", "I"), ("E", "E"), ("E", "I"), ("O", "E")}
    ends = {("B", "B"), ("B", "O"), ("I", "B"), ("I", "O"), ("E", "E"), ("E", "I"), ("E", "O")}
    found, begun = set(), None
    pairs = [tag.split("-", 1) if tag != "O" else ["O", ""] for tag in tags] + [["O", ""]]
    before, kind_before = "O", ""
    for place, (prefix, kind) in enumerate(pairs):
        new_kind = kind != kind_before
        new = prefix != "O" and ((before, prefix) in starts or new_kind)
        over = before != "O" and ((before, prefix) in ends or new_kind)
        if begun is not None and (over or new):
            found.add(Entity(kind_before, begun, place))
            begun = None
        if new:
            begun = place
        before, kind_before = prefix, kind
    return found


def test_lenient_is_conlleval():
    """Scores that are compared with published ones are counted as those were."""
    for _ in range(3000):
        tags = draw("BI" if random_tags.random() < 0.5 else "BIE")
        assert set(schemes.lenient_entities(tags)) == conlleval(tags), tags


@pytest.mark.parametrize("prefixes", ["BI", "BIES"])
def test_lenient_is_seqeval_by_default(prefixes):
    """Whoever scores our predictions with seqeval gets our figures."""
    for _ in range(3000):
        tags = draw(prefixes)
        theirs = {Entity(kind, start, end + 1) for kind, start, end in get_entities(tags)}
        assert set(schemes.lenient_entities(tags)) == theirs, tags


@pytest.mark.parametrize(("scheme", "theirs"), [("iob2", IOB2), ("iobes", IOBES)])
def test_strict_is_seqeval_in_strict_mode(scheme, theirs):
    """Also of tags that break the rules."""
    for _ in range(3000):
        tags = draw(SCHEMES[scheme])
        found = {Entity(e.tag, e.start, e.end) for e in Tokens(tags, theirs).entities}
        assert set(schemes.strict_entities(tags, scheme)) == found, tags


def test_strict_iob1_is_seqeval_where_tags_are_valid():
    """(Of a B after O, seqeval 1.2.2 drops the B and keeps what follows it.)"""
    seen = 0
    while seen < 500:
        tags = draw("BI")
        if not [*schemes.violations(tags, "iob1")]:
            found = {Entity(e.tag, e.start, e.end) for e in Tokens(tags, IOB1).entities}
            assert set(schemes.strict_entities(tags, "iob1")) == found, tags
            seen += bool(found)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_rules_allow_exactly_what_the_scheme_can_write(scheme):
    """Every sequence up to four tags: no violations if and only if it is the spelling of its
    entities. So a file is recognised by proof, and the CRF's constraints lose nothing."""
    known = ["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in "XY")]
    for length in range(5):
        for tags in itertools.product(known, repeat=length):
            written = schemes.convert(tags, scheme) == [*tags]
            assert written == (not [*schemes.violations(tags, scheme)]), tags


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("other", SCHEMES)
def test_conversion_keeps_every_entity(scheme, other):
    for _ in range(300):
        entities, place = [], 0
        while (place := place + random_tags.randint(0, 2)) < 10:
            end = place + random_tags.randint(1, 3)
            entities.append(Entity(random_tags.choice(["PER", "B-x"]), place, end))
            place = end
        tags = schemes.to_tags(entities, 14, scheme)
        assert schemes.lenient_entities(schemes.convert(tags, other)) == entities


def test_violations_name_the_token():
    (found,) = schemes.violations(["O", "B-PER", "O"], "iobes")
    assert found.token == 2
    assert found.reason == "iobes has I-PER or E-PER after B-PER. Received: O after B-PER"
    (found,) = schemes.violations(["I-PER", "B-PER", "O", "B-LOC"], "iob1")
    assert found.token == 3
    (found,) = schemes.violations(["S-PER", "B-LOC"], "iobes")
    assert found.token == 1
    assert found.reason.endswith("Received: the end of the sentence after B-LOC")
