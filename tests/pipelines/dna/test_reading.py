"""Every format, and every mistake in one line that says where."""

from __future__ import annotations

import gzip
import itertools
import re

import pytest

from pipelines import sources
from pipelines.dna import reading
from pipelines.dna.alphabets import ALPHABETS
from pipelines.dna.settings import DNASettings
from pipelines.dna.task import DNATask
from pipelines.errors import UserError


def read(source, **settings):
    return reading.read_labelled(str(source), DNASettings(**settings))


def facts(found):
    return [(r.name, r.letters, r.label) for part in found.parts.values() for r in part]


FASTA = ">a kind=promoter gene=1\nACGTacgt\nAC\n\n>b kind=other gene=2\r\nNNRY\r\n"


def test_labels_from_headers(write):
    """Lines are joined, lower case is folded, both line ends are read."""
    found = read(write("x.fa", FASTA), label_from=r"kind=(\w+)", group_from="gene=.")
    assert facts(found) == [("a", "ACGTACGTAC", "promoter"), ("b", "NNRY", "other")]
    assert not found.dropped


def test_gz_is_read_as_is(write):
    packed = write("x.fa.gz", gzip.compress(FASTA.encode()))
    assert facts(read(packed, label_from=r"kind=(\w+)"))[1] == ("b", "NNRY", "other")
    table = write("x.csv.gz", gzip.compress(b"sequence,label\nACGT,a\n"))
    assert facts(read(table)) == [(f"{table}:2", "ACGT", "a")]


def test_a_folder_of_classes(write, tmp_path):
    write("data/donor.fa", ">1\nAACC\n")
    write("data/other.fasta.gz", gzip.compress(b">2\nGGTT\n>3\nAATT"))
    write("data/notes.txt", "not a sequence")
    found = read(tmp_path / "data")
    assert facts(found) == [("1", "AACC", "donor"), ("2", "GGTT", "other"), ("3", "AATT", "other")]
    write("data/Donor.fna", ">4\nAACC\n")
    with pytest.raises(UserError, match="one file a class"):
        read(tmp_path / "data")


def test_parts_that_are_given(write, tmp_path):
    for part, letters in (("train", "AACC"), ("valid", "CCCC"), ("test", "GGTT")):
        write(f"data/{part}/a.fa", f">1\n{letters}\n")
        write(f"data/{part}/b.fa", f">2\n{letters}A\n")
    found = read(tmp_path / "data")
    assert {part: len(records) for part, records in found.parts.items()} == {
        "train": 2,
        "valid": 2,
        "test": 2,
    }
    task = DNATask(DNASettings())
    data = sources.load(task, str(tmp_path / "data"))
    assert any("same group" in leak for leak in data.leaks)  # GGTT is AACC on the other strand


def test_what_belongs_together_in_two_files_is_told(write):
    """Else a test file of the same places, or of the other strand, would look like new data."""
    letters = iter(("AACC", "CCCA", "TTTA", "ACAC", "GGTG", "TGTT", "CTTT"))
    places = [(0, 4), (50, 54), (60, 64), (70, 74), (80, 84), (2, 6), (90, 94)]
    entries = [f">chr1:{a}-{b} {'ab'[a % 20 > 0]}\n{next(letters)}\n" for a, b in places]
    train = write("train.fa", "".join(entries[:5]))
    test = write("test.fa", "".join(entries[5:]) + ">x b\nTGGG\n")  # CCCA on the other strand
    task = DNATask(DNASettings(label_from=" (.)"))
    data = sources.load(task, str(train), test=str(test))
    assert len(data.parts["test"]) == 3
    told = " ".join(data.leaks)
    assert "chr1:2-6 = chr1:0-4" in told
    assert "x = chr1:50-54" in told
    assert "chr1:90-94" not in told


def test_a_table_with_further_columns(write):
    rows = "label,sequence,split,group,name\na,AAC,train,g,x\nb,GTT,test,h,y\nb,CCC,,h,z\n"
    found = read(write("x.csv", rows))
    assert {part: [r.name for r in records] for part, records in found.parts.items()} == {
        "train": ["x", "z"],
        "test": ["y"],
    }
    assert "1 sequences repeat another" in " ".join(found.remarks)
    assert "more than one label" in " ".join(found.remarks)


def test_labels_of_letters(write):
    found = read(write("x.tsv", "sequence\tlabels\nACG\teei\nACG\tee\n"), per_base=True)
    (record,) = found.parts["all"]
    assert record.labels == ("e", "e", "i")
    assert found.dropped[0].reason == "2 labels for 3 letters"


GENOME = ">chr1 whole\nAAAACCCC\nGGGGTTTT\n>chr2\nACGTACGT\n"


def test_intervals_of_a_genome(write):
    """Coordinates count from 0; strand - is the reverse complement; nothing good is lost."""
    genome = write("g.fa", GENOME)
    rows = "track name=x\nchr1\t2\t6\ta\nchr1\t6\t10\tb\t0\t-\nchr2\t4\t9\ta\nchrX\t0\t4\ta\n"
    bed = write("x.bed", rows + "chr2\t0\t4\ta\t0\t+\nchr2\tx\t4\ta\nchr2\t4\t4\ta\n")
    found = read(bed, genome=str(genome))
    assert facts(found) == [
        ("chr1:2-6", "AACC", "a"),
        ("chr1:6-10", "CCGG", "b"),
        ("chr2:0-4", "ACGT", "a"),
    ]
    assert [record.chromosome for record in found.parts["all"]] == ["chr1", "chr1", "chr2"]
    said = {dropped.place.rpartition(":")[2]: dropped.reason for dropped in found.dropped}
    assert said["4"] == "4 to 9 lies outside of chr2, which has 8 letters"
    assert "has no sequence chrX" in said["5"]
    assert "expected chromosome, start and end" in said["7"]
    assert "expected start before end" in said["8"]


def test_intervals_around_their_middle(write):
    bed = write("x.bed", "chr1\t7\t9\ta\nchr2\t0\t4\tb\nchr1\t0\t2\tb\n")
    found = read(bed, genome=str(write("g.fa", GENOME)), width=4)
    assert facts(found) == [("chr1:6-10", "CCGG", "a"), ("chr2:0-4", "ACGT", "b")]
    assert "-1 to 3 (--width 4" in found.dropped[0].reason


def test_a_wrong_letter_costs_its_interval_and_no_chromosome(write):
    genome = write("g.fa", ">chr1\nAAAA!CCCGGGG\n")
    bed = write("x.bed", "chr1\t0\t4\ta\nchr1\t3\t6\tb\nchr1\t8\t12\tb\n")
    found = read(bed, genome=str(genome))
    assert [name for name, *_ in facts(found)] == ["chr1:0-4", "chr1:8-12"]
    assert "letter 5 of its chromosome: '!'" in found.dropped[0].reason


def test_letters_labelled_by_intervals(write):
    bed = write("x.bed", "chr1\t2\t6\texon\nchr1\t14\t99\texon\n")
    found = read(bed, genome=str(write("g.fa", GENOME)), per_base=True, width=8)
    first, second = found.parts["all"]
    assert first.labels == ("none",) * 2 + ("exon",) * 4 + ("none",) * 2
    assert second.labels == ("none",) * 8
    assert "outside of chr1" in found.dropped[0].reason


def test_chromosomes_that_are_held_out(write):
    """A sequence that stands on both sides is kept where it is held out, and only there."""
    headers = (
        ">chr1:0-4\nAACC\n>chr2:0-4\nGGTT\n>chr2:10-14\nACAC\n>chr1:50-54\nTTTC\n>chr3:0-4\nGGGA\n"
    )
    fasta = write("x.fa", headers)
    settings = {"label_from": r"chr(\d)", "test_chromosomes": "chr2", "valid_chromosomes": "chr3"}
    found = read(fasta, **settings)
    assert {part: [r.letters for r in records] for part, records in found.parts.items()} == {
        "train": ["TTTC"],
        "valid": ["GGGA"],
        "test": ["GGTT", "ACAC"],
    }
    assert "is held out" in found.dropped[0].reason
    with pytest.raises(UserError, match="chr9 is not there"):
        read(fasta, label_from=r"chr(\d)", test_chromosomes="chr9")


def test_shuffled_negatives_are_said_and_stay_with_their_originals(write):
    """Else the test would hold shuffles of training sequences."""
    fasta = write("tata.fa", ">a\nACGATTACAGGATCA\n>b\nTTGACATATAATGGC\n>c\nAAAA\n")
    found = read(fasta, negatives="shuffle")
    records = found.parts["all"]
    assert [r.label for r in records] == ["positive"] * 3 + ["shuffled"] * 2
    assert records[0].group == records[3].group != records[1].group
    assert "Altschul and Erickson" in found.remarks[0]
    assert "1 sequences have no other order" in found.remarks[1]


def test_positives_alone_are_one_class_whatever_their_file_is_called(write):
    """A model of peaks.fa could neither be tested nor evaluated on new.fa."""
    letters = "ACGATTACAGGATCA"
    fasta, bed = write("new.fa", f">a\n{letters}\n"), write("new.bed", "a\t0\t15\n")
    model = {"labels": ["positive", "shuffled"], "length": 15, "pool": 1}
    for source, genome in ((fasta, None), (bed, str(fasta))):
        settings = DNASettings(negatives="shuffle", genome=genome)
        found = DNATask(settings, model).read(str(source))
        assert [r.label for r in found.parts["all"]] == model["labels"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.fa", "", "x.fa: expected FASTA.* Received: an empty file"),
        ("x.fa", "@read1\nACGT\n+\nIIII\n", "x.fa:1: expected FASTA. Received: FASTQ"),
        ("x.fa", b"\x89PNG\r\n\x1a\n\x00\x00", "Received: a binary file"),
        ("x.fa", "ACGT\n", "x.fa:1: expected FASTA, whose first line is `>name`"),
        ("x.fa.gz", b"ACGT", "the .gz file is damaged"),
        ("x.fa", ">a\nACGT\nACZT\n", "x.fa:3:3: 'Z' is no letter of dna"),
        ("x.fa", ">a\nACGU\n", "--alphabet rna has it"),
        ("x.fa", ">a\n>b\n", "x.fa:1: a has no letters .and 1 more"),
        ("x.csv", "seq,label\nA,b\n", "x.csv:1: expected columns sequence,label"),
        ("x.csv", "sequence,label\nACXT,b\n", "x.csv:2:3: 'X' is no letter of dna"),
        ("x.csv", "sequence,label\nACGT,\n", "x.csv:2: no label"),
        ("x.csv", b"\xff\xfe\x00sequence", "expected a table of text"),
        ("x.csv", "", "x.csv:1: expected columns .*Received: an empty file"),
        ("x.bed", "chr1\t0\t4\ta\n", "needs the genome: --genome"),
        ("x.gff", "x", "Received: a file that ends in '.gff'"),
        ("none.fa", None, "no such file or folder"),
    ],
)
def test_bad_input_is_one_line(write, tmp_path, name, content, message):
    path = tmp_path / name if content is None else write(name, content)
    with pytest.raises(UserError, match=message) as failure:
        read(path, label_from="(.)")
    assert "\n" not in str(failure.value)


def test_wrong_entries_cost_no_good_one(write):
    found = read(write("x.fa", ">a\nACGT\n>b\nAC-T\n>c\nCCCC\n"), label_from=".")
    assert [record.name for record in found.parts["all"]] == ["a", "c"]
    assert re.search(r"x\.fa:4:3$", found.dropped[0].place)


def test_two_classes_with_one_name(write):
    """A class spelled in two ways would be learnt as two, wherever its name comes from."""
    table = write("x.csv", "sequence,label\nAACC,donor\nACCC,Donor\n")
    fasta = write("x.fa", ">a donor\nAACC\n>b DONOR\nACCC\n")
    bed = write("x.bed", "chr1\t0\t4\tdonor\nchr1\t4\t8\tdonoR\n")
    genome = {"genome": str(write("g.fa", GENOME))}
    for source, settings in (
        (table, {}),
        (fasta, {"label_from": r" (\w+)"}),
        (bed, genome),
        (bed, {**genome, "per_base": True}),
    ):
        with pytest.raises(UserError, match=r"expected one name a class\. Received: '.*donor"):
            read(source, **settings)
    letters = write("y.csv", "sequence,labels\nAACC,oOOo\n")
    assert read(letters, per_base=True).parts["all"][0].labels == ("o", "O", "O", "o")


def test_an_odd_length_costs_itself_and_nothing_else(write):
    """In the test part it would refuse all data; in the training part, switch places off."""
    letters = ["".join(four) for four in itertools.product("AG", repeat=4)] + [
        "CCCA",
        "CCAA",
        "ACAC",
    ]
    rows = [f"{word},{'ab'[k % 2]}" for k, word in enumerate(letters)]
    odd = write("x.csv", "sequence,label\n" + "\n".join([*rows, "ACGTA,a"]) + "\n")
    found = DNATask(DNASettings()).read(str(odd))
    assert len(found.parts["all"]) == 19
    (dropped,) = found.dropped
    assert dropped.place.endswith("x.csv:21")
    assert dropped.reason == "5 letters, where 19 of 20 sequences have 4"
    several = write("y.csv", "sequence,label\n" + "\n".join([*rows, "ACGTA,a", "ACGTT,b"]))
    assert len(DNATask(DNASettings()).read(str(several)).parts["all"]) == 21
    trained = DNATask(DNASettings(), {"labels": ["a", "b"], "length": None, "pool": 1})
    assert len(trained.read(str(odd)).parts["all"]) == 20


def test_what_has_no_labels_says_how_to_give_them(write):
    fasta = write("x.fa", ">a\nACGT\n")
    with pytest.raises(UserError, match=r"--label-from REGEX.*--negatives shuffle"):
        read(fasta)
    loaded = DNATask(DNASettings(), {"labels": ["a", "b"], "length": 4, "pool": 1})
    for bare in (fasta, write("x.csv", "id,sequence\n7,ACGT\n")):
        assert loaded.read(str(bare)).parts["all"][0].label is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label_from": "("}, "--label-from must be a regular expression"),
        ({"label_from": "(.)", "per_base": True}, "FASTA has no labels of letters"),
        ({"label_from": "(.)", "negatives": "shuffle"}, "needs sequences of one class"),
        ({"alphabet": "protein", "strands": "both"}, "no opposite strand"),
        ({"alphabet": "protein", "kmer": 3}, "makes 8000 numbers"),
        ({"per_base": True, "pool": 2}, "--per-base needs --pool 1"),
    ],
)
def test_settings_that_do_not_go_together(write, settings, message):
    fasta = write("x.fa", ">a\nACGT\n>b\nCCGT\n")
    with pytest.raises(UserError, match=message):
        DNATask(DNASettings(**settings)).read(str(fasta))


def test_a_chromosome_in_one_line_is_read_in_pieces(write, monkeypatch):
    """Memory does not grow with the length of a line, and a wrong letter keeps its column."""
    from pipelines.dna import fasta as module

    monkeypatch.setattr(module, "PIECE", 7)
    path = write("x.fa", ">a long header\n" + "ACGT" * 5 + "x" + "\nAC\n>b\nGG\n")
    pieces = list(module.read_pieces(path))
    assert pieces[0].text == "a long header"
    letters = [piece for piece in pieces if isinstance(piece, module.Letters)]
    assert max(len(piece.text) for piece in letters) <= 7
    assert "".join(piece.text for piece in letters if piece.line == 2) == "ACGT" * 5 + "X"
    (wrong, _) = module.read_entries(path, "dna")
    assert wrong.place.endswith("x.fa:2:21")


def test_proteins_as_databases_have_them(write):
    """Twenty-two amino acids, and the `*` of the stop codon that translators leave at the end."""
    fasta = write("p.faa", ">a\nMKUOC\nWW*\n>b\nMKC\n*\n>c\nMK*\nWW\n>d\nMK**\n")
    found = read(fasta, alphabet="protein", label_from=".")
    assert [(name, letters) for name, letters, _ in facts(found)] == [
        ("a", "MKUOCWW"),
        ("b", "MKC"),
    ]
    assert [each.place.partition(".faa:")[2] for each in found.dropped] == ["8:3", "11:3"]
    table = write("p.csv", "sequence,label\nmk*,a\n")
    assert facts(read(table, alphabet="protein"))[0][1] == "MK"


def test_every_alphabet_reads_its_own_letters(write):
    for name in ALPHABETS:
        symbols = ALPHABETS[name].symbols
        found = read(write(f"{name}.csv", f"sequence,label\n{symbols},a\n"), alphabet=name)
        assert not found.dropped
