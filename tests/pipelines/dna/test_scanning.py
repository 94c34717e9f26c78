"""Scanning, tracks, mutagenesis, variants: each against the same done one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipelines.dna import mutagenesis, scanning, scoring, tracks, variants
from pipelines.dna.fasta import Header, Letters, read_pieces
from pipelines.dna.scoring import score_all, scorer
from pipelines.errors import UserError
from tests.pipelines.dna.test_model import random_model


@pytest.fixture(scope="module")
def score():
    return scorer(random_model())


@pytest.fixture(scope="module")
def score_letters():
    return scorer(random_model(per_base=True))


def draw(length: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


def in_pieces(*sequences: str, size: int = 17):
    for k, sequence in enumerate(sequences):
        yield Header(f"chr{k} something", 1)
        for start in range(0, len(sequence), size):
            yield Letters(sequence[start : start + size], 2, start + 1)


@pytest.mark.parametrize(("window", "step"), [(10, 1), (11, 3), (10, 10), (12, 12)])
def test_a_scan_is_every_window_by_itself(score, window, step, monkeypatch):
    """Nothing is lost or doubled where parts of a chromosome, or batches of windows, meet."""
    monkeypatch.setattr(scanning, "ROWS", 7)
    sequences = draw(103), draw(window, 1), draw(60, 2)
    rows = list(scanning.scan(in_pieces(*sequences), score, window, step))
    expected = [
        (f"chr{k}", start, sequence[start : start + window])
        for k, sequence in enumerate(sequences)
        for start in range(0, len(sequence) - window + 1, step)
    ]
    assert [(row.name, *row.window) for row in rows] == [
        (name, start, start + window) for name, start, _ in expected
    ]
    alone = list(score_all(score, (text for *_, text in expected)))
    np.testing.assert_allclose([row.probabilities for row in rows], alone, atol=1e-5)
    for first, second in itertools.pairwise(rows):
        if first.name == second.name:
            assert first.end == second.start  # no gap, no overlap
    for row in rows:
        assert row.end - row.start == step
        assert abs((row.start + row.end) - sum(row.window)) <= 1  # the middle of its window


def test_memory_does_not_grow_with_the_chromosome(score):
    """Letters are asked for as they are needed, and forgotten."""
    taken = 0

    def endless():
        nonlocal taken
        yield Header("chr1", 1)
        while True:
            taken += 1
            yield Letters("ACGT" * 256, 1, 1)

    rows = scanning.scan(endless(), score, 16, 4)
    for _ in range(2000):
        next(rows)
    assert taken < 12


@pytest.mark.parametrize("length", [5, 16, 40, 97])
def test_letters_are_answered_once_each(length, score_letters, monkeypatch):
    monkeypatch.setattr(scanning, "ROWS", 3)
    score = score_letters
    sequence = draw(length)
    rows = list(scanning.scan(in_pieces(sequence), score, 16, 1, per_base=True))
    assert [(row.start, row.end) for row in rows] == [(k, k + 1) for k in range(length)]
    for row in rows:
        low, high = row.window
        (alone,) = score_all(score, [sequence[low:high]])
        np.testing.assert_allclose(row.probabilities, alone[row.start - low], atol=1e-5)
        assert row.start - low >= 4 or low == 0
        assert high - row.end >= 4 or high == length


def test_a_wrong_letter_costs_no_chromosome(score, write):
    path = write("g.fa", ">chr1\nACGTACGT\nACGZACGT\n>chr2\nAC\n")
    rows = list(
        scanning.scan(scanning.repaired(read_pieces(path), path, "dna"), score, 8, 1, place="g.fa")
    )
    assert sum(not isinstance(row, str) for row in rows) == 9
    notes = [row for row in rows if isinstance(row, str)]
    assert "g.fa:3:4: 'Z' is no letter" in notes[0]
    assert "read as N" in notes[0]
    assert notes[1] == "left out: g.fa:4: 2 letters, fewer than the window of 8"


def test_progress_is_told_now_and_then(write, monkeypatch):
    """The share of the file on disk that is read, and what the rest will take at that pace."""
    path, clock = write("g.fa", "x" * 1000), iter((0, 5, 16, 20, 40))
    monkeypatch.setattr(scanning.time, "monotonic", lambda: float(next(clock)))
    position = iter((250, 500))
    rows = scanning.with_progress("abcd", path, lambda: next(position))
    assert list(rows) == [
        *("a", "b", "g.fa: 25% scanned, about 48 s left"),
        *("c", "d", "g.fa: 50% scanned, about 40 s left"),
    ]


def test_a_batch_of_long_sequences_is_a_small_one(score, monkeypatch):
    """Memory is bounded by letters: 256 sequences as long as the longest need not fit."""
    sequences = [draw(length, length) for length in (9, 30, 40, 8, 8, 8, 8)]
    alone = [next(score_all(score, [sequence])) for sequence in sequences]
    shapes = []
    monkeypatch.setattr(scoring, "LETTERS", 60)
    found = score_all(lambda rows: shapes.append(rows.shape) or score(rows), sequences)
    np.testing.assert_allclose(list(found), alone, atol=1e-5)
    assert shapes == [(2, 30), (1, 40), (4, 8)]


# --- tracks --------------------------------------------------------------------------------------


def places(*rows):
    for chromosome, start, end, call, probability in rows:
        yield {
            "chromosome": chromosome,
            "start": start,
            "end": end,
            "call": call,
            "probability": probability,
            "p_donor": probability,
            "p_decoy": 1 - probability,
        }


ROWS = [
    ("1", 0, 2, "donor", 0.75),
    ("1", 2, 4, "donor", 0.875),
    ("1", 4, 6, None, 0.25),
    ("1", 6, 8, "donor", 0.5),
    ("2", 8, 10, "donor", 0.5),
    ("2", 10, 12, "donor", 0.5),
]


def test_bed_joins_neighbours_with_one_call(tmp_path):
    tracks.write_bed(places(*ROWS), tmp_path / "x.bed")
    assert (tmp_path / "x.bed").read_text().splitlines() == [
        "1\t0\t4\tdonor\t875\t.",
        "1\t6\t8\tdonor\t500\t.",
        "2\t8\t12\tdonor\t500\t.",
    ]


def test_bedgraph_has_a_track_a_label(tmp_path):
    tracks.write_bedgraph(places(*ROWS), tmp_path / "x.bedgraph")
    lines = (tmp_path / "x.bedgraph").read_text().splitlines()
    decoy = lines.index('track type=bedGraph name="decoy" viewLimits=0:1')
    assert lines[0] == 'track type=bedGraph name="donor" viewLimits=0:1'
    assert lines[1:decoy] == [
        "1\t0\t2\t0.75",
        "1\t2\t4\t0.875",
        "1\t4\t6\t0.25",
        "1\t6\t8\t0.5",
        "2\t8\t12\t0.5",
    ]
    assert lines[decoy + 1] == "1\t0\t2\t0.25"


@pytest.mark.parametrize("writer", [tracks.write_bed, tracks.write_bedgraph])
def test_tracks_need_places(writer, tmp_path):
    with pytest.raises(UserError, match="needs places on sequences"):
        writer([{"name": "x", "call": None}], tmp_path / "x")


# --- single changes ------------------------------------------------------------------------------


def test_effects_are_the_changes_one_by_one(score):
    sequence, letters, target = draw(9) + "N", "ACGT", 1
    found = mutagenesis.effects(score, sequence, letters, target)

    def log_odds(text: str) -> float:
        (probabilities,) = score_all(score, [text])
        return float(np.log(probabilities[target]) - np.log(1 - probabilities[target]))

    for place, k in itertools.product(range(10), range(4)):
        changed = sequence[:place] + letters[k] + sequence[place + 1 :]
        assert found[place, k] == pytest.approx(log_odds(changed) - log_odds(sequence), abs=1e-4)
    heights = mutagenesis.importance(sequence, found, letters)
    first = letters.index(sequence[0])
    assert heights[0, first] == pytest.approx(-np.delete(found[0], first).mean())
    assert np.count_nonzero(heights) == 9  # the ambiguous letter has no height


def test_a_picture_and_an_answer_a_sequence(score, tmp_path):
    from pipelines.dna.sequences import BioSequence

    records = [BioSequence("a/b: c", draw(12)), BioSequence("d", draw(12, 1))]
    names = ["x", "y", "z"]
    answers = list(mutagenesis.explain(records, score, "dna", names, "y", tmp_path / "m"))
    assert [answer["target"] for answer in answers] == ["y", "y"]
    assert len(list((tmp_path / "m").glob("*.png"))) == 2
    with pytest.raises(UserError, match="at most 1000 letters"):
        list(
            mutagenesis.explain([BioSequence("e", "A" * 1001)], score, "dna", names, None, tmp_path)
        )


# --- variants ------------------------------------------------------------------------------------

VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def test_variants_are_seen_in_the_same_window(score, write):
    chromosome = draw(60, 5)
    genome = write("g.fa", f">chr1\n{chromosome[:30]}\n{chromosome[30:]}\n")
    reference = chromosome[29]
    other = "A" if reference != "A" else "C"
    rows = [
        f"chr1\t30\trs1\t{reference}\t{other},{reference}TT\t.\t.\t.",
        f"chr1\t1\t.\t{chromosome[:3].lower()}\t{chromosome[0]}\t.\t.\t.",
        f"chr1\t31\t.\t{'A' if chromosome[30] != 'A' else 'C'}\tG\t.\t.\t.",
        "chr1\t40\t.\tA\t<DEL>\t.\t.\t.",
        "chr7\t40\t.\tA\tG\t.\t.\t.",
        "chr1\tx\t.\tA\tG\t.\t.\t.",
        "chr1\t99\t.\tA\tG\t.\t.\t.",
    ]
    vcf = write("v.vcf", VCF + "\n".join(rows) + "\n")
    found = list(variants.score_variants(vcf, genome, score, "dna", ["a", "b", "c"], window=11))
    answers = [row for row in found if not isinstance(row, str)]
    notes = [row for row in found if isinstance(row, str)]
    expected = [  # reference and alternative in 11 letters, written out
        (chromosome[24:35], chromosome[24:29] + other + chromosome[30:35]),
        (chromosome[24:35], chromosome[24:30] + "TT" + chromosome[30:33]),
        (chromosome[:11], chromosome[0] + chromosome[3:13]),
    ]
    for answer, pair in zip(answers, expected, strict=True):
        before, after = score_all(score, pair)
        assert answer["reference_a"] == pytest.approx(float(before[0]), abs=1e-5)
        assert answer["alternative_c"] == pytest.approx(float(after[2]), abs=1e-5)
        most = int(np.abs(after - before).argmax())
        assert answer["strongest_change"] == pytest.approx(float((after - before)[most]), abs=1e-5)
    said = " ".join(notes)
    assert "v.vcf:5: REF is" in said
    assert "is it another assembly?" in said
    assert "<DEL> for A is no change of letters" in said
    assert "1 variants on chr7, which g.fa does not have" in said
    assert "v.vcf:8: expected CHROM, POS" in said
    assert "the genome has no letters at chr1:99" in said


def test_variants_near_the_ends_stay_inside():
    letters = draw(20)
    for position in range(1, 21):
        reference = letters[position - 1]
        variant = variants.Variant("v:1", "c", position, ".", reference, "ACG")
        before, after = variants.windows(variant, letters, 15)
        changed = letters[: position - 1] + "ACG" + letters[position:]
        start = letters.index(before)
        assert start <= position - 1 < start + 15
        assert after == changed[start : start + 15]


def test_what_is_no_vcf_is_told(write):
    with pytest.raises(UserError, match=r"v\.vcf:1: expected VCF"):
        list(variants.read_vcf(write("v.vcf", "chr1\t1\t.\tA\tG\n"), "dna"))
