"""Which files are answered whole, and which in windows."""

from __future__ import annotations

import functools

import pytest

from pipelines.dna import answering, scanning
from pipelines.dna.answering import Answerer
from pipelines.dna.settings import DNAOptions, DNASettings
from pipelines.errors import UserError
from pipelines.video.settings import VideoSettings
from tests.pipelines.dna.test_model import random_model


def answerer(per_base: bool = False, **options) -> Answerer:
    """Of a model of sequences of several lengths."""
    learnt = {"labels": ["a", "b", "c"], "length": None, "pool": 1}
    settings = DNASettings(per_base=per_base)
    return Answerer(made(per_base), settings, learnt, DNAOptions(**options))


@functools.cache
def made(per_base: bool):
    return random_model(per_base=per_base)


def test_labels_of_letters_are_scanned_without_being_asked(write, monkeypatch):
    """A chromosome as one sequence would fill the memory, and its answer fits no track."""
    monkeypatch.setattr(answering, "PER_BASE_WINDOW", 8)
    path = write("g.fa", ">chr1\n" + "ACGT" * 10 + "\n")
    found = list(answerer(per_base=True).answers((), str(path)))
    assert [(each["chromosome"], each["start"]) for each in found] == [
        ("chr1", k) for k in range(40)
    ]
    assert max(each["window_end"] - each["window_start"] for each in found) == 8


def test_intervals_of_a_genome_that_training_had_not(write):
    """A model of FASTA files is asked about a BED file; the way out of the message is there."""
    genome = write("g.fa", ">chr1\n" + "ACGT" * 10 + "\n")
    bed = write("x.bed", "chr1\t2\t12\nchr1\t7\t30\n")
    with pytest.raises(UserError, match="--genome FILE"):
        list(answerer().answers((), str(bed)))
    found = list(answerer(genome=str(genome)).answers((), str(bed)))
    assert [(each["start"], each["end"]) for each in found] == [(2, 12), (7, 30)]


@pytest.mark.parametrize(
    ("settings", "name"), [(DNASettings, "genome"), (VideoSettings, "encoder_weights")]
)
def test_files_of_a_run_are_found_from_any_folder(settings, name, tmp_path, monkeypatch):
    """`evaluate` from another folder than `train` would look for them beside itself."""
    monkeypatch.chdir(tmp_path)
    kept = settings(**{name: "a/../b.x"}).to_dict()
    assert kept[name] == str(tmp_path / "b.x")
    monkeypatch.chdir("/")
    assert settings.from_dict(kept).to_dict() == kept


def test_a_chromosome_is_refused_before_anything_is_computed(write, monkeypatch):
    """Where no window is known, the way out is said at once and not after hours."""
    monkeypatch.setattr(answering, "LONGEST", 30)
    path = write("g.fa", ">short\nACGT\n>chr1\n" + "ACGT\n" * 8)
    table = write("t.csv", f"sequence\n{'ACGT' * 8}\n")
    with pytest.raises(UserError, match=r"g\.fa:3: expected at most 30 letters.*--window N"):
        next(answerer().answers((), str(path)))
    with pytest.raises(UserError, match=r"t\.csv:2: expected at most 30 letters"):
        next(answerer().answers((), str(table)))
    assert len(list(answerer(window=16).answers((), str(path)))) == 17


def test_progress_is_no_remark(write, capsys, monkeypatch):
    """The reason why nothing could be answered is the last of those that were left out."""
    progress = scanning.Progress("g.fa: 50% scanned, about 9 s left")
    monkeypatch.setattr(scanning, "with_progress", lambda rows, *_: [*rows, *[progress] * 30])
    path = write("g.fa", ">chr1\nACGT\n")
    with pytest.raises(UserError, match=r"Last: left out: .*fewer than the window of 8"):
        list(answerer(window=8).answers((), str(path)))
    told = capsys.readouterr().err
    assert told.count("scanned") == 30
    assert "in all" not in told
