"""Text files, plain or `.gz`, line by line; an encoding that is wrong is told by its byte."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from pipelines.errors import UserError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some editors begin UTF-8 with it
_OTHERS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def open_bytes(path: str | Path) -> BinaryIO:
    """Opens a file for reading bytes; what ends in `.gz` is unpacked on the way.

    Raises:
        UserError: there is no such file, or it is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path}: expected a file. Received: a folder.")
    if not path.exists():
        raise UserError(f"{path}: no such file.")
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def read_lines(path: str | Path) -> Iterator[str]:
    """The lines of a UTF-8 file in their order, each with its line end as it stands there.

    Only a line feed ends a line: the other characters that `str.splitlines` cuts at are text.

    Raises:
        UserError: the file is missing, damaged, or not UTF-8: names the line and the byte.
    """
    with open_bytes(path) as file, undamaged(path):
        position = 0
        for number, raw in enumerate(file, 1):
            if number == 1:
                _refuse_utf16(path, raw)
                if raw.startswith(_BYTE_ORDER_MARK):
                    raw, position = raw[3:], 3
            yield _decode(path, raw, number, position)
            position += len(raw)


def read_text(path: str | Path) -> str:
    """A whole UTF-8 file; line ends are as they stand there.

    Raises:
        UserError: as of `read_lines`.
    """
    return "".join(read_lines(path))


@contextlib.contextmanager
def undamaged(path: str | Path) -> Iterator[None]:
    """Turns what unpacking a damaged `.gz` raises into one line.

    Raises:
        UserError: the file is damaged.
    """
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(
            f"{path}: expected a whole .gz file. Received: a damaged one ({error}). Pack or fetch "
            "it again."
        ) from None


def kind(path: str | Path) -> str:
    """The suffix that tells the kind of a file: `.csv` of `reviews.CSV.gz`."""
    path = Path(path)
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()


def _refuse_utf16(path: str | Path, first: bytes) -> None:
    if encoding := _OTHERS.get(first[:2]):
        raise UserError(
            f"{path}:1: expected UTF-8. Received: {encoding} (it begins with the bytes "
            f"{first[:2].hex(' ')}). Convert it: iconv -f {encoding} -t UTF-8 {path}"
        )


def _decode(path: str | Path, raw: bytes, number: int, position: int) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        before = len(raw[: error.start].decode())
        raise UserError(
            f"{path}:{number}: expected UTF-8. Received: byte 0x{raw[error.start]:02x} after "
            f"{before} characters of the line (byte {position + error.start} of the text). "
            f"If it is Windows text: iconv -f WINDOWS-1252 -t UTF-8 {path}"
        ) from None
