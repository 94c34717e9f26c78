"""FASTA files, plain or `.gz`, in pieces: a chromosome in one line needs no more memory than a gene
in many."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from pipelines.dna.alphabets import ALPHABETS
from pipelines.errors import UserError
from pipelines.task import Dropped

SUFFIXES = (".fa", ".fasta", ".fna", ".ffn", ".faa", ".fas")
PIECE = 1 << 16  # letters in memory at a time


@dataclass(frozen=True)
class Header:
    """The line that begins an entry, without its `>`."""

    text: str
    line: int

    @property
    def name(self) -> str:
        """Its first word."""
        return (self.text.split() or [""])[0]


@dataclass(frozen=True)
class Letters:
    """A part of a line of letters, in upper case."""

    text: str
    line: int
    column: int  # of its first letter, from 1


@dataclass(frozen=True)
class Entry:
    """A whole sequence."""

    header: Header
    letters: str


def kind(path: Path) -> str:
    """The suffix of a file, without `.gz`, in lower case."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def stem(path: Path) -> str:
    """The name of a file without suffix and `.gz`."""
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    return Path(name).stem


@contextlib.contextmanager
def open_file(path: Path) -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
    """The content of a file, unpacked if it is `.gz`, and how many of its bytes on disk are read.

    Raises:
        UserError: there is no such file, it may not be read, or it is damaged.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"{path}: cannot be read ({reason}).") from None
    with raw:
        packed = path.name.lower().endswith(".gz")
        try:
            yield cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw, raw.tell
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UserError(f"{path}: the .gz file is damaged ({error}). Pack it again.") from None


def read_pieces(path: Path, file: BinaryIO | None = None) -> Iterator[Header | Letters]:
    """Headers and letters in the order of the file.

    Args:
        path: of the file.
        file: the same, opened, where the caller wants to know how far it is read.

    Raises:
        UserError: the file is empty, binary, FASTQ, damaged, or has letters before a header.
    """
    if file is not None:
        yield from _pieces(path, file)
        return
    with open_file(path) as (opened, _):
        yield from _pieces(path, opened)


def _pieces(path: Path, file: BinaryIO) -> Iterator[Header | Letters]:
    number, column, seen = 1, 1, False
    while part := file.readline(PIECE):
        whole = part.endswith(b"\n")
        text = part.rstrip(b"\r\n")
        if not seen:
            text = text.removeprefix(b"\xef\xbb\xbf")
            if text.strip():
                _check_beginning(path, number, text)
        if column == 1 and text.startswith(b">"):
            while not whole and (more := file.readline(PIECE)):
                text, whole = text + more.rstrip(b"\r\n"), more.endswith(b"\n")
            seen = True
            yield Header(text[1:].decode("utf-8", "replace").strip(), number)
        elif column == 1 and text.startswith(b";"):  # a comment of old files
            while not whole and (more := file.readline(PIECE)):
                whole = more.endswith(b"\n")
        elif text.strip():
            indent = len(text) - len(text.lstrip())
            yield Letters(text.strip().decode("latin-1").upper(), number, column + indent)
        number, column = (number + 1, 1) if whole else (number, column + len(part))
    if not seen:
        raise UserError(
            f"{path}: expected FASTA, `>name` and lines of letters. Received: an empty file."
        )


def _check_beginning(path: Path, line: int, text: bytes) -> None:
    try:
        binary = any(ord(letter) < 9 or 13 < ord(letter) < 32 for letter in text.decode())
    except UnicodeDecodeError:
        binary = True
    if binary:
        raise UserError(
            f"{path}: expected FASTA, `>name` and lines of letters. Received: a binary file."
        )
    if text.startswith(b"@"):
        raise UserError(
            f"{path}:{line}: expected FASTA. Received: FASTQ, a line with @. Convert it first: "
            "every record becomes `>name` and its letters, the qualities are left out."
        )
    if not text.startswith((b">", b";")):
        shown = text[:30].decode("latin-1")
        raise UserError(
            f"{path}:{line}: expected FASTA, whose first line is `>name`. Received: {shown!r}."
        )


def read_entries(path: Path, alphabet: str | None) -> Iterator[Entry | Dropped]:
    """Whole sequences; one that is empty or has a letter outside the alphabet is a `Dropped` that
    says where. Without an alphabet letters are not looked at."""
    header: Header | None = None
    parts: list[str] = []
    wrong: Dropped | None = None
    stop: Dropped | None = None  # a `*`, which is none of the letters unless it ends a protein
    for piece in read_pieces(path):
        if isinstance(piece, Letters):
            wrong, stop = wrong or stop, None
            text = piece.text
            if alphabet is not None:
                text = ALPHABETS[alphabet].trimmed(text)
                known = dataclasses.replace(piece, text=text)
                wrong = wrong or stranger(path, known, alphabet)
            if text != piece.text:
                stop = stranger(path, piece, str(alphabet))
            parts.append(text)
            continue
        if header is not None:
            yield wrong or _entry(path, header, parts)
        header, parts, wrong, stop = piece, [], None, None
    if header is not None:
        yield wrong or _entry(path, header, parts)


def _entry(path: Path, header: Header, parts: list[str]) -> Entry | Dropped:
    letters = "".join(parts)
    if not letters:
        return Dropped(f"{path}:{header.line}", f"{header.name or 'the entry'} has no letters")
    return Entry(header, letters)


def stranger(path: Path, piece: Letters, alphabet: str) -> Dropped | None:
    """What is said of the first letter outside the alphabet; None if there is none."""
    place = ALPHABETS[alphabet].stranger(piece.text)
    if place is None:
        return None
    where = f"{path}:{piece.line}:{piece.column + place}"
    return Dropped(where, wrong_letter(piece.text[place], alphabet))


def wrong_letter(letter: str, alphabet: str) -> str:
    """Why a letter cannot be read, and the alphabet that has it."""
    kind = ALPHABETS[alphabet]
    others = [name for name, other in ALPHABETS.items() if letter in other.symbols]
    hint = f"; --alphabet {others[0]} has it" if others else ""
    return (
        f"{letter!r} is no letter of {alphabet} ({kind.letters}, ambiguous "
        f"{''.join(kind.ambiguous)}){hint}"
    )
