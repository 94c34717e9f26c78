"""Letters, their codes and vectors, the opposite strand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.dna.alphabets import ALPHABETS
from pipelines.dna.encoding import LetterVectors, codes_of_bytes, reverse_complement_codes

DNA = ALPHABETS["dna"]
IUPAC = {  # the nomenclature, written out once more by hand
    "A": (1, 0, 0, 0),
    "C": (0, 1, 0, 0),
    "G": (0, 0, 1, 0),
    "T": (0, 0, 0, 1),
    "R": (1 / 2, 0, 1 / 2, 0),
    "Y": (0, 1 / 2, 0, 1 / 2),
    "S": (0, 1 / 2, 1 / 2, 0),
    "W": (1 / 2, 0, 0, 1 / 2),
    "K": (0, 0, 1 / 2, 1 / 2),
    "M": (1 / 2, 1 / 2, 0, 0),
    "B": (0, 1 / 3, 1 / 3, 1 / 3),
    "D": (1 / 3, 0, 1 / 3, 1 / 3),
    "H": (1 / 3, 1 / 3, 0, 1 / 3),
    "V": (1 / 3, 1 / 3, 1 / 3, 0),
    "N": (1 / 4, 1 / 4, 1 / 4, 1 / 4),
}


def bytes_of(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_the_graph_encodes_every_letter_as_the_nomenclature_says(case):
    """An ambiguous letter read as another one would be a wrong sequence, without a word."""
    letters = case("".join(IUPAC))
    codes = codes_of_bytes(bytes_of(letters)[None], "dna")
    np.testing.assert_allclose(LetterVectors("dna")(codes)[0], list(IUPAC.values()), atol=1e-7)


def test_the_other_habit_leaves_ambiguous_letters_out():
    codes = codes_of_bytes(bytes_of("ARN")[None], "dna")
    zeros = LetterVectors("dna", "zeros")(codes)[0]
    np.testing.assert_array_equal(zeros, [[1, 0, 0, 0], [0] * 4, [0] * 4])


def test_rna_has_u_and_proteins_have_twenty_letters():
    assert ALPHABETS["rna"].reverse_complement("AUGR") == "YCAU"
    assert ALPHABETS["protein"].vectors().shape == (1 + 26, 20)
    vectors = ALPHABETS["protein"].vectors()
    np.testing.assert_allclose(vectors[1:].sum(1), 1, atol=1e-6)


@given(st.text("".join(IUPAC), max_size=30))
def test_the_reverse_complement_of_the_reverse_complement(sequence):
    """Both strands are one sequence: turned twice it is itself, with one canonical form."""
    other = DNA.reverse_complement(sequence)
    assert DNA.reverse_complement(other) == sequence
    assert DNA.canonical(sequence) == DNA.canonical(other)


def test_a_letter_means_the_same_on_both_strands():
    """Complementing R (A or G) must give what pairs with A or G, Y: with any letter left as it is,
    a model of both strands would learn from wrong sequences."""
    pairs = np.array([[0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]])
    vectors = DNA.vectors()
    np.testing.assert_allclose(vectors[DNA.complement_codes], vectors @ pairs, atol=1e-7)


def test_padding_stays_at_the_end_of_the_opposite_strand():
    codes = np.zeros((2, 6), np.int32)
    codes[0, :4], codes[1] = DNA.codes[bytes_of("AACG")], DNA.codes[bytes_of("ACGTRN")]
    found = reverse_complement_codes(codes, "dna").numpy()
    assert found[0].tolist() == [*DNA.codes[bytes_of("CGTT")], 0, 0]
    assert found[1].tolist() == DNA.codes[bytes_of("NYACGT")].tolist()


@pytest.mark.parametrize("kmer", [2, 3])
def test_kmers_are_counted_by_hand(kmer):
    """Every k-mer has its own number, an ambiguous one a share of each that it may be."""
    sequence = "ACGTRAC"
    codes = codes_of_bytes(bytes_of(sequence)[None], "dna")
    found = LetterVectors("dna", kmer=kmer)(codes)[0].numpy()
    assert found.shape == (len(sequence), 4**kmer)
    names = ["".join(letters) for letters in itertools.product("ACGT", repeat=kmer)]
    for start in range(len(sequence)):
        window = sequence[start : start + kmer]
        expected = np.zeros(4**kmer)
        if len(window) == kmer:
            for k, name in enumerate(names):
                expected[k] = np.prod(
                    [IUPAC[a]["ACGT".index(b)] for a, b in zip(window, name, strict=True)]
                )
        np.testing.assert_allclose(found[start], expected, atol=1e-6)


def test_the_first_stranger_is_found():
    assert DNA.stranger("ACGTXACZ") == 4
    assert DNA.stranger("ACGTN") is None
    assert DNA.stranger("AC\u20acG") == 2
