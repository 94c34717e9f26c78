"""Answers as files: JSON Lines, CSV and TSV."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pipelines.errors import UserError


def to_json(value: Any) -> str:
    """One line of strict JSON: NumPy numbers become numbers, NaN and infinities become null."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def write_lines(answers: Iterable[dict[str, Any]], path: Path) -> None:
    """A JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(to_json(answer) + "\n" for answer in answers)


def write_csv(answers: Iterable[dict[str, Any]], path: Path, delimiter: str = ",") -> None:
    """A column a key of the first answer; what is no text or number is written as JSON.

    Raises:
        UserError: a later answer has a key that the first has not.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = None
        for number, answer in enumerate(answers, 1):
            if writer is None:
                writer = csv.DictWriter(
                    file, list(answer), delimiter=delimiter, lineterminator="\n", restval=""
                )
                writer.writeheader()
            if beyond := answer.keys() - set(writer.fieldnames):
                raise UserError(
                    f"{path}: answer {number} has {', '.join(sorted(beyond))}, for which the first "
                    "one makes no column. Write a .jsonl file, where each answer has its own keys."
                )
            writer.writerow({key: _cell(value) for key, value in answer.items()})


def write_tsv(answers: Iterable[dict[str, Any]], path: Path) -> None:
    """As `write_csv`, with tabs between the columns."""
    write_csv(answers, path, delimiter="\t")


def _cell(value: Any) -> str:
    value = _plain(value)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


WRITERS: Mapping[str, Callable[[Iterable[dict[str, Any]], Path], None]] = {
    ".jsonl": write_lines,
    ".csv": write_csv,
    ".tsv": write_tsv,
}
"""How answers are written, by the end of a file's name."""
