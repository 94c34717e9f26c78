"""Pretrained word vectors: files of GloVe and word2vec, text or binary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pipelines.errors import UserError
from pipelines.text.files import open_bytes, undamaged

_PEEK = 1 << 16  # bytes by which text is told from binary
_CHUNK = 1 << 20  # bytes of a binary file that are read at a time
_KINDS = "a word and its numbers a line (GloVe, word2vec text), or word2vec's binary format"

Row = tuple[str, np.ndarray]


@dataclass(frozen=True)
class Vectors:
    """A vector a token of a vocabulary."""

    matrix: np.ndarray  # (tokens, width), float32; zero where the file has no vector
    found: np.ndarray  # (tokens,), bool

    @property
    def width(self) -> int:
        """Numbers a vector."""
        return self.matrix.shape[1]


def read_vectors(path: str | Path, vocabulary: Sequence[str], width: int | None = None) -> Vectors:
    """The vectors of a vocabulary's tokens, out of a file of any size.

    Rows of other words are passed over and never kept. A token that the file does not have as it
    is written takes the vector of the file's first word that is equal in lower case.

    Args:
        path: GloVe text (a word and its numbers a line), word2vec text (the same after a line with
            their count and width; also fastText's `.vec`) or word2vec binary; each also as `.gz`.
        vocabulary: the tokens, each once.
        width: int, numbers a vector must have. Default: None, as many as the file's first.

    Raises:
        UserError: the file is none of these, ends within a vector, or a vector is of another width.
    """
    places = {token: place for place, token in enumerate(vocabulary)}
    with open_bytes(path) as file, undamaged(path):
        head = file.peek(_PEEK)  # type: ignore[attr-defined]
        header = _header(head)
        wide = header[1] if header else len(head.partition(b"\n")[0].split()) - 1
        if wide < 1:
            raise UserError(f"{path}:1: expected {_KINDS}. Received: {head[:40]!r}.")
        if width not in (None, wide):
            raise UserError(
                f"{path}:1: expected vectors of {width} numbers. Received: {wide}. Give another "
                f"file, or an embedding of {wide} units."
            )
        if header:
            file.readline()
        if header and not _is_text(head.partition(b"\n")[2], wide):
            rows = _binary_rows(file, path, *header, places)
        else:
            rows = _text_rows(file, path, 2 if header else 1, wide, places)
        matrix = np.zeros((len(places), wide), np.float32)
        found = np.zeros(len(places), bool)
        exact = np.zeros(len(places), bool)
        for word, vector in rows:
            for token in {word, word.lower()} & places.keys():
                place = places[token]
                if not found[place] or (token == word and not exact[place]):
                    matrix[place], found[place], exact[place] = vector, True, token == word
    return Vectors(matrix, found)


def _header(head: bytes) -> tuple[int, int] | None:
    """Count and width: the first line of word2vec's formats."""
    fields = head.partition(b"\n")[0].split()
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        return int(fields[0]), int(fields[1])
    return None


def _is_text(rows: bytes, width: int) -> bool:
    fields = rows.partition(b"\n")[0].split()
    return len(fields) > width and all(map(_is_number, fields[-width:]))


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _text_rows(
    file: BinaryIO, path: str | Path, first: int, width: int, places: Mapping[str, int]
) -> Iterator[Row]:
    """The rows of words that are asked for, `first` being the number of the next line."""
    for number, line in enumerate(file, first):
        line = line.strip()
        word = line.partition(b" ")[0]
        if line.count(b" ") != width:
            if not line:
                continue
            fields = line.split()
            spare = fields[1 : len(fields) - width]  # of a word with blanks in it
            if len(fields) <= width or any(map(_is_number, spare)):
                raise UserError(
                    f"{path}:{number}: expected a word and {width} numbers, as in the lines "
                    f"before. Received: {len(fields) - 1}. Fetch the file again."
                )
            word = b" ".join(fields[:-width])
        text = word.decode(errors="replace")
        if text not in places and text.lower() not in places:
            continue
        try:
            vector = np.array(line.split()[-width:], np.float32)
        except ValueError as error:
            raise UserError(
                f"{path}:{number}: expected a word and {width} numbers. Received: {error}."
            ) from None
        yield text, _finite(vector, f"{path}:{number}", text)


def _binary_rows(
    file: BinaryIO, path: str | Path, words: int, width: int, places: Mapping[str, int]
) -> Iterator[Row]:
    """The rows of words that are asked for, after the header."""
    size = width * np.dtype("<f4").itemsize
    buffer, position = b"", 0
    for number in range(1, words + 1):
        while (blank := buffer.find(b" ", position)) < 0 or len(buffer) < blank + 1 + size:
            more = file.read(_CHUNK)
            if not more:
                raise UserError(
                    f"{path}: expected {words} vectors of {width} numbers. Received: an end "
                    f"within vector {number}. Fetch the file again."
                )
            buffer, position = buffer[position:] + more, 0
        text = buffer[position:blank].lstrip(b"\n").decode(errors="replace")
        if text in places or text.lower() in places:
            vector = np.frombuffer(buffer, "<f4", width, blank + 1)
            yield text, _finite(vector, f"{path}: vector {number}", text)
        position = blank + 1 + size


def _finite(vector: np.ndarray, place: str, word: str) -> np.ndarray:
    if not np.isfinite(vector).all():
        raise UserError(f"{place}: expected finite numbers for {word!r}. Received: nan or inf.")
    return vector
