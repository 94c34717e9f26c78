"""A set of TensorFlow Datasets with a text and a class label, whatever they are called."""

from __future__ import annotations

import pytest

from pipelines import tfds as pipelines_tfds
from pipelines.errors import UserError
from pipelines.sentiment.tfds_texts import read_tfds


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    import tensorflow_datasets as tfds

    class Opinions(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict(
                {
                    "title": tfds.features.Text(),
                    "words": tfds.features.Text(),
                    "mood": tfds.features.ClassLabel(names=["sad", "glad"]),
                }
            )
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, manager):
            return {
                "train": self._rows(5),
                "validation": self._rows(2),
                "unsupervised": self._rows(3),
            }

        def _rows(self, count):
            for k in range(count):
                words = "très bien" if k else "  "
                yield k, {"title": "t", "words": words, "mood": "glad" if k % 2 else "sad"}

        def _generate_examples(self):
            raise NotImplementedError

    made = Opinions(data_dir=str(tmp_path_factory.mktemp("tfds")))
    made.download_and_prepare()
    return made


def test_any_set_with_a_text_and_a_class_label(builder, monkeypatch):
    monkeypatch.setattr(pipelines_tfds, "prepared_builder", lambda source: builder)
    reading = read_tfds("tfds:opinions", "words")
    assert {part: len(records) for part, records in reading.parts.items()} == {
        "train": 4,
        "valid": 1,
    }
    assert {(r.text, r.label) for r in reading.parts["train"]} == {
        ("très bien", "sad"),
        ("très bien", "glad"),
    }
    assert [each.place for each in reading.dropped] == [
        r.place for r in reading.dropped if "opinions" in r.place
    ]
    assert len(reading.dropped) == 2
    with pytest.raises(UserError, match=r"and one alone\. Received: title, words.*--text-column"):
        read_tfds("tfds:opinions")
