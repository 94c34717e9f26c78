"""Texts out of tables, with labels to learn from or without."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.sentiment.reviews import Review
from pipelines.task import Dropped
from pipelines.text.rows import Row, Table, open_table

TEXT_NAMES = (
    "text",
    "review",
    "sentence",
    "comment",
    "content",
    "body",
    "message",
    "tweet",
    "post",
)
LABEL_NAMES = ("label", "sentiment", "class", "category", "target", "polarity", "rating", "stars")


def labelled(
    path: Path, text_column: str = "", label_column: str = ""
) -> tuple[list[Review], list[Dropped]]:
    """The texts of a table, and the rows that were left out.

    Args:
        path: a CSV, TSV or JSON Lines file.
        text_column, label_column: str, names of the two columns; "" finds each by the usual names.

    Raises:
        UserError: the file cannot be read, or a column is missing.
    """
    table = open_table(path)
    label_name = table.column(label_column, LABEL_NAMES, "--label-column")
    text_name = text_column_of(table, text_column, label_name)
    records: list[Review] = []
    dropped: list[Dropped] = []
    for row in table.rows:
        fault = row.fault or _text_fault(row.values, text_name) or _label_fault(row, label_name)
        if fault:
            dropped.append(Dropped(f"{path}:{row.line}", fault))
        else:
            label = row.values[label_name]
            records.append(Review(f"{path}:{row.line}", row.values[text_name], as_label(label)))
    return records, dropped


def text_column_of(table: Table, wanted: str, label_name: str = "") -> str:
    """The column of the text: the one that is wanted, has a usual name, or is the only one beside
    the label.

    Raises:
        UserError: there is none of these.
    """
    others = [name for name in table.columns if name != label_name]
    if not wanted and len(others) == 1:
        return others[0]
    return table.column(wanted, TEXT_NAMES, "--text-column")


def text_of(row: Row, column: str) -> str:
    """The text of a row, "" where it has none."""
    value = row.values.get(column)
    return value if isinstance(value, str) and value.strip() else ""


def as_label(value: Any) -> str:
    """A label as a string; JSON's true and false are written as in JSON."""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _text_fault(values: Mapping[str, Any], column: str) -> str:
    value = values.get(column)
    if value is None:
        return f"expected a text under {column!r}. Received: none"
    if not isinstance(value, str):
        return f"expected a text under {column!r}. Received: {value!r}"
    return "" if value.strip() else f"expected a text under {column!r}. Received: an empty one"


def _label_fault(row: Row, column: str) -> str:
    value = row.values.get(column)
    if isinstance(value, (str, int, float)) and as_label(value):
        return ""
    return f"expected a label under {column!r}. Received: {value!r}"
