"""Sequences in tables: CSV or TSV with a line of column names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from pipelines.dna.alphabets import ALPHABETS
from pipelines.dna.fasta import kind, open_file, wrong_letter
from pipelines.dna.sequences import BioSequence
from pipelines.errors import UserError
from pipelines.labelled import NoLabelsError
from pipelines.task import Dropped

DELIMITERS = {".csv": ",", ".tsv": "\t"}
PARTS = {"train": "train", "valid": "valid", "validation": "valid", "dev": "valid", "test": "test"}
Row = tuple[str | None, BioSequence]  # its part, where the table tells one


def read_table(
    path: Path, alphabet: str, *, per_base: bool, labelled: bool
) -> Iterator[Row | Dropped]:
    """The rows of a table with the columns `sequence` and `label`, in any order.

    Further columns that are read: `name`, `group`, `chromosome`, `split` (train, valid or test).
    With `per_base`, the column `labels` has a character for each letter.

    Args:
        path: of the table.
        alphabet: of the sequences.
        per_base: bool.
        labelled: bool, whether there must be labels.

    Raises:
        NoLabelsError: there are sequences, and no column of labels.
        UserError: the file is no such table.
    """
    column = "labels" if per_base else "label"
    csv.field_size_limit(10**9)
    with open_file(path) as (raw, _), io.TextIOWrapper(raw, "utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter=DELIMITERS[kind(path)])
        try:
            header = [name.strip().lower() for name in next(rows, [])]
            needed = ["sequence", *([column] if labelled else [])]
            if missing := [name for name in needed if name not in header]:
                received = ",".join(header)[:80] or "an empty file"
                error = NoLabelsError if missing == [column] else UserError
                raise error(
                    f"{path}:1: expected columns {','.join(needed)} (further ones: name, group, "
                    f"chromosome, split); {','.join(missing)} is missing. Received: {received}."
                )
            for cells in rows:
                if any(cell.strip() for cell in cells):
                    row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
                    yield _row(f"{path}:{rows.line_num}", row, alphabet, per_base, labelled)
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(
                f"{path}:{rows.line_num + 1}: expected a table of text. Received: {error}."
            ) from None


def _row(
    place: str, row: dict[str, str], alphabet: str, per_base: bool, labelled: bool
) -> Row | Dropped:
    letters = ALPHABETS[alphabet].trimmed(row.get("sequence", "").upper())
    if not letters:
        return Dropped(place, "no letters in column sequence")
    if (column := ALPHABETS[alphabet].stranger(letters)) is not None:
        return Dropped(f"{place}:{column + 1}", wrong_letter(letters[column], alphabet))
    label = None if per_base else row.get("label") or None
    labels = tuple(row.get("labels", "")) if per_base else None
    if labelled and not (labels if per_base else label):
        return Dropped(place, f"no {'labels' if per_base else 'label'}")
    if labels and len(labels) != len(letters):
        return Dropped(place, f"{len(labels)} labels for {len(letters)} letters")
    split = row.get("split", "").lower()
    if split and split not in PARTS:
        return Dropped(place, f"split must be train, valid or test, not {split}")
    record = BioSequence(
        name=row.get("name") or place,
        letters=letters,
        label=label,
        labels=labels or None,
        group=row.get("group", ""),
        chromosome=row.get("chromosome") or None,
        columns={} if labelled else row,
    )
    return PARTS.get(split), record
