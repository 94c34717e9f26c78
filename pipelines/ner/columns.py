"""Files of columns, as CoNLL's: a token a line, a blank line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import UserError
from pipelines.ner.schemes import is_tag
from pipelines.text.files import read_lines

DOCUMENT = "-DOCSTART-"
COMMENT = "#"
TOKEN_AND_TAG = "a token a line, its tag last, tabs or blanks between"


@dataclass(frozen=True)
class Rows:
    """A sentence as it stands in a file."""

    path: str
    lines: tuple[int, ...]  # the number of each token's line
    cells: tuple[tuple[str, ...], ...]  # of each line
    document: int  # which of the file's documents, from 1; 0 before the first -DOCSTART-

    @property
    def tokens(self) -> tuple[str, ...]:
        """The first column."""
        return tuple(cells[0] for cells in self.cells)

    def place(self, token: int) -> str:
        """`file:line` of a token."""
        return f"{self.path}:{self.lines[token]}"


def read_columns(path: str | Path, *, labels: bool = False, fewest: int = 2) -> Iterator[Rows]:
    r"""The sentences of a file, one after the other.

    The first line with a token decides: with a tab in it columns are between tabs, else between
    blanks, and every line must have as many columns. Lines of blanks only end a sentence, and so
    do `-DOCSTART-` lines, which begin a document. A line that begins with `#` at the start of a
    sentence is a comment, unless it has the columns of a token: `#`, then what could be a tag.

    Args:
        path: a text file, UTF-8, also as `.gz`.
        labels: True where any text can be a label, False where the last column is a tag of a
            scheme.
        fewest: int, columns that a line must have at least: 2, or 1 where tags may be missing.

    Raises:
        UserError: `file:line` of the line that is not as the first one.
    """
    layout: _Layout | None = None
    lines: list[int] = []
    cells: list[tuple[str, ...]] = []
    document = 0

    def sentence() -> Rows:
        return Rows(str(path), tuple(lines), tuple(cells), document)

    for number, raw in enumerate(read_lines(path), 1):
        line = raw.rstrip("\r\n")
        opens = line.startswith(DOCUMENT)
        if opens or not line.strip():
            if cells:
                yield sentence()
                lines, cells = [], []
            document += opens
            continue
        if line.startswith(COMMENT) and not cells and _is_comment(line, layout, labels):
            continue
        if layout is None:
            layout = _Layout.of(line, number)
            if layout.count < fewest:
                raise UserError(
                    f"{path}:{number}: expected {TOKEN_AND_TAG}. Received: {_short(line)}, which "
                    "has no tag. Sentences without tags can be given to `rnnkit predict`."
                )
        cells.append(layout.split(line, f"{path}:{number}"))
        lines.append(number)
    if cells:
        yield sentence()


@dataclass(frozen=True)
class _Layout:
    """How the columns of a file are separated, and how many there are, by its first token."""

    separator: str  # a tab or a blank
    count: int
    line: int

    @classmethod
    def of(cls, line: str, number: int) -> _Layout:
        separator = "\t" if "\t" in line else " "
        return cls(separator, len(_cells(line, separator)), number)

    def split(self, line: str, place: str) -> tuple[str, ...]:
        cells = _cells(line, self.separator)
        if len(cells) == self.count and all(cells) and (self.separator == "\t" or "\t" not in line):
            return cells
        ours, other = ("tabs", "blanks") if self.separator == "\t" else ("blanks", "tabs")
        wanted = f"{self.count} columns between {ours}, as in line {self.line}"
        if len(_cells(line, "\t" if self.separator == " " else " ")) == self.count:
            raise UserError(
                f"{place}: expected {wanted}. Received: columns between {other}, {_short(line)}. "
                "Use one separator in the whole file."
            )
        if len(cells) == self.count and not all(cells):
            missing = "token" if not cells[0] else "tag" if not cells[-1] else "cell"
            raise UserError(
                f"{place}: expected {wanted}. Received: an empty {missing}, {_short(line)}."
            )
        hint = " Is its tag missing?" if len(cells) < self.count else ""
        raise UserError(
            f"{place}: expected {wanted}. Received: {len(cells)}, {_short(line)}.{hint}"
        )


def _cells(line: str, separator: str) -> tuple[str, ...]:
    if separator == "\t":
        return tuple(cell.strip(" ") for cell in line.split("\t"))
    return tuple(re.split("[ ]+", line.strip(" ")))  # str.split would cut at further characters


def _is_comment(line: str, layout: _Layout | None, labels: bool) -> bool:
    if layout is None:
        layout = _Layout.of(line, 0)
        labels = labels and layout.count == 2
    cells = _cells(line, layout.separator)
    return len(cells) != layout.count or not (labels or is_tag(cells[-1]))


def _short(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")
