"""Labelled texts out of TensorFlow Datasets."""

from __future__ import annotations

from typing import Any

from pipelines.errors import UserError
from pipelines.sentiment.reviews import Review
from pipelines.task import Dropped, Reading

PARTS = {"train": "train", "validation": "valid", "valid": "valid", "dev": "valid", "test": "test"}


def read_tfds(source: str, text_feature: str = "", label_feature: str = "") -> Reading[Review]:
    """The texts of `tfds:NAME`, any set with a text and a class label, such as `imdb_reviews`.

    Args:
        source: `tfds:NAME`.
        text_feature, label_feature: str, names of the two features; "" takes the only one of its
            kind.

    Raises:
        UserError: the set is not there, or has no such features.
    """
    import tensorflow_datasets as tfds

    from pipelines.tfds import prepared_builder

    builder = prepared_builder(source)
    features = builder.info.features
    text = _feature(source, features, tfds.features.Text, text_feature, "--text-column")
    label = _feature(source, features, tfds.features.ClassLabel, label_feature, "--label-column")
    names = features[label].names
    parts: dict[str, list[Review]] = {}
    dropped: list[Dropped] = []
    for split in builder.info.splits:
        if split not in PARTS:
            continue
        part = parts.setdefault(PARTS[split], [])
        for k, example in enumerate(builder.as_dataset(split=split).as_numpy_iterator()):
            words, number = example[text].decode(errors="replace"), int(example[label])
            if words.strip() and 0 <= number < len(names):
                part.append(Review(f"{source} {split}[{k}]", words, names[number]))
            else:
                fault = "expected a text and a label. Received: an empty text or no label"
                dropped.append(Dropped(f"{source} {split}[{k}]", fault))
    if not parts.get("train"):
        raise UserError(
            f"{source}: expected a split named train with texts. Received the splits: "
            f"{', '.join(builder.info.splits)}."
        )
    if len(parts) == 1:
        parts = {"all": parts["train"]}
    counts = ", ".join(f"{len(records)} {part}" for part, records in parts.items())
    return Reading(parts, f"texts of {source}: {counts}", dropped)


def _feature(source: str, features: Any, kind: type, wanted: str, flag: str) -> str:
    found = [name for name, feature in dict(features).items() if isinstance(feature, kind)]
    if wanted in found or (not wanted and len(found) == 1):
        return wanted or found[0]
    raise UserError(
        f"{source}: expected a feature {wanted or 'of type ' + kind.__name__}, and one alone. "
        f"Received: {', '.join(found) or 'none'} of all its features {', '.join(features)}. "
        f"Name it with {flag}."
    )
