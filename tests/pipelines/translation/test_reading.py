"""Pairs of sentences from tables, aligned files, folders and TFDS; what is wrong with them."""

from __future__ import annotations

import gzip
from types import SimpleNamespace

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from pipelines import sources
from pipelines.errors import UserError
from pipelines.translation import tfds_pairs
from pipelines.translation.reading import read_pairs
from pipelines.translation.settings import TranslationSettings
from pipelines.translation.task import TranslationTask

PAIRS = [("Hello.", "Bonjour."), ("Go!", "Va !"), ("Who?", "Qui ?")]


def table(path, pairs=PAIRS):
    path.write_text("".join(f"{a}\t{b}\n" for a, b in pairs), "utf-8")
    return str(path)


def aligned(folder, stem, pairs=PAIRS, names=("en", "fr")):
    for k, name in enumerate(names):
        (folder / f"{stem}.{name}").write_text("".join(f"{p[k]}\n" for p in pairs), "utf-8")
    return str(folder / f"{stem}.{names[0]}")


def found(reading, part="all"):
    return [(pair.source, pair.target) for pair in reading.parts[part]]


def test_a_table_is_source_tab_target(tmp_path):
    reading = read_pairs(table(tmp_path / "p.tsv"))
    assert found(reading) == PAIRS
    assert reading.parts["all"][1].name == f"{tmp_path / 'p.tsv'}:2"


def test_the_columns_of_a_table_can_be_chosen(tmp_path):
    """The other direction needs no other file."""
    path = table(tmp_path / "p.txt", [(f"1\t{a}", b) for a, b in PAIRS])
    assert found(read_pairs(path, source="3", target="2")) == [(b, a) for a, b in PAIRS]


def test_gz_is_read_as_is(tmp_path):
    path = tmp_path / "p.tsv.gz"
    path.write_bytes(gzip.compress(b"a\tb\n" * 2))
    assert found(read_pairs(str(path))) == [("a", "b")] * 2


def test_the_partner_of_an_aligned_file_is_found(tmp_path):
    path = aligned(tmp_path, "train")
    aligned(tmp_path, "test", names=("en", "de"))
    assert found(read_pairs(path)) == PAIRS
    assert found(read_pairs(path.replace(".en", ".fr"))) == [(b, a) for a, b in PAIRS]


def test_a_folder_brings_its_parts(tmp_path):
    for stem, pairs in (("train", PAIRS), ("val", PAIRS[:1]), ("test", PAIRS[1:])):
        aligned(tmp_path, stem, pairs)
    reading = read_pairs(str(tmp_path), source="fr")
    assert {part: len(pairs) for part, pairs in reading.parts.items()} == {
        "train": 3, "valid": 1, "test": 2,
    }  # fmt: skip
    assert found(reading, "valid") == [("Bonjour.", "Hello.")]


def test_a_folder_of_tables_brings_its_parts(tmp_path):
    table(tmp_path / "train.tsv")
    table(tmp_path / "test.tsv", PAIRS[:1])
    assert set(read_pairs(str(tmp_path)).parts) == {"train", "test"}


def test_spaces_of_all_kinds_become_blanks(tmp_path):
    """The no-break spaces of French typesetting are not spelling."""
    reading = read_pairs(table(tmp_path / "p.tsv", [("a", "Qui\u202f?"), ("b\u00a0 c", "d")]))
    assert found(reading) == [("a", "Qui ?"), ("b c", "d")]
    assert reading.remarks == ["2 sentences in which other spaces became single blanks"]


def test_translations_of_one_sentence_stay_on_one_side(tmp_path):
    """A test sentence of which training knows another translation is no test."""
    pairs = [(f"s{k % 40}", f"t{k}") for k in range(200)]
    task = TranslationTask(TranslationSettings())
    parts = sources.load(task, table(tmp_path / "p.tsv", pairs)).parts
    sides = [{pair.source for pair in records} for records in parts.values()]
    assert all(sides)
    assert sum(map(len, sides)) == len(set.union(*sides)) == 40


class Phrases(tfds.core.GeneratorBasedBuilder):
    """A data set of TFDS with two texts a record."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.Translation(languages=("de", "en"))
        return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=("en", "de"))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(), "validation": self._generate_examples()}

    def _generate_examples(self):
        yield 0, {"de": "Grüß Gott", "en": "Hello"}


def test_pairs_of_tfds(tmp_path, monkeypatch):
    builder = Phrases(data_dir=tmp_path)
    builder.download_and_prepare()
    monkeypatch.setattr(tfds_pairs, "prepared_builder", lambda name: builder)
    reading = read_pairs("tfds:phrases")
    assert found(reading, "train") == found(reading, "valid") == [("Hello", "Grüß Gott")]
    assert found(read_pairs("tfds:phrases", source="de"), "train") == [("Grüß Gott", "Hello")]
    with pytest.raises(UserError, match=r"^tfds:phrases: .* Received: the texts de, en\.$"):
        read_pairs("tfds:phrases", source="fr")


def test_a_row_of_a_data_set_that_is_not_utf8_is_told_by_its_place(monkeypatch):
    features = tfds.features.Translation(languages=("de", "en"))
    rows = tf.data.Dataset.from_tensor_slices({"de": ["ja", b"T\xfcr"], "en": ["yes", "door"]})
    info = SimpleNamespace(features=features, supervised_keys=None, splits={"train": None})
    builder = SimpleNamespace(info=info, as_dataset=lambda split, shuffle_files: rows)
    monkeypatch.setattr(tfds_pairs, "prepared_builder", lambda name: builder)
    with pytest.raises(UserError) as caught:
        read_pairs("tfds:phrases")
    message = "tfds:phrases, split train, row 1: expected UTF-8. Received: byte 0xfc (byte 1 of "
    assert str(caught.value).startswith(message)


def test_a_data_set_without_two_texts_is_refused(monkeypatch):
    features = tfds.features.FeaturesDict({"text": tfds.features.Text(), "label": tf.int64})
    builder = SimpleNamespace(info=SimpleNamespace(features=features, supervised_keys=None))
    monkeypatch.setattr(tfds_pairs, "prepared_builder", lambda name: builder)
    with pytest.raises(UserError, match="expected a data set with two texts"):
        read_pairs("tfds:reviews")


# --- bad input ----------------------------------------------------------------------------------


def fails(path, *arguments):
    with pytest.raises(UserError) as caught:
        read_pairs(str(path), *arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_of_unequal_length_tell_both_counts(tmp_path):
    """Every pair after the missing line would be wrong, without a word."""
    path = aligned(tmp_path, "train", PAIRS)
    with open(path, "a", encoding="utf-8") as file:
        file.write("More.\nAnd more.\n")
    assert "Received: 5 and 3 lines" in fails(path)
    assert "Received: 3 and 5 lines" in fails(path.replace(".en", ".fr"))


@pytest.mark.parametrize(("pair", "side"), [(("a", " "), "target"), (("\u00a0", "b"), "source")])
def test_an_empty_side_is_told(tmp_path, pair, side):
    path = table(tmp_path / "p.tsv", [*PAIRS, pair])
    assert fails(path).startswith(f"{path}:4: ")
    assert f"an empty {side}" in fails(path)


def test_lines_empty_on_both_sides_are_left_out(tmp_path):
    reading = read_pairs(aligned(tmp_path, "train", [*PAIRS, ("", "")]))
    assert found(reading) == PAIRS
    assert [dropped.place for dropped in reading.dropped] == [f"{tmp_path / 'train.en'}:4"]


def test_a_file_that_is_not_utf8_tells_the_byte(tmp_path):
    path = tmp_path / "p.tsv"
    path.write_bytes("a\tb\nwho\tété\n".encode("latin-1"))
    message = fails(path)
    assert message.startswith(f"{path}:2: expected UTF-8. Received: byte 0xe9")
    assert "byte 8 of the text" in message


@pytest.mark.parametrize(
    ("lines", "arguments", "expected"),
    [
        (
            "a\tb\nno tab\n",
            (),
            ":2: expected 2 columns with tabs between. Received: 1: no tab. If line n",
        ),
        ("a\tb\n", ("x",), "--source of a table is the number of a column, from 1. Received: x"),
        ("a\tb\n", ("0",), "Received: 0"),
        ("", (), "no pairs of sentences there"),
    ],
)
def test_tables_that_are_none(tmp_path, lines, arguments, expected):
    (tmp_path / "p.tsv").write_text(lines)
    message = fails(tmp_path / "p.tsv", *arguments)
    assert message.startswith(str(tmp_path / "p.tsv"))
    assert expected in message


def test_a_folder_that_does_not_say_what_is_translated(tmp_path):
    aligned(tmp_path, "train")
    assert "Say it: --source en --target fr" in fails(tmp_path)
    assert "expected files named *.de" in fails(tmp_path, "de")


def test_an_aligned_file_without_a_partner_or_with_several(tmp_path):
    path = aligned(tmp_path, "train", names=("en",))
    assert "Received: none" in fails(path)
    aligned(tmp_path, "train", names=("en", "de"))
    aligned(tmp_path, "train", names=("en", "fr"))
    assert "Received: files of the suffixes de, fr" in fails(path)
    assert found(read_pairs(path, target="fr")) == PAIRS


def test_a_file_that_is_no_part_of_the_data_is_named(tmp_path):
    for name in ("train", "test", "notes"):
        table(tmp_path / f"{name}.tsv")
    assert "Received: notes besides" in fails(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_nothing_to_read(tmp_path, name):
    (tmp_path / "empty").mkdir()
    assert fails(tmp_path / name).startswith(str(tmp_path / name))
