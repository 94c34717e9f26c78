"""Simulated splice sites, and the best answer that anybody can give about them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.dna.alphabets import ALPHABETS
from pipelines.dna.sequences import BioSequence

LABELS = ("acceptor", "decoy", "donor")
PLACES = 21  # where the site may be: anywhere within ten letters of the middle
BACKGROUND = (0.295, 0.205, 0.205, 0.295)  # A C G T: 41 % of G and C, as in the human genome

# Percentages of A, C, G and T around primate splice sites. The rows are those of Shapiro and
# Senapathy (1987) as a public reimplementation of their score quotes them; the paper itself was
# not at hand. Not all rows add up to 100, so they are divided by their sums.
DONOR = (  # from 3 letters before the cut to 6 after it; the intron begins with GT
    (32, 37, 19, 12),
    (58, 13, 15, 15),
    (10, 4, 78, 8),
    (0, 0, 100, 0),
    (0, 0, 0, 100),
    (57, 2, 39, 2),
    (71, 8, 12, 9),
    (5, 6, 87, 5),
    (16, 15, 22, 47),
)
ACCEPTOR = (  # from 14 letters before the cut to 1 after it; the intron ends with AG
    (9, 31, 15, 45),
    (9, 33, 13, 45),
    (7, 31, 11, 51),
    (7, 35, 7, 51),
    (10, 35, 7, 47),
    (10, 35, 11, 44),
    (7, 43, 7, 42),
    (9, 41, 8, 42),
    (6, 39, 6, 48),
    (6, 40, 8, 46),
    (23, 29, 23, 27),
    (3, 74, 1, 22),
    (100, 0, 0, 0),
    (0, 0, 100, 0),
    (28, 12, 49, 10),
)
_GT, _AG = ((0, 0, 100, 0), (0, 0, 0, 100)), ((100, 0, 0, 0), (0, 0, 100, 0))

# Motifs of a label with the letters they have before the GT or AG, each equally likely. A decoy has
# the two letters that never change, and background around them.
MOTIFS: dict[str, tuple[tuple[tuple[tuple[int, ...], ...], int], ...]] = {
    "acceptor": ((ACCEPTOR, 12),),
    "decoy": ((_GT, 0), (_AG, 0)),
    "donor": ((DONOR, 3),),
}


def simulate(count: int, length: int, seed: int, per_base: bool = False) -> list[BioSequence]:
    """Donor and acceptor sites and decoys, in turn.

        place   ~ one of the 21 letters around the middle
        letters ~ the motif's frequencies at the place, the background's elsewhere

    The place is not told, so that a table of frequencies a position sees the motif blurred, and a
    model has to find it.

    Args:
        count: int, sequences.
        length: int, letters of each.
        seed: int, fixes all draws.
        per_base: bool, a label for every letter: `exon`, `intron` or, in a decoy, `none`.

    Reference: M. Shapiro and P. Senapathy, RNA splice junctions of different classes of eukaryotes:
    sequence statistics and functional implications in gene expression, Nucleic Acids Research 15,
    1987, for the frequencies.
    """
    random = np.random.default_rng((seed, 0xD0A))
    drawn = _draw(random, [BACKGROUND], (count, length))
    labels = np.arange(count) % len(LABELS)
    places = first_place(length) + random.integers(PLACES, size=count)
    choices = random.random(count)
    for number, label in enumerate(LABELS):
        motifs = MOTIFS[label]
        for k, (motif, before) in enumerate(motifs):
            rows = np.flatnonzero((labels == number) & ((choices * len(motifs)).astype(int) == k))
            columns = places[rows, None] - before + np.arange(len(motif))
            drawn[rows[:, None], columns] = _draw(random, motif, (len(rows), len(motif)))
    letters = np.frombuffer(ALPHABETS["dna"].letters.encode(), np.uint8)[drawn]
    return [
        BioSequence(
            name=f"simulated {k + 1}",
            letters=letters[k].tobytes().decode(),
            label=None if per_base else LABELS[labels[k]],
            labels=_regions(LABELS[labels[k]], int(places[k]), length) if per_base else None,
            simulated=True,
        )
        for k in range(count)
    ]


def _draw(random: np.random.Generator, frequencies: object, shape: tuple[int, int]) -> np.ndarray:
    """Letters from 0 to 3, each column by its own row of `frequencies`, or all by the only one."""
    cumulated = np.cumsum(np.asarray(frequencies, np.float64), axis=1)
    thresholds = cumulated[:, :3] / cumulated[:, 3:]
    return (random.random(shape)[..., None] >= thresholds).sum(-1)


def first_place(length: int) -> int:
    """The first letter at which the GT or AG of a site may begin."""
    return (length - PLACES) // 2


def _regions(label: str, place: int, length: int) -> tuple[str, ...]:
    if label == "decoy":
        return ("none",) * length
    if label == "donor":
        return ("exon",) * place + ("intron",) * (length - place)
    return ("intron",) * (place + 2) + ("exon",) * (length - place - 2)


def log_likelihoods(records: Sequence[BioSequence]) -> np.ndarray:
    """(sequences, motifs, places): log p(letters, place | motif) - log p(letters | background) of
    sequences of one length, motifs in the order of `MOTIFS`."""
    letters = np.array([np.frombuffer(r.letters.encode(), np.uint8) for r in records])
    codes = ALPHABETS["dna"].codes[letters].astype(np.intp) - 1
    begin = first_place(letters.shape[1])
    found = []
    for motif, before in (motif for motifs in MOTIFS.values() for motif in motifs):
        percent = np.array(motif, np.float64)
        with np.errstate(divide="ignore"):
            ratios = np.log(percent / percent.sum(1, keepdims=True) / np.array(BACKGROUND))
        scores = np.zeros((len(records), PLACES))
        for column, ratio in enumerate(ratios):
            start = begin - before + column
            scores += ratio[codes[:, start : start + PLACES]]
        found.append(scores - np.log(PLACES))
    return np.stack(found, axis=1)


def joint(records: Sequence[BioSequence]) -> np.ndarray:
    """(sequences, motifs, places): p(motif, place | letters), labels being equally likely."""
    priors = np.concatenate([[1 / len(motifs)] * len(motifs) for motifs in MOTIFS.values()])
    logs = log_likelihoods(records) + np.log(priors)[:, None]
    return np.exp(logs - np.logaddexp.reduce(logs, axis=(1, 2), keepdims=True))


def best_answers(records: Sequence[BioSequence], labels: Sequence[str]) -> list[np.ndarray]:
    """What a model that knows the simulation would answer: p(label | letters), (labels,) a
    sequence, or (T, labels) where letters have labels. No model can do better on average.

    Args:
        records: simulated sequences.
        labels: in the order of the answers.
    """
    found: list[np.ndarray] = [np.empty(0)] * len(records)
    by_length: dict[int, list[int]] = {}
    for k, record in enumerate(records):
        by_length.setdefault(len(record.letters), []).append(k)
    of_motif = [label for label, motifs in MOTIFS.items() for _ in motifs]
    for length, rows in by_length.items():
        known = joint([records[k] for k in rows])
        if records[0].labels is None:
            answers = np.zeros((len(rows), len(labels)))
            for column, label in enumerate(of_motif):
                answers[:, labels.index(label)] += known[:, column].sum(1)
        else:
            answers = np.zeros((len(rows), length, len(labels)))
            begin = first_place(length)
            for column, label in enumerate(of_motif):
                for k in range(PLACES):
                    regions = [labels.index(name) for name in _regions(label, begin + k, length)]
                    answers[:, np.arange(length), regions] += known[:, column, k, None]
        for k, answer in zip(rows, answers, strict=True):
            found[k] = answer
    return found
