"""Variants of a VCF file: what the model says of the reference, and of each alternative."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.dna.alphabets import ALPHABETS
from pipelines.dna.bed import chromosomes, strange
from pipelines.dna.fasta import Entry, open_file
from pipelines.dna.scoring import ROWS, Scorer, score_all
from pipelines.errors import UserError
from pipelines.task import Dropped


@dataclass(frozen=True)
class Variant:
    """One alternative of a line."""

    place: str  # file:line
    chromosome: str
    position: int  # of the first letter of the reference, from 1
    name: str
    reference: str
    alternative: str


def read_vcf(path: Path, alphabet: str) -> Iterator[Variant | str]:
    """The variants, an alternative each; a string says what a line has instead.

    Raises:
        UserError: the file is no VCF.
    """
    letters = set(ALPHABETS[alphabet].symbols)
    with open_file(path) as (file, _):
        for number, line in enumerate(file, 1):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if number == 1 and not text.startswith("##fileformat=VCF"):
                raise UserError(
                    f"{path}:1: expected VCF, whose first line is ##fileformat=VCFv4.x. Received: "
                    f"{text[:40]!r}."
                )
            if not text or text.startswith("#"):
                continue
            yield from _line(f"{path}:{number}", text, letters)


def _line(place: str, text: str, letters: set[str]) -> Iterator[Variant | str]:
    cells = text.split("\t")
    if len(cells) < 5 or not cells[1].isdecimal() or int(cells[1]) < 1:
        yield f"left out: {place}: expected CHROM, POS, ID, REF, ALT between tabs: {text[:60]!r}"
        return
    chromosome, position, name, reference, alternatives = cells[:5]
    for alternative in alternatives.upper().split(","):
        if alternative == ".":
            continue
        if not set(reference.upper() + alternative) <= letters or not reference:
            yield f"left out: {place}: {alternative} for {reference} is no change of letters"
            continue
        yield Variant(place, chromosome, int(position), name, reference.upper(), alternative)


def score_variants(
    vcf: Path, genome: Path, score: Scorer, alphabet: str, labels: list[str], window: int
) -> Iterator[dict[str, Any] | str]:
    """An answer a variant, chromosome by chromosome of the genome; notes for the user are strings.

    Both alleles are seen in the same window, as near to its middle as the chromosome allows; after
    an insertion or deletion the window's end moves, so that both have `window` letters.

    Args:
        vcf: file of variants.
        genome: FASTA file they refer to.
        score: see `pipelines.dna.scoring.scorer`.
        alphabet: of the genome.
        labels: of the model.
        window: letters.
    """
    wanted: dict[str, list[Variant]] = {}
    for variant in read_vcf(vcf, alphabet):
        if isinstance(variant, str):
            yield variant
        else:
            wanted.setdefault(variant.chromosome, []).append(variant)
    names: list[str] = []
    for entry in chromosomes(genome):
        if isinstance(entry, Dropped):
            yield f"left out: {entry.place}: {entry.reason}"
            continue
        names.append(entry.header.name)
        variants = iter(wanted.pop(entry.header.name, []))
        while some := list(itertools.islice(variants, ROWS // 2)):
            yield from _score(some, entry, score, alphabet, labels, window)
    for name, variants_there in wanted.items():
        place = variants_there[0].place
        has = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        yield (
            f"left out: {place}: {len(variants_there)} variants on {name}, which {genome.name} "
            f"does not have. It has {has}"
        )


def _score(
    variants: list[Variant],
    entry: Entry,
    score: Scorer,
    alphabet: str,
    labels: list[str],
    window: int,
) -> Iterator[dict[str, Any] | str]:
    pairs: list[str] = []
    kept: list[Variant] = []
    for variant in variants:
        alleles = windows(variant, entry.letters, window)
        if isinstance(alleles, str):
            yield f"left out: {variant.place}: {alleles}"
        elif strange(alleles[0], 0, alphabet) is not None:
            yield f"left out: {variant.place}: a letter outside of {alphabet} lies in its window"
        else:
            pairs += alleles
            kept.append(variant)
    answers = score_all(score, pairs)
    for variant in kept:
        before, after = next(answers), next(answers)
        change = after - before
        strongest = int(np.abs(change).argmax())
        yield {
            "chromosome": variant.chromosome,
            "position": variant.position,
            "id": variant.name,
            "reference": variant.reference,
            "alternative": variant.alternative,
            "reference_label": labels[int(before.argmax())],
            "alternative_label": labels[int(after.argmax())],
            "strongest_label": labels[strongest],
            "strongest_change": float(change[strongest]),
            **{f"reference_{name}": float(p) for name, p in zip(labels, before, strict=True)},
            **{f"alternative_{name}": float(p) for name, p in zip(labels, after, strict=True)},
        }


def windows(variant: Variant, letters: str, window: int) -> tuple[str, str] | str:
    """The two alleles in `window` letters of their chromosome, or why that cannot be."""
    start, reference, alternative = variant.position - 1, variant.reference, variant.alternative
    there = letters[start : start + len(reference)]
    if there != reference:
        return (
            f"REF is {reference[:20]}, but the genome has {there[:20] or 'no letters'} at "
            f"{variant.chromosome}:{variant.position}; is it another assembly?"
        )
    longest = max(len(reference), len(alternative))
    total = len(letters) + len(alternative) - len(reference)
    if longest > window or min(len(letters), total) < window:
        return f"the change or the chromosome does not fit the window of {window} letters"
    changed = letters[max(0, start - window) : start] + alternative
    changed += letters[start + len(reference) : start + len(reference) + window]
    before = start - max(0, start - window)  # letters kept in front
    original = letters[max(0, start - window) : start + len(reference) + window]
    begin = before - (window - len(reference)) // 2
    begin = max(0, min(begin, len(original) - window, len(changed) - window))
    return original[begin : begin + window], changed[begin : begin + window]
