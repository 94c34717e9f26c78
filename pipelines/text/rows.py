"""Tables in text files: CSV, TSV and JSON Lines, row by row, each with its line number."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from pipelines.errors import UserError
from pipelines.text.files import kind, read_lines

KINDS = (".csv", ".tsv", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class Row:
    """A row, or what is wrong with it."""

    line: int  # where it begins, from 1
    values: Mapping[str, Any]  # by column; of JSON Lines of any type
    fault: str = ""  # what was expected and received, for a row that cannot be read


@dataclass(frozen=True)
class Table:
    """A file of rows, read as far as the names of its columns."""

    path: Path
    columns: list[str]
    rows: Iterator[Row]

    def column(self, wanted: str, known: Sequence[str], flag: str) -> str:
        """The name of the column `wanted`, or without it of the one whose name is `known`.

        Args:
            wanted: str, "" where the user named none.
            known: names in lower case, without blanks and signs.
            flag: the option by which the user names one, for messages.

        Raises:
            UserError: the column is missing, or none or several have such names.
        """
        found = [name for name in self.columns if re.sub(r"[\W_]", "", name.lower()) in known]
        if wanted in self.columns or (not wanted and len(found) == 1):
            return wanted or found[0]
        columns = ", ".join(map(repr, self.columns))
        if wanted:
            expected = f"a column {wanted!r} (asked for by {flag})"
        elif found:
            expected = f"one column that {flag} may mean, but {' and '.join(found)} may both be it"
        else:
            expected = f"a first line that names a column {', '.join(known[:3])} or the like"
        raise UserError(
            f"{self.path}:1: expected {expected}. Received the columns {columns}. "
            f"Name one with {flag}."
        )


def open_table(path: str | Path) -> Table:
    """Opens a `.csv`, `.tsv`, `.jsonl` or `.ndjson` file, also as `.gz`.

    The first line of CSV and TSV names the columns; those of JSON Lines are the keys of the first
    object. In TSV a quotation mark is text, but where two enclose a whole field.

    Raises:
        UserError: the file cannot be read, is empty, or names a column twice. While rows are read:
            its encoding is wrong, or a quoted field of a CSV file does not end.
    """
    path = Path(path)
    suffix = kind(path)
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines(path)
    fields = _csv_fields(path) if suffix == ".csv" else _tsv_fields(path)
    first = next(fields, None)
    if first is None:
        raise UserError(f"{path}:1: expected a line that names the columns. Received: nothing.")
    columns = [name.strip() for name in first[1]]
    if len(set(columns)) < len(columns):
        raise UserError(
            f"{path}:1: expected a name of its own for each column. Received: {', '.join(columns)}."
        )
    return Table(path, columns, (_row(columns, line, values) for line, values in fields))


def _row(columns: list[str], line: int, values: list[str]) -> Row:
    if len(values) == len(columns):
        return Row(line, dict(zip(columns, values, strict=True)))
    fault = f"expected {len(columns)} fields ({', '.join(columns)}). Received: {len(values)}"
    if len(values) > len(columns):
        fault += ". Is a text with a separator in it not in quotation marks?"
    return Row(line, {}, fault)


def _csv_fields(path: Path) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # texts may be longer than its 131072
    reader = csv.reader(read_lines(path), strict=True)
    line = 1
    try:
        for values in reader:
            if values:
                yield line, values
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"{path}:{line}: expected quotation marks in pairs, and doubled within a text. "
            f"Received: {error}."
        ) from None


def _tsv_fields(path: Path) -> Iterator[tuple[int, list[str]]]:
    for line, text in enumerate(read_lines(path), 1):
        text = text.rstrip("\r\n")
        if text:
            yield line, [_unquoted(field) for field in text.split("\t")]


def _unquoted(field: str) -> str:
    inside = field[1:-1]
    quoted = len(field) > 1 and field[0] == field[-1] == '"'
    if quoted and '"' not in inside.replace('""', ""):
        return inside.replace('""', '"')
    return field


def _json_lines(path: Path) -> Table:
    rows = _objects(path)
    first = next(rows, None)
    if first is None:
        raise UserError(f"{path}:1: expected a JSON object a line. Received: nothing.")
    if first.fault:
        raise UserError(
            f"{path}:{first.line}: {first.fault}. Of a list of objects, `jq -c '.[]'` makes a file "
            "of lines."
        )
    return Table(path, list(first.values), chain([first], rows))


def _objects(path: Path) -> Iterator[Row]:
    for line, text in enumerate(read_lines(path), 1):
        if not text.strip():
            continue
        try:
            value = json.loads(text)
        except ValueError as error:
            yield Row(line, {}, f"expected a JSON object. Received: {error}")
            continue
        if isinstance(value, dict):
            yield Row(line, value)
        else:
            yield Row(line, {}, f"expected a JSON object. Received: {text.strip()[:40]}")
