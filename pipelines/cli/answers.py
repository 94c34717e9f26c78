"""How an answer is printed: a table for people, JSON for programs."""

from __future__ import annotations

import numbers
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from pipelines.tables import to_json

WIDTH = 160  # of a table that goes into a file or a pipe
LONGEST = 8  # items of a list that a table shows; JSON has all


def print_json(value: Any) -> None:
    """The one JSON object of a `--json` answer."""
    sys.stdout.write(to_json(value) + "\n")


def print_table(header: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """A table on stdout; numbers are rounded to four digits after the point."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [[_words(cell) for cell in row] for row in rows]
    table = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD)
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: brackets in names are no markup
    terminal = sys.stdout.isatty()
    Console(file=sys.stdout, width=None if terminal else WIDTH, highlight=False).print(table)


def _words(cell: Any) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, numbers.Real) and not isinstance(cell, numbers.Integral):
        return f"{float(cell):.4f}"
    if isinstance(cell, (list, tuple)):
        return " ".join(map(str, cell)) if len(cell) <= LONGEST else f"{len(cell)} values"
    return "" if cell is None else str(cell)
