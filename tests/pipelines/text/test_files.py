"""Text files as people have them."""

from __future__ import annotations

import gzip

import pytest

from pipelines.errors import UserError
from pipelines.text.files import kind, read_lines, read_text


def test_only_line_feeds_end_lines(tmp_path):
    """Other cuts would shift every line number after the first odd character."""
    path = tmp_path / "a.txt"
    path.write_bytes("one\u2028still\x85one\nzwei\r\nlast".encode())
    assert list(read_lines(path)) == ["one\u2028still\x85one\n", "zwei\r\n", "last"]


def test_gz_reads_as_it_is(tmp_path):
    path = tmp_path / "a.csv.gz"
    with gzip.open(path, "wb") as file:
        file.write("naïve\n手\n".encode())
    assert read_text(path) == "naïve\n手\n"
    assert kind(path) == kind("x.CSV") == ".csv"


def test_a_byte_order_mark_is_no_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbftext,label\n\xef\xbb\xbf")
    assert list(read_lines(path)) == ["text,label\n", "\ufeff"]


def test_a_wrong_encoding_names_its_byte_and_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("good é\n".encode() + "café".encode("latin-1"))
    with pytest.raises(UserError) as caught:
        list(read_lines(path))
    assert str(caught.value) == (
        f"{path}:2: expected UTF-8. Received: byte 0xe9 after 3 characters of the line (byte 11 of "
        f"the text). If it is Windows text: iconv -f WINDOWS-1252 -t UTF-8 {path}"
    )
    assert path.read_bytes()[11] == 0xE9


def test_utf16_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n", "utf-16")
    with pytest.raises(UserError, match=r"a\.csv:1: expected UTF-8\. Received: UTF-16"):
        list(read_lines(path))


@pytest.mark.parametrize("damage", [lambda packed: packed[:-12], lambda packed: b"plain text"])
def test_a_damaged_gz_is_one_line(tmp_path, damage):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(damage(gzip.compress(b"line\n" * 1000)))
    with pytest.raises(UserError, match=r"a\.txt\.gz: expected a whole \.gz file"):
        list(read_lines(path))


def test_missing_files_and_folders_are_one_line(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        list(read_lines(tmp_path / "none"))
    with pytest.raises(UserError, match="Received: a folder"):
        list(read_lines(tmp_path))
