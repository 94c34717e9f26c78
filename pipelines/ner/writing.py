"""Answers as columns, with the predicted tags as the last one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write_columns(answers: Iterable[dict[str, Any]], path: Path) -> None:
    """A token a line, its columns where the input had some, and its tag; tabs between.

    With the true tags in the column before, the file is what the script `conlleval` takes (with
    its option for tabs).
    """
    with path.open("w", encoding="utf-8") as file:
        for answer in answers:
            columns = answer.get("columns") or [[token] for token in answer["tokens"]]
            for cells, tag in zip(columns, answer["tags"], strict=True):
                file.write("\t".join([*cells, tag]) + "\n")
            file.write("\n")
