"""Tag schemes: how a tag a token spells the entities of a sentence.

A tag is `O`, outside of every entity, or a prefix and a type, `B-PER`. The schemes differ in the
prefixes of an entity's tokens:

    scheme  entity of one token  of more          beside one of its own type
    iob1    I                    I I ... I        its first token is B
    iob2    B                    B I ... I        the same
    iobes   S                    B I ... I E      the same

References: L. Ramshaw and M. Marcus, Text Chunking using Transformation-Based Learning, 1995
(iob1); E. Tjong Kim Sang and J. Veenstra, Representing Text Chunks, EACL 1999 (iob2); L. Ratinov
and D. Roth, Design Challenges and Misconceptions in Named Entity Recognition, CoNLL 2009 (iobes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

OUTSIDE = "O"
SCHEMES = {"iob1": "BI", "iob2": "BI", "iobes": "BIES"}  # and the prefixes of each
INSIDE = "iobes"  # what everything is converted to: each entity's last token is marked, which the
# transitions of a CRF can use
UNTYPED = "entity"  # the type of a tag that has only a prefix

_TAG = re.compile(r"O|[BIES](-.+)?")


class Entity(NamedTuple):
    """An entity of a sentence: the tokens `start` to `end`, `end` excluded."""

    type: str
    start: int
    end: int


class Violation(NamedTuple):
    """A tag that a scheme does not allow where it stands."""

    token: int
    reason: str


def is_tag(text: str) -> bool:
    """Whether a scheme could have written it: `O`, `B-PER`, or `B` alone.

    >>> [is_tag(text) for text in ("O", "E-LOC", "B", "NOUN")]
    [True, True, True, False]
    """
    return _TAG.fullmatch(text) is not None


def split_tag(tag: str) -> tuple[str, str]:
    """Prefix and type.

    >>> split_tag("B-creative-work"), split_tag("O")
    (('B', 'creative-work'), ('O', ''))
    """
    prefix, _, kind = tag.partition("-")
    return prefix, kind or ("" if prefix == OUTSIDE else UNTYPED)


# --- entities from tags --------------------------------------------------------------------------


def lenient_entities(tags: Sequence[str]) -> list[Entity]:
    """The entities of any tags, as the script `conlleval` reads them.

    An entity starts at a B or S, at any other tag after O, E, S or the sentence's start, and where
    the type changes; it ends before an O and before the next one.

    >>> lenient_entities(["I-PER", "I-LOC", "O", "B-LOC", "I-LOC"])
    [Entity(type='PER', start=0, end=1), Entity(type='LOC', start=1, end=2), \
Entity(type='LOC', start=3, end=5)]
    """
    found: list[Entity] = []
    before, kind_before = OUTSIDE, ""
    for place, tag in enumerate(tags):
        prefix, kind = split_tag(tag)
        if prefix != OUTSIDE:
            if prefix in "BS" or before in "OES" or kind != kind_before:
                found.append(Entity(kind, place, place + 1))
            else:
                found[-1] = found[-1]._replace(end=place + 1)
        before, kind_before = prefix, kind
    return found


def strict_entities(tags: Sequence[str], scheme: str = INSIDE) -> list[Entity]:
    """Of the entities that `lenient_entities` reads, those whose tags are the scheme's own.

    >>> strict_entities(["I-PER", "O", "B-LOC", "I-LOC"], "iob2")
    [Entity(type='LOC', start=2, end=4)]
    """
    found = lenient_entities(tags)
    spelled = to_tags(found, len(tags), scheme)
    return [e for e in found if [*tags[e.start : e.end]] == spelled[e.start : e.end]]


def to_tags(entities: Sequence[Entity], length: int, scheme: str = INSIDE) -> list[str]:
    """The tags of a sentence of so many tokens, from its entities in their order.

    >>> to_tags([Entity("PER", 0, 2), Entity("LOC", 3, 4)], 4, "iobes")
    ['B-PER', 'E-PER', 'O', 'S-LOC']
    """
    tags = [OUTSIDE] * length
    last = Entity("", 0, 0)
    for entity in entities:
        size = entity.end - entity.start
        prefixes = "I" * size
        if scheme == "iobes":
            prefixes = "S" if size == 1 else "B" + "I" * (size - 2) + "E"
        elif scheme == "iob2" or (last.end == entity.start and last.type == entity.type):
            prefixes = "B" + prefixes[1:]
        tags[entity.start : entity.end] = [f"{prefix}-{entity.type}" for prefix in prefixes]
        last = entity
    return tags


def convert(tags: Sequence[str], scheme: str) -> list[str]:
    """Tags of any scheme in another one; their entities stay the same."""
    return to_tags(lenient_entities(tags), len(tags), scheme)


def iob2(tag: str) -> str:
    """A tag of iobes as iob2 has it.

    >>> [iob2(tag) for tag in ("S-PER", "E-PER", "O")]
    ['B-PER', 'I-PER', 'O']
    """
    return {"S": "B", "E": "I"}.get(tag[0], tag[0]) + tag[1:]


# --- the rules of a scheme -----------------------------------------------------------------------


def refusal(scheme: str, before: str, tag: str) -> str | None:
    """Why `tag` may not follow the tag `before` in a scheme; None where it may.

    Both ends of a sentence count as O. Tags are valid if every pair of neighbours is.
    """
    prefix, kind = split_tag(tag)
    prefix_before, kind_before = split_tag(before)
    if prefix not in OUTSIDE + SCHEMES[scheme]:
        return f"has no prefix {prefix}"
    inside = prefix_before in "BI" and kind_before == kind
    if scheme == "iob1":
        return None if prefix != "B" or inside else f"has B-{kind} only beside another {kind}"
    if scheme == "iobes" and prefix_before in "BI" and not (inside and prefix in "IE"):
        return f"has I-{kind_before} or E-{kind_before} after {prefix_before}-{kind_before}"
    if prefix in "IE" and not inside:
        return f"has {prefix}-{kind} only after B-{kind} or I-{kind}"
    return None


def violations(tags: Sequence[str], scheme: str) -> Iterator[Violation]:
    """Every place where tags break the rules of a scheme.

    >>> [*violations(["O", "I-PER"], "iob2")]
    [Violation(token=1, reason='iob2 has I-PER only after B-PER or I-PER. Received: I-PER after O')]
    """
    for place, (before, tag) in enumerate(
        zip([OUTSIDE, *tags], [*tags, OUTSIDE], strict=True),
    ):
        reason = refusal(scheme, before, tag)
        if reason is not None:
            at_end = place == len(tags)
            what = "the end of the sentence" if at_end else tag
            where = "" if place == 0 else f" after {before}"
            yield Violation(
                min(place, len(tags) - 1), f"{scheme} {reason}. Received: {what}{where}"
            )
