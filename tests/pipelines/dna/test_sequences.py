"""Groups that never straddle a split, and shuffles that keep their dinucleotides."""

from __future__ import annotations

import collections
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.dna.alphabets import ALPHABETS
from pipelines.dna.sequences import BioSequence, with_groups
from pipelines.dna.shuffles import dinucleotide_shuffle

DNA = ALPHABETS["dna"]


def groups(*records: BioSequence) -> list[str]:
    return [record.group for record in with_groups(records, DNA)]


def test_a_sequence_and_its_reverse_complement_are_one_group():
    """On two sides of a split they would be a test of memory."""
    same, turned, other = groups(
        BioSequence("a", "AACG"), BioSequence("b", "CGTT"), BioSequence("c", "AACC")
    )
    assert same == turned != other


def test_proteins_have_no_opposite_strand():
    records = [BioSequence("a", "ACD"), BioSequence("b", "DCA")]
    a, b = with_groups(records, ALPHABETS["protein"])
    assert a.group != b.group


def test_groups_are_joined_through_others():
    """The given group ties a to b, equal letters tie b to c: all three stay together."""
    a, b, c, d = groups(
        BioSequence("a", "AAAA", group="gene 1"),
        BioSequence("b", "ACGA", group="gene 1"),
        BioSequence("c", "TCGT", group="gene 2"),
        BioSequence("d", "CCCC", group="gene 3"),
    )
    assert a == b == c != d


def test_overlapping_places_are_one_group():
    def at(chromosome: str, start: int, end: int) -> BioSequence:
        letters = "ACGT" * int(chromosome) + "A" * start + "C" * end
        return BioSequence("x", letters, chromosome=chromosome, span=(start, end))

    a, b, c, d, e = groups(
        at("1", 0, 90), at("1", 10, 20), at("1", 30, 95), at("1", 95, 99), at("2", 0, 90)
    )
    assert a == b == c
    assert len({a, d, e}) == 3


def test_the_group_of_a_sequence_does_not_depend_on_the_others():
    """A record stays on its side whatever else is added."""
    alone = groups(BioSequence("a", "ACGGT"))
    beside = groups(BioSequence("b", "CCCC"), BioSequence("a", "ACGGT"))
    assert alone[0] == beside[1]


def pairs(sequence: str) -> collections.Counter:
    return collections.Counter(itertools.pairwise(sequence))


@settings(max_examples=60, deadline=None)
@given(st.text("ACGTN", max_size=60), st.integers(0, 2**31))
def test_shuffles_keep_every_dinucleotide(sequence, seed):
    """With other dinucleotides the shuffles would be told apart by their composition alone."""
    shuffled = dinucleotide_shuffle(sequence, np.random.default_rng(seed))
    assert pairs(shuffled) == pairs(sequence)
    assert shuffled[:1] == sequence[:1]
    assert shuffled[-1:] == sequence[-1:]


@pytest.mark.parametrize("sequence", ["AACAGATA", "ACAGTACA"])
def test_all_shuffles_are_equally_likely(sequence):
    """Shuffles that stay near the original would be too easy a class of negatives: every sequence
    with these dinucleotides, found by trying all orders, is drawn as often as any other."""
    possible = {
        "".join((sequence[0], *middle, sequence[-1]))
        for middle in itertools.permutations(sequence[1:-1])
        if pairs("".join((sequence[0], *middle, sequence[-1]))) == pairs(sequence)
    }
    assert len(possible) > 2
    random, draws = np.random.default_rng(0), 3000
    counts = collections.Counter(dinucleotide_shuffle(sequence, random) for _ in range(draws))
    assert set(counts) == possible
    expected = draws / len(possible)
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    degrees = len(possible) - 1
    assert chi_squared < degrees + 4 * (2 * degrees) ** 0.5
