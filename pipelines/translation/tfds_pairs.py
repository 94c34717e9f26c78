"""Pairs of sentences out of TensorFlow Datasets."""

from __future__ import annotations

from typing import Any

from pipelines.errors import UserError
from pipelines.tfds import decoded, prepared_builder

_PARTS = {"train": "train", "validation": "valid", "test": "test"}


def read_tfds(name: str, source: str, target: str) -> dict[str, list[tuple[str, str, str]]]:
    """Place, source and target of every pair of a data set, by part.

    Args:
        name: `tfds:NAME`.
        source, target: keys of its two texts. Empty: the data set's own order of them.

    Raises:
        UserError: the data set is not there, has no such two texts, or one is not UTF-8.
    """
    import tensorflow_datasets as tfds

    builder = prepared_builder(name)
    texts = [
        key
        for key, feature in builder.info.features.items()
        if isinstance(feature, tfds.features.Text)
    ]
    first, second = _keys(builder.info.supervised_keys, texts, source, target)
    if first not in texts or second not in texts or first == second:
        raise UserError(
            f"{name}: expected a data set with two texts a record, named by --source and --target. "
            f"Received: the texts {', '.join(texts) or 'none'}."
        )
    splits = [split for split in builder.info.splits if split in _PARTS]
    named = "train" in splits
    found: dict[str, list[tuple[str, str, str]]] = {}
    for split in splits if named else builder.info.splits:
        rows = tfds.as_numpy(builder.as_dataset(split=split, shuffle_files=False))
        pairs = found.setdefault(_PARTS[split] if named else "all", [])
        for k, row in enumerate(rows):
            place = f"{name}, split {split}, row {k}"
            both = decoded(row[first], place), decoded(row[second], place)
            pairs.append((f"{name} {split} {k}", *both))
    return found


def _keys(supervised: Any, texts: list[str], source: str, target: str) -> tuple[str, str]:
    order = [key for key in supervised or () if key in texts] + texts
    first = source or next((key for key in order if key != target), "")
    return first, target or next((key for key in order if key != first), "")
