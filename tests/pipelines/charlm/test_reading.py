"""Texts as files hold them, and what is wrong with those that cannot be used."""

from __future__ import annotations

import gzip
from types import SimpleNamespace

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from pipelines import sources
from pipelines import tfds as pipelines_tfds
from pipelines.charlm.reading import documentation_topics, read_source
from pipelines.charlm.settings import CharLMSettings
from pipelines.charlm.task import CharLMTask
from pipelines.errors import UserError


def test_a_file_is_read_character_by_character(tmp_path):
    """Line ends, tabs and every script are text like any other."""
    content = "Erste Zeile\r\nzweite\t語😀\n\n\x0cEnde ohne Zeilenende"
    plain, packed = tmp_path / "text.txt", tmp_path / "text.txt.gz"
    plain.write_bytes(content.encode())
    packed.write_bytes(gzip.compress(content.encode()))
    for path in (plain, packed):
        (text,) = read_source(str(path)).parts["all"]
        assert text.characters == content


def test_the_default_text_repeats_no_paragraph():
    """Topics quote each other: a test part that repeats the training part would be a leak."""
    paragraphs = documentation_topics().split("\n\n")
    assert len(documentation_topics()) > 200_000
    assert len(set(paragraphs)) == len(paragraphs)


BAD = {
    b"": "{path}: expected a text. Received: an empty file.",
    b"fine\nnot \xe9 so\n": "{path}:2: expected UTF-8. Received: byte 0xe9 after 4 characters of "
    "the line (byte 9",
    b"ten chars.": "{path}, characters 0 to 8: expected at least one --window of 64 characters "
    "in the training part. Received: 8.",
}


@pytest.mark.parametrize("content", BAD)
def test_a_text_that_cannot_be_used_is_told_in_one_line(tmp_path, content):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        sources.load(CharLMTask(CharLMSettings()), str(path))
    wanted = BAD[content].format(path=path if ":2:" in BAD[content] or not content else path.name)
    assert str(caught.value).startswith(wanted)


def test_a_folder_and_a_missing_file_are_told(tmp_path):
    for path, words in ((tmp_path, "Received: a folder"), (tmp_path / "none", "no such file")):
        with pytest.raises(UserError, match=words):
            read_source(str(path))


def test_parts_that_are_given_are_used_whole(tmp_path):
    """`--test FILE` is scored from its first character to its last."""
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    train.write_text("abc" * 100)
    test.write_text("cab" * 10)
    data = sources.load(CharLMTask(CharLMSettings()), str(train), test=str(test))
    assert data.parts["test"][0].characters == "cab" * 10
    assert len(data.parts["train"][0].characters) == 270
    assert len(data.parts["valid"][0].characters) == 30


def use(monkeypatch, feature, **splits):
    """`tfds:NAME` is a set of one feature, `text`, with these rows."""
    rows = {
        name: tf.data.Dataset.from_tensor_slices({"text": texts}) for name, texts in splits.items()
    }
    builder = SimpleNamespace(
        info=SimpleNamespace(features=tfds.features.FeaturesDict({"text": feature}), splits=splits),
        as_dataset=lambda split: rows[split],
    )
    monkeypatch.setattr(pipelines_tfds, "prepared_builder", lambda name: builder)


def test_the_text_of_a_tfds_set_is_its_rows_line_by_line(monkeypatch):
    """The parts of the set are kept; what is none of train, validation and test is no part."""
    splits = {"train": ["Grüße\n", "語"], "validation": ["two"], "extra": ["three"]}
    use(monkeypatch, tfds.features.Text(), **splits)
    reading = read_source("tfds:lines")
    assert {part: texts[0].characters for part, texts in reading.parts.items()} == {
        "train": "Grüße\n\n語", "valid": "two",
    }  # fmt: skip
    assert reading.description == "tfds:lines: 11 characters, 10 distinct"


def test_a_row_of_a_tfds_set_that_is_not_utf8_is_told_by_its_place(monkeypatch):
    use(monkeypatch, tfds.features.Text(), train=[b"fine", "é".encode("latin-1")])
    with pytest.raises(UserError) as caught:
        read_source("tfds:lines")
    message = "tfds:lines, split train, row 1: expected UTF-8. Received: byte 0xe9 (byte 0 of the "
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "feature",
    [
        tfds.features.ClassLabel(num_classes=2),
        tfds.features.Sequence(tf.string),
        tfds.features.FeaturesDict({"words": tf.string}),
    ],
    ids=lambda feature: type(feature).__name__,
)
def test_a_feature_that_is_called_text_but_is_none_is_told(monkeypatch, feature):
    """Of words or of labels there are no characters to read."""
    use(monkeypatch, feature)
    with pytest.raises(UserError, match=r"^tfds:words: expected .* feature text, a string a row"):
        read_source("tfds:words")


def test_a_tfds_set_without_a_text_is_told(monkeypatch):
    info = SimpleNamespace(features=tfds.features.FeaturesDict({"words": tf.string}))
    builder = SimpleNamespace(info=info)
    monkeypatch.setattr(pipelines_tfds, "prepared_builder", lambda name: builder)
    with pytest.raises(UserError, match=r"^tfds:lines: expected .* Received: words \(\w+\)\."):
        read_source("tfds:lines")
    use(monkeypatch, tfds.features.Text(), test=["some"])
    with pytest.raises(UserError, match=r"expected a training part with text\. Received: test\."):
        read_source("tfds:lines")
