"""Alphabets of sequences: letters, what ambiguous letters stand for, the opposite strand."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

PADDING = 0  # the code of what fills a batch; codes of letters follow
OTHER = 255  # the code of a byte that is no letter of the alphabet

_NUCLEOTIDES = {
    "R": "AG",
    "Y": "CT",
    "S": "CG",
    "W": "AT",
    "K": "GT",
    "M": "AC",
    "B": "CGT",
    "D": "AGT",
    "H": "ACT",
    "V": "ACG",
    "N": "ACGT",
}
_COMPLEMENT = dict(zip("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN", strict=True))
_AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"


@dataclass(frozen=True)
class Alphabet:
    """Letters and their codes: 0 is padding, then the letters, then the ambiguous ones.

    Args:
        name: of the alphabet.
        letters: those that a step of a sequence can be.
        ambiguous: the letters that each further one stands for.
        complement: the letter on the opposite strand; empty if there is none.

    Reference: A. Cornish-Bowden, Nomenclature for incompletely specified bases in nucleic acid
    sequences: recommendations 1984, Nucleic Acids Research 13, 1985.
    """

    name: str
    letters: str
    ambiguous: Mapping[str, str]
    complement: Mapping[str, str]

    @property
    def symbols(self) -> str:
        """All letters, the one at k having code k + 1."""
        return self.letters + "".join(self.ambiguous)

    @property
    def unknown(self) -> str:
        """The letter that may be any."""
        return next(s for s, meant in self.ambiguous.items() if len(meant) == len(self.letters))

    @functools.cached_property
    def codes(self) -> np.ndarray:
        """(256,) uint8: the code of each byte, lower case folded; `OTHER` if it is no letter."""
        table = np.full(256, OTHER, np.uint8)
        table[0] = PADDING
        for code, letter in enumerate(self.symbols, 1):
            table[ord(letter)] = table[ord(letter.lower())] = code
        return table

    def vectors(self, ambiguous: str = "mean") -> np.ndarray:
        """(codes, letters) float32: one-hot, an ambiguity code as the mean of what it stands for.

        Args:
            ambiguous: "mean", or "zeros" for rows of zeros.
        """
        table = np.zeros((1 + len(self.symbols), len(self.letters)), np.float32)
        for code, symbol in enumerate(self.symbols, 1):
            meant = self.ambiguous.get(symbol, symbol)
            if len(meant) == 1 or ambiguous == "mean":
                table[code, [self.letters.index(letter) for letter in meant]] = 1 / len(meant)
        return table

    @property
    def complement_codes(self) -> np.ndarray:
        """(codes,) the code on the opposite strand."""
        codes = [1 + self.symbols.index(self.complement[letter]) for letter in self.symbols]
        return np.array([PADDING, *codes])

    def reverse_complement(self, sequence: str) -> str:
        """The opposite strand, read in its own direction.

        >>> ALPHABETS["dna"].reverse_complement("AACGR")
        'YCGTT'
        """
        return sequence.translate({ord(a): b for a, b in self.complement.items()})[::-1]

    def canonical(self, sequence: str) -> str:
        """The same for a sequence and its reverse complement: the first of both in the alphabet."""
        return min(sequence, self.reverse_complement(sequence)) if self.complement else sequence

    def trimmed(self, sequence: str) -> str:
        """A protein without the `*` of the stop codon at its end; others as they are."""
        return sequence if self.complement else sequence.removesuffix("*")

    def stranger(self, sequence: str) -> int | None:
        """The place (from 0) of the first character that is no letter; None if all are."""
        text = np.frombuffer(sequence.encode("latin-1", "replace"), np.uint8)
        places = np.flatnonzero((self.codes[text] == OTHER) | (text == 0))
        return int(places[0]) if len(places) else None


def _rna(letters: str) -> str:
    return letters.replace("T", "U")


ALPHABETS: dict[str, Alphabet] = {
    "dna": Alphabet("dna", "ACGT", _NUCLEOTIDES, _COMPLEMENT),
    "rna": Alphabet(
        "rna",
        "ACGU",
        {symbol: _rna(meant) for symbol, meant in _NUCLEOTIDES.items()},
        {_rna(letter): _rna(other) for letter, other in _COMPLEMENT.items()},
    ),
    "protein": Alphabet(
        "protein",
        _AMINO_ACIDS,
        # U and O, selenocysteine and pyrrolysine, are read as what they are chemically next to.
        {"B": "DN", "Z": "EQ", "J": "IL", "X": _AMINO_ACIDS, "U": "C", "O": "K"},
        {},
    ),
}
