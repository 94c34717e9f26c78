"""Files of tagged sentences as people have them: layouts, schemes, parts, and what is wrong."""

import gzip
import re

import pytest

from pipelines.errors import UserError
from pipelines.ner.reading import read_sentences
from pipelines.sources import split

LINES = "Ada\tB-PER\nslept\tO\n\nParis\tB-LOC\nis\tO\nNew\tB-LOC\nYork\tI-LOC\n"
ENTITIES = [("S-PER", "O"), ("S-LOC", "O", "B-LOC", "E-LOC")]


def read(path, content, **arguments):
    path.write_text(content, "utf-8")
    return read_sentences(str(path), **arguments)


def tags(reading, part="all"):
    return [sentence.tags for sentence in reading.parts[part]]


def refusal(path, content, **arguments) -> str:
    with pytest.raises(UserError) as caught:
        read(path, content, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(f"{path}:", "")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.conll"


# --- layouts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        LINES,
        LINES.replace("\t", " "),
        LINES.replace("\t", "  "),
        LINES.replace("\n", "\r\n"),
        LINES.replace("\n\n", "\n \t\n"),
        LINES.replace("\t", " NN B-NP "),  # the columns of CoNLL-2003
        "\ufeff" + LINES,
        "# a comment of any kind\n" + LINES + "\n# another\n",
        "-DOCSTART- -X- O O\n\n" + LINES,
    ],
    ids=["tab", "blank", "blanks", "crlf", "blank line", "four", "bom", "comment", "docstart"],
)
def test_layouts(path, content):
    """The same sentences in every layout in which such files go round."""
    reading = read(path, content)
    assert tags(reading) == ENTITIES
    assert reading.parts["all"][0].tokens == ("Ada", "slept")


def test_a_packed_file(tmp_path):
    path = tmp_path / "data.conll.gz"
    path.write_bytes(gzip.compress(LINES.encode()))
    assert tags(read_sentences(str(path))) == ENTITIES


def test_tokens_with_odd_characters_stay_whole(path):
    """Lines end at line feeds and columns at tabs: a token may hold any other space."""
    odd = "a\u2028b\u00a0c"
    (sentence,) = read(path, f"{odd}\tB-X\n#\tO\n").parts["all"]
    assert sentence.tokens == (odd, "#")


def test_a_line_that_begins_with_a_hash_can_be_a_token(path):
    (first, second) = read(path, "# O\nwnut B-ORG\n\n#tag O\n").parts["all"]
    assert first.tokens == ("#", "wnut")
    assert second.tokens == ("#tag",)


def test_documents_stay_on_one_side_of_a_split(path):
    """Sentences of one article share its names: split apart, the test part is half known."""
    text = "".join(
        f"-DOCSTART- O\n\nTopic{d} B-PER\n\nFirst{d} O\n\nSecond{d} O\n\n" for d in range(60)
    )
    parts = split({"train": read(path, text).parts["all"]}, "data")
    sides = [{sentence.group for sentence in sentences} for sentences in parts.values()]
    assert all(sides)
    assert sum(map(len, sides)) == 60
    assert sum(map(len, parts.values())) == 180


def test_a_sentence_repeated_in_another_document_goes_where_it_stood_first(path):
    text = "-DOCSTART- O\n\na O\n\nsame O\n\n-DOCSTART- O\n\nb B-X\n\nSame O\n\n"
    first = read(path, text).parts["all"]
    assert [sentence.group for sentence in first] == ["a", "a", "b", "a"]


# --- parts ---------------------------------------------------------------------------------------


def test_a_folder_has_its_parts_by_name(tmp_path):
    for name in ("eng.train", "eng.testa", "eng.testb", "README.md"):
        (tmp_path / name).write_text(LINES)
    reading = read_sentences(str(tmp_path))
    assert {part: len(sentences) for part, sentences in reading.parts.items()} == {
        "train": 2,
        "valid": 2,
        "test": 2,
    }
    assert reading.remarks == [f"1 files of {tmp_path.name} not read: README.md"]


def test_a_folder_of_other_names_is_read_as_a_whole(tmp_path):
    for name in ("a.conll", "b.txt"):
        (tmp_path / name).write_text(LINES)
    assert len(read_sentences(str(tmp_path)).parts["all"]) == 4


def test_the_embedded_sentences_are_whole():
    """At least 200, four types, and no two alike."""
    reading = read_sentences(None)
    sentences = reading.parts["all"]
    assert len({sentence.group for sentence in sentences}) == len(sentences) >= 200
    kinds = {tag[2:] for sentence in sentences for tag in sentence.tags if tag != "O"}
    assert kinds == {"PER", "LOC", "ORG", "MISC"}
    assert "written for this project" in reading.description


# --- schemes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "content"),
    [
        ("iob2", LINES),
        ("iob1", LINES.replace("B-", "I-")),
        (
            "iobes",
            LINES.replace("Ada\tB", "Ada\tS")
            .replace("is\tO\nNew", "is\tO\nNew")
            .replace("Paris\tB", "Paris\tS")
            .replace("York\tI", "York\tE"),
        ),
    ],
)
def test_the_scheme_is_recognised_and_converted(path, scheme, content):
    reading = read(path, content)
    assert reading.description.endswith(f"tags in {scheme}")
    assert tags(reading) == ENTITIES
    assert tags(read(path, content, scheme=scheme)) == ENTITIES


def test_a_file_without_entities_has_any_scheme(path):
    assert tags(read(path, "no O\none O\n")) == [("O", "O")]


def test_tags_of_two_schemes_are_an_error_that_shows_both(path):
    message = refusal(path, LINES + "\nthe\tO\nNile\tI-LOC\n")
    assert message.startswith(
        "10: iob2 has I-LOC only after B-LOC or I-LOC. Received: I-LOC after O"
    )
    assert "iob2 is nearest, broken 1 times" in message
    assert "1: iob1 has B-PER only beside another PER" in message
    assert "rnnkit check ner --scheme iob2" in message


def test_sentences_that_break_a_given_scheme_are_left_out_and_named(path):
    reading = read(path, LINES + "\nthe\tO\nNile\tI-LOC\n\nodd\tX-LOC\n", scheme="iob2")
    assert tags(reading) == ENTITIES
    assert [dropped.place for dropped in reading.dropped] == [f"{path}:10", f"{path}:12"]
    assert "Received: X-LOC" in reading.dropped[1].reason


def test_a_scheme_that_no_sentence_follows_is_an_error(path):
    assert "1: iobes has I-PER or E-PER after B-PER" in refusal(
        path, "Ada\tB-PER\n", scheme="iobes"
    )


def test_labels_of_any_kind(path):
    """The lecture's example: 1 for a part of a name, 0 for everything else."""
    words = ["Luke", "Skywalker", "and", "Darth", "Vader", "fought", "an", "epic", "battle"]
    content = "\n".join(f"{w} {k}" for w, k in zip(words, "110110000", strict=True))
    (sentence,) = read(path, content, scheme="none").parts["all"]
    assert sentence.tags == tuple("110110000")
    assert "use --scheme none" in refusal(path, content)


def test_another_column_has_the_tags(path):
    content = LINES.replace("\t", "\tNOUN\t")
    (first, _) = read(path, content, scheme="none", tag_column="2").parts["all"]
    assert first.tags == ("NOUN", "NOUN")
    assert "1: expected 7 columns" in refusal(path, content, tag_column="7")
    assert "a number from 2" in refusal(path, content, tag_column="1")


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Ada\tB-PER\nslept\n", r"2: expected 2 columns between tabs, as in line 1\. Received: 1, "
         r"'slept'\. Is its tag missing\?"),
        ("Ada\n", r"1: expected a token a line, its tag last.*Received: 'Ada', which has no tag"),
        ("Ada\tB-PER\nslept O\n", r"2: .*Received: columns between blanks, 'slept O'\. Use one"),
        ("Ada B-PER\nslept\tO\n", r"2: .*Received: columns between tabs, 'slept\\tO'\. Use one"),
        ("Ada\tB-PER\n\tO\n", r"2: .*Received: an empty token, '\\tO'"),
        ("Ada\tB-PER\nslept\t\n", r"2: .*Received: an empty tag"),
        ("Ada B-PER\nslept well O\n", r"2: expected 2 columns.*Received: 3, 'slept well O'"),
        ("\n\n", r"no sentences there"),
        ("", r"no sentences there"),
        ("Ada\tPERSON\n", r"1: expected a tag, O or one of B- I- E- S-.*Received: PERSON"),
        ("long O\n" * 1001, r"1: expected at most 1000 tokens.*Are the blank lines"),
    ],
    ids=[
        *("no tag", "no tags at all", "blank for tab", "tab for blank", "no token", "empty tag"),
        *("three columns", "only blank lines", "empty", "no prefix", "no blank lines"),
    ],
)  # fmt: skip
def test_bad_files_name_line_reason_and_way_out(path, content, message):
    assert re.search(message, refusal(path, content))


def test_a_wrong_encoding_names_the_byte(path):
    path.write_bytes("Ada\tO\nZürich\tB-LOC\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"data\.conll:2: expected UTF-8\. Received: byte 0xfc"):
        read_sentences(str(path))


@pytest.mark.parametrize("name", ["nowhere.conll", "empty", "other"])
def test_sources_that_are_not_there(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.md").write_text("no data")
    with pytest.raises(UserError, match=f"{name}: no (such )?file"):
        read_sentences(str(tmp_path / name))
