"""Reads labelled texts: the one door to all their formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from pipelines.errors import UserError
from pipelines.sentiment.folders import read_folder
from pipelines.sentiment.reviews import Review
from pipelines.sentiment.settings import SentimentSettings
from pipelines.sentiment.tables import labelled
from pipelines.sentiment.tfds_texts import read_tfds
from pipelines.task import Reading
from pipelines.text.files import kind
from pipelines.text.rows import KINDS

EXPECTED = (
    f"a table of texts and labels ({', '.join(KINDS)}, also as .gz), or a folder with a folder of "
    ".txt files a class"
)


def read_reviews(source: str | None, settings: SentimentSettings) -> Reading[Review]:
    """The labelled texts of a source.

    Args:
        source: a table (CSV, TSV, JSON Lines), a folder with a folder of text files a class,
            `tfds:NAME`; None: reviews written for this project.
        settings: whose `text_column` and `label_column` name the columns of a table, or the
            features of a TFDS set.

    Returns:
        The texts: under "train", "valid" and "test" where the source has such parts, else under
        "all".

    Raises:
        UserError: nothing there is a text with a label.
    """
    if source is None:
        return _embedded()
    if source.startswith("tfds:"):
        return _told(read_tfds(source, settings.text_column, settings.label_column))
    path = Path(source)
    if not path.exists():
        raise UserError(f"{source}: no such file or folder. Expected {EXPECTED}.")
    if path.is_dir():
        return _told(read_folder(path))
    if kind(path) not in KINDS:
        raise UserError(f"{source}: expected {EXPECTED}. Received: {kind(path) or 'no suffix'}.")
    records, dropped = labelled(path, settings.text_column, settings.label_column)
    if not records:
        raise UserError(
            f"{dropped[0].place}: {dropped[0].reason} (and {len(dropped) - 1} more rows). "
            "Nothing is left to read."
            if dropped
            else f"{path}:2: expected rows after the names of the columns. Received: none."
        )
    return _told(Reading({"all": records}, f"{len(records)} texts of {path.name}", dropped))


def _embedded() -> Reading[Review]:
    place = resources.files("pipelines.sentiment").joinpath("reviews.tsv")
    with resources.as_file(place) as path:
        records, _ = labelled(path, "text", "label")
    return Reading(
        {"all": records},
        f"{len(records)} reviews written for rnnkit, to check that everything works: too few and "
        "too tidy for a model that judges other texts",
    )


def _told(reading: Reading[Review]) -> Reading[Review]:
    """The reading with remarks on what a reader should know of its texts."""
    records = [record for part in reading.parts.values() for record in part]
    return Reading(reading.parts, reading.description, reading.dropped, _remarks(records))


def _remarks(records: Sequence[Review]) -> list[str]:
    times = Counter(record.group for record in records)
    copies = sum(times.values()) - len(times)
    judged = {(record.group, record.label) for record in records}
    torn = len(judged) - len(times)
    composed = sum(not record.is_composed for record in records)
    remarks = []
    if copies:
        remarks.append(f"{copies} texts are copies of others; copies stay in one part")
    if torn:
        remarks.append(f"{torn} of these copies have another label than the first")
    if composed:
        remarks.append(
            f"{composed} texts are not in Unicode's form NFC: equal words that are written in two "
            "ways count as two"
        )
    return remarks
