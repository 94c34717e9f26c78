"""What `rnnkit predict --input` reads: text, a line a sentence, or columns; in a stream."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pipelines.errors import UserError
from pipelines.ner.columns import read_columns
from pipelines.ner.schemes import is_tag
from pipelines.ner.sentences import Sentence
from pipelines.ner.tagging import cut
from pipelines.text.files import kind, read_lines

COLUMNS = (".conll", ".iob", ".iob1", ".iob2", ".bio", ".iobes", ".bioes")
LOOKED_AT = 20  # lines


def read(source: str, columns: bool) -> Iterator[Sentence]:
    """The sentences of a file; the first column of columns are tokens, the others are kept.

    A file of columns is told by its name, by `columns`, or by a first few lines that all end in a
    tag.

    Raises:
        UserError: no such file, one that cannot be read, or without a sentence.
    """
    path = Path(source)
    if path.is_dir() or not path.exists():
        received = "a folder" if path.is_dir() else "no such file"
        raise UserError(
            f"{source}: expected a file of sentences, a line each, or of columns. "
            f"Received: {received}."
        )
    found = _columns(path) if columns or _has_columns(path) else _lines(path)
    first = next(found, None)
    if first is None:
        raise UserError(f"{source}: expected sentences. Received: an empty file.")
    return _chained(first, found)


def _chained(first: Sentence, others: Iterator[Sentence]) -> Iterator[Sentence]:
    yield first
    yield from others


def _has_columns(path: Path) -> bool:
    if kind(path) in COLUMNS:
        return True
    lines = (line.split() for line in islice(read_lines(path), LOOKED_AT))
    cells = [line for line in lines if line]
    return bool(cells) and all(len(line) > 1 and is_tag(line[-1]) for line in cells)


def _columns(path: Path) -> Iterator[Sentence]:
    for rows in read_columns(path, labels=True, fewest=1):
        yield Sentence(rows.place(0), rows.tokens, cells=rows.cells)


def _lines(path: Path) -> Iterator[Sentence]:
    texts = (line.rstrip("\r\n") for line in read_lines(path))
    return cut((text for text in texts if text.strip()), str(path))
