"""The task as a user meets it: scores beside the best possible, predictions, what is served."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from pipelines.cli import main
from pipelines.dna import serving
from pipelines.dna.floors import answers as floor_answers
from pipelines.dna.floors import fit
from pipelines.dna.sequences import BioSequence
from pipelines.errors import UserError

WINDOW = 45


def test_a_run_prints_its_share_of_the_best_possible_score(sites):
    found = sites.metrics["test"]
    best, metrics = found["floors"]["bayes_optimal"], found["metrics"]
    assert list(metrics)[:5] == ["accuracy", "mcc", "roc_auc", "pr_auc", "nll"]
    assert metrics["roc_auc_share"] == pytest.approx(metrics["roc_auc"] / best["roc_auc"])
    assert best["roc_auc"] > found["floors"]["pwm"]["roc_auc"]
    assert metrics["roc_auc_donor_low"] <= metrics["roc_auc_donor"] <= metrics["roc_auc_donor_high"]
    assert (sites.path / "plots" / "curves.png").stat().st_size > 5000
    assert "roc_auc_share" in (sites.path / "README.md").read_text()


def test_other_data_have_no_best_score(sites, write):
    """A share of an optimum that is not theirs would be a lie."""
    rows = "\n".join(f"{'ACGTT' * 9},{label}" for label in ("donor", "decoy"))
    found = sites.evaluate(write("x.csv", f"sequence,label\n{rows}\n"))
    assert "bayes_optimal" not in found["floors"]
    assert "roc_auc_share" not in found["metrics"]
    with pytest.raises(UserError, match=r"expected one of the labels .* Received: enhancer"):
        sites.evaluate(write("y.csv", f"sequence,label\n{'A' * WINDOW},enhancer\n"))
    with pytest.raises(UserError, match="1 of 1 answers have no label"):
        sites.evaluate(write("z.fa", f">z\n{'A' * WINDOW}\n"))
    with pytest.raises(UserError, match=r"v\.csv:2: 3 letters, but all sequences"):
        sites.evaluate(write("v.csv", "sequence,label\nACG,donor\n"))


def test_the_weight_matrix_by_hand():
    """The floor is what its name says: counts plus one, logarithms added, Bayes' rule."""
    records = [BioSequence(str(k), s, label=x) for k, (s, x) in enumerate(TRAIN)]
    fitted = fit(records, "dna", ["a", "b"])
    (answer,) = floor_answers(fitted, [BioSequence("x", "ACN")], "dna")["pwm"]
    scores = []
    for label in "ab":
        own = [s for s, x in TRAIN if x == label]
        score = np.log((len(own) + 1) / (len(TRAIN) + 2))
        for position, letters in enumerate(("A", "C", "ACGT")):
            shares = [
                (sum(s[position] == letter for s in own) + 1) / (len(own) + 4) for letter in letters
            ]
            score += np.mean(np.log(shares))
        scores.append(score)
    expected = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(answer, expected, rtol=1e-6)


TRAIN = [("ACG", "a"), ("ACT", "a"), ("AGG", "a"), ("TTT", "b"), ("TCT", "b")]


def test_predict_scans_what_is_longer(sites, write, capsys, tmp_path):
    """From the command line: a FASTA of any length becomes tracks of a browser."""
    sequence = "".join(np.random.default_rng(0).choice(list("ACGTacgt"), 100))
    fasta = write("g.fa", f">chr1\n{sequence}\n>short\nACGT\n")
    out = tmp_path / "o.csv"
    words = ["predict", str(sites.path), "--input", str(fasta), "--step", "5"]
    assert main([*words, "--output", str(out)]) == 0
    assert "short" not in out.read_text()
    assert "4 letters, fewer than the window of 45" in capsys.readouterr().err
    lines = out.read_text().splitlines()
    assert len(lines) == 1 + (100 - WINDOW) // 5 + 1
    assert lines[1].startswith("chr1,20,25,0,45,")
    for name in ("o.bed", "o.bedgraph"):
        assert main([*words, "--output", str(tmp_path / name), "--threshold", "0"]) == 0
    assert "bedGraph" in (tmp_path / "o.bedgraph").read_text()
    assert (tmp_path / "o.bed").exists()


def test_predict_keeps_the_columns_of_a_table(sites, write, capsys):
    table = write("x.csv", f"id,sequence\n7,{'acgta' * 9}\n8,{'ACG'}\n9,{'ACGTA' * 9}\n")
    assert main(["predict", str(sites.path), "--input", str(table), "--json"]) == 0
    answer = capsys.readouterr()
    rows = [json.loads(line) for line in answer.out.splitlines()]
    assert [row["id"] for row in rows] == ["7", "9"]
    assert rows[0]["p_donor"] == pytest.approx(rows[1]["p_donor"])
    assert "x.csv:3: 3 letters, but all sequences the model was trained on have 45" in answer.err
    assert rows[0]["probability"] == pytest.approx(rows[0][f"p_{rows[0]['predicted']}"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ACGJ"], "letter 4: 'J' is no letter of dna"),
        (["ACGT"], "nothing in it could be answered"),
        (["A" * 45, "--window", "50"], "--window must be 45"),
        (["A" * 45, "--target", "donr"], "unknown label 'donr'. Did you mean donor"),
        (["A" * 45, "--variants", "v.vcf"], "needs the genome as a file"),
        (["A" * 45, "--output", "x.bed", "--step", "0"], "--step must be at least 1"),
    ],
)
def test_mistakes_in_predict_are_one_line(sites, words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", str(sites.path), *words]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(error) == 1
    assert message in error[0]


def test_served_strings_get_what_predict_says(sites):
    """The encoding is in the graph; a wrong row is marked, and costs no batch."""
    served = serving.served(sites.model, sites.task.learnt["labels"], WINDOW)
    good = "ACGTRYSWKMBDHVN" * 3
    given = [good, good.lower(), good[:-1], good + "A", good[:-1] + "!", ""]
    answer = served.endpoints["serving_default"].function(tf.constant(given))
    assert answer["valid"].numpy().tolist() == [True, True, False, False, False, False]
    (row,) = sites.predict([BioSequence("x", good)])
    expected = [row[f"p_{label}"] for label in sites.task.learnt["labels"]]
    probabilities = answer["probabilities"].numpy()
    np.testing.assert_allclose(probabilities[0], expected, atol=1e-5)
    np.testing.assert_allclose(probabilities[1], expected, atol=1e-5)
    np.testing.assert_allclose(probabilities[3], expected, atol=1e-5)
    assert answer["label"].numpy()[0].decode() == row["predicted"]
    (unknown,) = sites.predict([BioSequence("x", good[:-1] + "N")])
    assert probabilities[4][0] == pytest.approx(unknown["p_acceptor"], abs=1e-5)


def test_served_letters_of_sequences_of_all_lengths():
    from tests.pipelines.dna.test_model import random_model

    model = random_model(per_base=True, strands="both")
    served = serving.served(model, ["a", "b", "c"], None)
    function = served.endpoints["serving_default"].function
    both = function(tf.constant(["ACGTTGCA", "acg"]))
    alone = function(tf.constant(["ACG"]))
    assert both["valid"].numpy().tolist() == [True, True]
    np.testing.assert_allclose(both["probabilities"][1, :3], alone["probabilities"][0], atol=1e-5)


def test_labels_of_letters_are_told_as_regions():
    """Twenty labels in a row are no answer for a person."""
    from pipelines.dna.answering import answer

    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    found = answer(probabilities, ["exon", "intron"])
    assert found["regions"] == "exon 0-2, intron 2-3"
    assert found["labels"] == ["exon", "exon", "intron"]
    assert found["probability"] == [0.9, 0.8, 0.7]
