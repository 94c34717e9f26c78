"""Every way in which people keep labelled texts, and every way in which they are broken."""

from __future__ import annotations

import gzip
import json

import pytest

from pipelines.errors import UserError
from pipelines.sentiment.reading import read_reviews
from pipelines.sentiment.reviews import Review
from pipelines.sentiment.settings import SentimentSettings
from pipelines.sentiment.task import SentimentTask
from pipelines.sources import load

TABLE = [
    ("So good", "pos"),
    ('He said "no", twice', "neg"),
    ("zwei\nZeilen", "pos"),
    ("好看", "neg"),
]


def read(source, **settings):
    return read_reviews(str(source), SentimentSettings(**settings))


def records(reading, part="all"):
    return [(record.text, record.label) for record in reading.parts[part]]


def written(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


CSV = 'text,label\nSo good,pos\n"He said ""no"", twice",neg\n"zwei\nZeilen",pos\n好看,neg\n'
JSON_LINES = "".join(json.dumps({"label": y, "text": x}) + "\n" for x, y in TABLE)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.csv", "\ufeff" + CSV.replace("\n", "\r\n").replace("zwei\r\n", "zwei\n")),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("a.jsonl", JSON_LINES),
        ("a.ndjson.gz", gzip.compress(JSON_LINES.encode(), mtime=0)),
    ],
)
def test_tables(tmp_path, name, content):
    assert records(read(written(tmp_path, name, content))) == TABLE


def test_in_tsv_a_quotation_mark_is_text_unless_two_enclose_a_field(tmp_path):
    path = written(
        tmp_path, "a.tsv", 'label\ttext\n1\t"5" is fine\n0\t"say ""no"""\n1\t"so" and "so"\n'
    )
    assert records(read(path)) == [('"5" is fine', "1"), ('say "no"', "0"), ('"so" and "so"', "1")]


def test_a_long_text_is_one_field(tmp_path):
    """Python's csv module refuses 131,073 characters by default."""
    path = written(tmp_path, "a.csv", f"text,label\n{'long ' * 40_000},pos\n")
    assert len(records(read(path))[0][0]) == 200_000


def test_labels_of_json_may_be_numbers(tmp_path):
    path = written(
        tmp_path, "a.jsonl", '{"review": "x", "stars": 5}\n{"review": "y", "stars": true}\n'
    )
    assert records(read(path)) == [("x", "5"), ("y", "true")]


def test_columns_are_found_when_unmistakable(tmp_path):
    path = written(tmp_path, "a.csv", "id,Review_Text,Sentiment\n7,fine,pos\n")
    assert records(read(path, text_column="Review_Text")) == [("fine", "pos")]
    path = written(tmp_path, "b.csv", "what they wrote,label\nfine,pos\n")
    assert records(read(path)) == [("fine", "pos")]
    path = written(tmp_path, "c.csv", "a,b,c\n1,fine,pos\n")
    assert records(read(path, text_column="b", label_column="c")) == [("fine", "pos")]


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        ("id,words,score\n", {}, r"a\.csv:1: expected a first line that names a column label"),
        ("text,label,sentiment\n", {}, r"but label and sentiment may both be it.*--label-column"),
        (
            "text,label\n",
            {"text_column": "body"},
            r"expected a column 'body' \(asked for by --text",
        ),
        ("text,text,label\n", {}, r"a\.csv:1: expected a name of its own for each column"),
        ("", {}, r"a\.csv:1: expected a line that names the columns"),
        ("text,label\n", {}, r"a\.csv:2: expected rows"),
        ('text,label\n"never ends,pos\n', {}, r"a\.csv:2: expected quotation marks in pairs"),
        (b"text,label\ncaf\xe9,pos\n", {}, r"a\.csv:2: expected UTF-8\. Received: byte 0xe9"),
        ("text,label\n ,pos\n", {}, r"a\.csv:2: expected a text under 'text'.*an empty one"),
    ],
)
def test_bad_tables_are_one_line_with_a_way_out(tmp_path, content, settings, message):
    path = written(tmp_path, "a.csv", content)
    with pytest.raises(UserError, match=message):
        read(path, **settings)


def test_rows_that_cannot_be_used_are_left_out_by_name(tmp_path):
    """Counted and named by `rnnkit check`; in silence the scores would be of other data."""
    path = written(
        tmp_path, "a.csv", "text,label\nok,pos\nno, quotes,pos\nshort\n,neg\nlost,\n\nok,neg\n"
    )
    reading = read(path)
    assert records(reading) == [("ok", "pos"), ("ok", "neg")]
    assert [(each.place, each.reason) for each in reading.dropped] == [
        (
            f"{path}:3",
            "expected 2 fields (text, label). Received: 3. Is a text with a separator in it not in "
            "quotation marks?",
        ),
        (f"{path}:4", "expected 2 fields (text, label). Received: 1"),
        (f"{path}:5", "expected a text under 'text'. Received: an empty one"),
        (f"{path}:6", "expected a label under 'label'. Received: ''"),
    ]


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    path = written(tmp_path, "a.csv", 'text,label\n"a\nb",pos\nwrong\n')
    assert read(path).dropped[0].place == f"{path}:4"


def test_broken_json_is_left_out_by_name(tmp_path):
    path = written(
        tmp_path, "a.jsonl", '{"text": "x", "label": 1}\n[1]\n{"text": 3, "label": 1}\n{\n'
    )
    reading = read(path)
    assert [each.place for each in reading.dropped] == [f"{path}:{k}" for k in (2, 3, 4)]
    with pytest.raises(UserError, match=r"b\.jsonl:1: expected a JSON object.*jq -c"):
        read(written(tmp_path, "b.jsonl", "[\n"))


def test_a_folder_a_class(tmp_path):
    for name, text in {"pos/1.txt": "good", "neg/a/2.txt": "bad\nfilm", "neg/3.txt": " "}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "neg" / "readme.md").write_text("x")
    (tmp_path / "neg" / ".hidden").write_text("x")
    reading = read(tmp_path)
    assert records(reading) == [("bad\nfilm", "neg"), ("good", "pos")]
    assert [each.place for each in reading.dropped] == [
        str(tmp_path / "neg" / "3.txt"),
        str(tmp_path / "neg" / "readme.md"),
    ]


def test_a_folder_with_parts(tmp_path):
    for part in ("train", "dev", "test", "notes"):
        for label in ("pos", "neg"):
            (tmp_path / part / label).mkdir(parents=True)
            (tmp_path / part / label / "1.txt").write_text(f"{part} {label}")
    reading = read(tmp_path)
    assert list(reading.parts) == ["valid", "test", "train"]
    assert records(reading, "valid") == [("dev neg", "neg"), ("dev pos", "pos")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"expected a folder a class with \.txt files"):
        read(tmp_path / "empty")


def test_what_is_no_source_of_texts_is_told(tmp_path):
    with pytest.raises(UserError, match=r"no such file or folder\. Expected a table"):
        read(tmp_path / "none.csv")
    with pytest.raises(UserError, match=r"Received: \.pdf"):
        read(written(tmp_path, "a.pdf", "x"))


def test_copies_stay_on_one_side_and_are_told(tmp_path):
    """A review that stands in training and test makes the test a memory test."""
    rows = [f"Text  number {k}!,{label}\n" for k in range(40) for label in ("pos", "neg")]
    rows += [f"text NUMBER {k}!,pos\n" for k in range(40)]
    path = written(tmp_path, "a.csv", "text,label\n" + "".join(rows))
    data = load(SentimentTask(SentimentSettings()), str(path))
    groups = [{record.group for record in part} for part in data.parts.values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 40
    assert data.leaks == []
    assert data.remarks == [
        "80 texts are copies of others; copies stay in one part",
        "40 of these copies have another label than the first",
    ]


def test_equal_texts_are_a_group_however_accents_are_written():
    one, other = Review("a", "caf\u00e9 Noir"), Review("b", "cafe\u0301  noir")
    assert one.group == other.group
    assert one.is_composed
    assert not other.is_composed


def test_one_class_only_is_refused(tmp_path):
    path = written(tmp_path, "a.csv", "text,label\n" + "".join(f"t{k},pos\n" for k in range(30)))
    with pytest.raises(UserError, match=r"expected training texts of two classes.*labelled 'pos'"):
        load(SentimentTask(SentimentSettings()), str(path))


def test_a_label_of_the_test_part_alone_is_refused(tmp_path):
    """It cannot be learnt, and would count as a mistake of the model."""
    rows = [f"t{k},{'pos' if k % 2 else 'neg'}\n" for k in range(40)]
    train = written(tmp_path, "a.csv", "text,label\n" + "".join(rows))
    test = written(tmp_path, "b.csv", "text,label\nfine,pos\nhm,neutral\n")
    with pytest.raises(UserError, match=r"b\.csv:3: expected a label.*\(neg, pos\).*'neutral'"):
        load(SentimentTask(SentimentSettings()), str(train), test=str(test))
    known = SentimentTask(SentimentSettings(), {"labels": ["neg", "pos"]})
    with pytest.raises(UserError, match=r"b\.csv:3: expected a label"):
        known.read(str(test))


def test_the_reviews_written_for_the_project_are_what_they_are_said_to_be():
    reading = read_reviews(None, SentimentSettings())
    found = reading.parts["all"]
    assert len(found) >= 240
    labels = [record.label for record in found]
    assert labels.count("positive") == labels.count("negative") == len(found) / 2
    words = [frozenset(record.group.replace(",", "").replace(".", "").split()) for record in found]
    for k, some in enumerate(words):
        for others in words[k + 1 :]:
            assert len(some & others) < 0.6 * len(some | others), "near copies"
    assert "too few and too tidy" in reading.description
