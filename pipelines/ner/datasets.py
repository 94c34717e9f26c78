"""Data sets of TensorFlow Datasets that hold tokens with a tag each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds

from pipelines.errors import UserError
from pipelines.ner.reading import Tagged
from pipelines.ner.sentences import Sentence
from pipelines.tfds import decoded, prepared_builder

SPLITS = {"train": "train", "validation": "valid", "valid": "valid", "dev": "valid", "test": "test"}
USUAL = ("ner", "ner_tags", "tags")  # names of the feature where there are several


def read_dataset(source: str, tag_column: str = "") -> Iterator[Tagged]:
    """The tagged sentences of `tfds:NAME`, each with the part of its split.

    Args:
        source: names a data set with a sequence of texts, the tokens, and a sequence of class
            labels, the tags.
        tag_column: the feature of the tags. Default: `ner`, `tags`, or the only one.

    Raises:
        UserError: the data set is not there, or has no such features.
    """
    builder = prepared_builder(source)
    tokens, tags = _features(source, builder.info.features, tag_column)
    names = builder.info.features[tags].feature.names
    for split in builder.info.splits:
        examples = builder.as_dataset(split=split, shuffle_files=False)
        for number, example in enumerate(tfds.as_numpy(examples)):
            place = f"{source}:{split}[{number}]"
            texts = tuple(decoded(text, place) for text in example[tokens])
            if not texts:
                continue
            yield Tagged(
                SPLITS.get(split, split if len(builder.info.splits) > 1 else "all"),
                texts,
                tuple(names[tag] for tag in example[tags]),
                tuple(f"{place} token {k}" for k in range(1, len(texts) + 1)),
                "",
            )


def read_tokens(source: str) -> Iterator[Sentence]:
    """The sentences of every split, in a stream, without their tags.

    Raises:
        UserError: as of `read_dataset`.
    """
    for tagged in read_dataset(source):
        yield Sentence(tagged.places[0], tagged.tokens)


def _features(source: str, features: Any, tag_column: str) -> tuple[str, str]:
    """The names of the tokens and of the tags."""
    texts = [name for name in features if _holds(features[name], tfds.features.Text)]
    labels = [name for name in features if _holds(features[name], tfds.features.ClassLabel)]
    tokens = "tokens" if "tokens" in texts else texts[0] if len(texts) == 1 else None
    if tag_column:
        tags = tag_column if tag_column in labels else None
    else:
        usual = [name for name in USUAL if name in labels]
        tags = usual[0] if usual else labels[0] if len(labels) == 1 else None
    if tokens is None or tags is None:
        choice = f" Choose with --tag-column {' or '.join(labels)}." if labels else ""
        raise UserError(
            f"{source}: expected a data set with tokens, a sequence of texts, and "
            f"{tag_column or 'tags'}, a sequence of class labels. Received: {', '.join(features)}."
            f"{choice}"
        )
    return tokens, tags


def _holds(feature: Any, kind: type) -> bool:
    return isinstance(feature, tfds.features.Sequence) and isinstance(feature.feature, kind)
