"""What `rnnkit predict --input` reads: text, a line a sentence, or columns; in a stream."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from pipelines.errors import UserError
from pipelines.ner.columns import COMMENT, read_columns
from pipelines.ner.reading import files_of_columns
from pipelines.ner.schemes import is_tag
from pipelines.ner.sentences import Sentence
from pipelines.ner.tagging import cut
from pipelines.text.files import kind, read_lines

COLUMNS = (".conll", ".iob", ".iob1", ".iob2", ".bio", ".iobes", ".bioes")
LOOKED_AT = 20  # lines with a token


def read(source: str, columns: bool) -> Iterator[Sentence]:
    """The sentences of a source; of columns the first are the tokens, the others are kept.

    A file of columns is told by its name, by `columns`, or by a first few lines that all end in a
    tag.

    Args:
        source: a file, a folder of files of columns, or `tfds:NAME`.
        columns: whether a file has columns, whatever its name.

    Raises:
        UserError: no such file, one that cannot be read, or without a sentence.
    """
    found = _sentences(source, columns)
    first = next(found, None)
    if first is None:
        raise UserError(f"{source}: expected sentences. Received: an empty file.")
    return chain([first], found)


def _sentences(source: str, columns: bool) -> Iterator[Sentence]:
    if source.startswith("tfds:"):
        from pipelines.ner.datasets import read_tokens  # imports TensorFlow Datasets

        yield from read_tokens(source)
        return
    path = Path(source)
    if not path.exists():
        raise UserError(
            f"{source}: no such file. Expected sentences, a line each, or a file of columns."
        )
    for _, file in files_of_columns(path)[0] if path.is_dir() else [("", path)]:
        yield from _columns(file) if columns or _has_columns(file) else _lines(file)


def _has_columns(path: Path) -> bool:
    return kind(path) in COLUMNS or _has_tags(path)


def _has_tags(path: Path) -> bool:
    """Whether the first few lines with a token all end in a tag of a scheme."""
    cells = []
    for line in read_lines(path):
        if line.strip() and not line.startswith(COMMENT):
            cells.append(line.split())
        if len(cells) == LOOKED_AT:
            break
    return bool(cells) and all(len(line) > 1 and is_tag(line[-1]) for line in cells)


def _columns(path: Path) -> Iterator[Sentence]:
    for rows in read_columns(path, labels=not _has_tags(path), fewest=1):
        yield Sentence(rows.place(0), rows.tokens, cells=rows.cells)


def _lines(path: Path) -> Iterator[Sentence]:
    texts = (line.rstrip("\r\n") for line in read_lines(path))
    return cut((text for text in texts if text.strip()), str(path))
