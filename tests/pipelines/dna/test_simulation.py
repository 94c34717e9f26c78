"""Simulated sites: their frequencies, and the best possible answer."""

from __future__ import annotations

import numpy as np

from pipelines.dna import simulation
from pipelines.dna.simulation import ACCEPTOR, BACKGROUND, DONOR, LABELS, PLACES


def test_sites_have_the_published_frequencies():
    """A wrong column would make another problem than the one that is cited."""
    records = simulation.simulate(9000, 60, seed=3)
    assert [record.label for record in records[:4]] == ["acceptor", "decoy", "donor", "acceptor"]
    middle = simulation.first_place(60) + PLACES // 2
    donors = np.array([list(r.letters) for r in records if r.label == "donor"])
    gt = (donors[:, middle] == "G") & (donors[:, middle + 1] == "T")
    by_chance = BACKGROUND[2] * BACKGROUND[3]
    assert gt.mean() > 1 / PLACES
    assert abs(gt.mean() - (1 + (PLACES - 1) * by_chance) / PLACES) < 0.02


def by_hand(letters: str, motif: tuple, place: int, before: int) -> float:
    """p(letters | motif at place), one letter after the other."""
    total = 1.0
    for position, letter in enumerate(letters):
        column = position - (place - before)
        k = "ACGT".index(letter)
        inside = 0 <= column < len(motif)
        total *= motif[column][k] / sum(motif[column]) if inside else BACKGROUND[k]
    return total


def test_the_best_answer_is_bayes_rule_by_hand():
    """The share of the optimum that a run prints stands and falls with it."""
    records = simulation.simulate(12, 45, seed=1)
    found = simulation.best_answers(records, LABELS)
    for record, answer in zip(records, found, strict=True):
        likelihoods = []
        for label in LABELS:
            over = [
                by_hand(record.letters, motif, simulation.first_place(45) + k, before)
                for motif, before in simulation.MOTIFS[label]
                for k in range(PLACES)
            ]
            likelihoods.append(np.mean(over))
        np.testing.assert_allclose(answer, np.array(likelihoods) / np.sum(likelihoods), rtol=1e-9)


def test_the_best_answer_is_calibrated():
    """Of the sequences that are called donors with 70 %, 70 % are donors."""
    records = simulation.simulate(6000, 50, seed=2)
    donor = np.array(simulation.best_answers(records, LABELS))[:, LABELS.index("donor")]
    truth = np.array([record.label == "donor" for record in records])
    for low in (0.1, 0.4, 0.7):
        chosen = (donor >= low) & (donor < low + 0.2)
        error = 3 * (0.25 / chosen.sum()) ** 0.5
        assert abs(donor[chosen].mean() - truth[chosen].mean()) < error


def test_the_best_answer_for_letters_is_the_sum_over_places():
    records = simulation.simulate(9, 45, seed=4, per_base=True)
    labels = ["exon", "intron", "none"]
    assert set(records[0].labels) == {"intron", "exon"}
    assert set(records[1].labels) == {"none"}
    assert records[2].labels[0] == "exon"
    found = simulation.best_answers(records, labels)
    whole = simulation.simulate(9, 45, seed=4)
    of_sequence = simulation.best_answers(whole, LABELS)
    for letters, sequence in zip(found, of_sequence, strict=True):
        np.testing.assert_allclose(letters.sum(1), 1)
        np.testing.assert_allclose(letters[0, 2], sequence[LABELS.index("decoy")])
        np.testing.assert_allclose(letters[0, 0], sequence[LABELS.index("donor")])
        np.testing.assert_allclose(letters[-1, 0], sequence[LABELS.index("acceptor")])


def test_tables_are_percentages():
    for row in (*DONOR, *ACCEPTOR):
        assert 95 <= sum(row) <= 105
