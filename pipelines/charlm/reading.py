"""Where texts come from: a file, TensorFlow Datasets, or Python's own documentation."""

from __future__ import annotations

from pathlib import Path

from pipelines.charlm.texts import Text
from pipelines.errors import UserError
from pipelines.task import Reading
from pipelines.text.files import read_text

TOPICS = "Python's documentation topics"


def read_source(source: str | None) -> Reading[Text]:
    """The text of a source.

    Args:
        source: a UTF-8 text file, plain or `.gz`; `tfds:NAME` of a data set with the feature
            "text", whose own parts are kept; None: the texts that Python's `help()` shows.

    Raises:
        UserError: there is no text, or it is not UTF-8 (with the line or the row, and the byte).
    """
    if source is None:
        characters = documentation_topics()
        return Reading({"all": [Text(TOPICS, characters)]}, _said(TOPICS, characters))
    if source.startswith("tfds:"):
        return _data_set(source)
    path = Path(source)
    if path.is_dir():
        raise UserError(
            f"{source}: expected a text file. Received: a folder. Join its files: cat {source}/* "
            "> all.txt"
        )
    characters = read_text(path)
    if not characters:
        raise UserError(f"{source}: expected a text. Received: an empty file.")
    return Reading({"all": [Text(path.name, characters)]}, _said(path.name, characters))


def documentation_topics() -> str:
    """What Python's `help()` knows of the language, each paragraph once.

    Topics quote each other; a paragraph that stood in the training part and in the test part would
    be recited, not predicted.
    """
    from pydoc_data.topics import topics

    paragraphs = (part.strip("\n") for text in topics.values() for part in text.split("\n\n"))
    return "\n\n".join(dict.fromkeys(part for part in paragraphs if part.strip())) + "\n"


def _data_set(source: str) -> Reading[Text]:
    import tensorflow as tf

    from pipelines.tfds import decoded, prepared_builder

    builder = prepared_builder(source)
    features = dict(builder.info.features or {})
    spec = features["text"].get_tensor_spec() if "text" in features else None
    if not (isinstance(spec, tf.TensorSpec) and spec.dtype == tf.string and spec.shape.rank == 0):
        kinds = [f"{name} ({type(feature).__name__})" for name, feature in features.items()]
        raise UserError(
            f"{source}: expected a data set with the feature text, a string a row. Received: "
            f"{', '.join(kinds) or 'none'}. Example: tfds:tiny_shakespeare."
        )
    names = {"train": "train", "validation": "valid", "test": "test"}
    parts = {}
    for split in builder.info.splits:
        rows = builder.as_dataset(split=split).as_numpy_iterator()
        parts[names.get(split, split)] = "\n".join(
            decoded(row["text"], f"{source}, split {split}, row {k}") for k, row in enumerate(rows)
        )
    kept = {part: text for part, text in parts.items() if part in names.values() and text}
    if "train" not in kept:
        raise UserError(
            f"{source}: expected a training part with text. Received: {', '.join(parts)}."
        )
    return Reading(
        {part: [Text(f"{source}, {part}", text)] for part, text in kept.items()},
        _said(source, "".join(kept.values())),
    )


def _said(name: str, characters: str) -> str:
    return f"{name}: {len(characters):,} characters, {len(set(characters))} distinct"
