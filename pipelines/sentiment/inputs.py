"""Texts to be labelled, from wherever they are: read as a stream, with the columns beside them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import UserError
from pipelines.sentiment.tables import text_column_of, text_of
from pipelines.text.files import kind, read_lines, read_text
from pipelines.text.rows import KINDS, open_table


@dataclass(frozen=True)
class Row:
    """A text and what stands beside it."""

    columns: dict[str, Any]
    text: str  # "" where a table has none


def typed(texts: Sequence[str]) -> Iterator[Row]:
    """Texts as they were typed.

    Raises:
        UserError: one of them is blank.
    """
    for text in texts:
        if not text.strip():
            raise UserError("expected a text. Received: an empty one.")
        yield Row({"text": text}, text)


def read_rows(source: str, text_column: str = "") -> Iterator[Row]:
    """The texts of a table (CSV, TSV, JSON Lines), of a `.txt` file with a text a line, of a folder
    of `.txt` files, or of `tfds:NAME`.

    A row of a table keeps its place even without a text; one that cannot be read is told on stderr
    and left out.

    Args:
        source: a path or `tfds:NAME`.
        text_column: str, "" finds the column by the usual names.

    Raises:
        UserError: nothing there can be read.
    """
    path = Path(source)
    if source.startswith("tfds:"):
        return _of_tfds(source, text_column)
    if not path.exists():
        raise UserError(f"{source}: no such file or folder.")
    if path.is_dir():
        return _of_folder(path)
    if kind(path) in KINDS:
        return _of_table(path, text_column)
    if kind(path) == ".txt":
        lines = ((number, line.strip()) for number, line in enumerate(read_lines(path), 1))
        return (
            Row({"name": f"{path}:{number}", "text": line}, line) for number, line in lines if line
        )
    raise UserError(
        f"{source}: expected {', '.join(KINDS)}, .txt with a text a line, or a folder of .txt "
        f"files. Received: {kind(path) or 'no suffix'}."
    )


def _of_table(path: Path, text_column: str) -> Iterator[Row]:
    table = open_table(path)
    column = text_column_of(table, text_column)

    def rows() -> Iterator[Row]:
        for row in table.rows:
            if row.fault:
                print(f"left out: {path}:{row.line}: {row.fault}", file=sys.stderr)
            else:
                yield Row(dict(row.values), text_of(row, column))

    return rows()


def _of_folder(folder: Path) -> Iterator[Row]:
    files = sorted(file for file in folder.rglob("*") if kind(file) == ".txt")
    if not files:
        raise UserError(f"{folder}: expected .txt files with a text each. Received: none.")
    return (Row({"name": str(file)}, read_text(file).strip()) for file in files)


def _of_tfds(source: str, text_column: str) -> Iterator[Row]:
    from pipelines.sentiment.tfds_texts import read_tfds

    parts = read_tfds(source, text_column).parts
    return (
        Row({"name": record.name, "text": record.text}, record.text)
        for records in parts.values()
        for record in records
    )
