"""Pretrained vectors in every format, and in every state in which people have them."""

from __future__ import annotations

import gzip
import tracemalloc

import numpy as np
import pytest

from pipelines.errors import UserError
from pipelines.text.vectors import read_vectors

WORDS = ["the", "naïve", "Paris", "手", "unseen", "zebra"]
MATRIX = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32)


def text_rows(words=WORDS, matrix=MATRIX):
    rows = (" ".join([word, *map(str, row)]) for word, row in zip(words, matrix, strict=True))
    return ("\n".join(rows) + "\n").encode()


def binary_rows(newline):
    return b"".join(
        word.encode() + b" " + row.astype("<f4").tobytes() + newline
        for word, row in zip(WORDS, MATRIX, strict=True)
    )


HEADER = f"{len(WORDS)} 5\n".encode()
FORMATS = {
    "glove.txt": text_rows(),
    "word2vec.txt": HEADER + text_rows(),
    "word2vec.bin": HEADER + binary_rows(b""),
    "word2vec-lines.bin": HEADER + binary_rows(b"\n"),
    "packed.txt.gz": gzip.compress(text_rows()),
    "packed.bin.gz": gzip.compress(HEADER + binary_rows(b"")),
}


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_vectors(tmp_path, name):
    path = written(tmp_path, name, FORMATS[name])
    vectors = read_vectors(path, ["手", "missing", "naïve", "zebra", "the"], width=5)
    assert vectors.found.tolist() == [True, False, True, True, True]
    np.testing.assert_array_equal(vectors.matrix[[0, 2, 3, 4]], MATRIX[[3, 1, 5, 0]])
    assert not vectors.matrix[1].any()
    assert vectors.width == 5


def test_a_word_in_lower_case_takes_the_vector_of_its_capitalised_form(tmp_path):
    """Vectors of news know `Paris`; a vocabulary in lower case asks for `paris`."""
    path = written(tmp_path, "v.txt", b"THE 1\nThe 2\nthe 3\nParis 4\nPARIS 5\n")
    vectors = read_vectors(path, ["the", "paris", "The"])
    assert vectors.matrix[:, 0].tolist() == [3, 4, 2]


def test_words_with_blanks_in_them(tmp_path):
    """The largest GloVe file has such rows."""
    path = written(tmp_path, "v.txt", b"a 1 2\n. . . 3 4\nb 5 6\n")
    vectors = read_vectors(path, ["b", ". . ."])
    assert vectors.matrix.tolist() == [[5, 6], [3, 4]]


def test_only_the_rows_asked_for_are_kept(tmp_path):
    """A file of gigabytes must not need gigabytes."""
    words = [f"w{k}" for k in range(4000)]
    matrix = np.zeros((4000, 200), np.float32)
    path = written(
        tmp_path,
        "v.bin",
        b"4000 200\n"
        + b"".join(
            word.encode() + b" " + row.tobytes() for word, row in zip(words, matrix, strict=True)
        ),
    )  # 3.2 MB; a float object a number would be 25 MB
    tracemalloc.start()
    read_vectors(path, ["w3999"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6


BAD = {
    "another width than asked": (
        text_rows(),
        7,
        r"v:1: expected vectors of 7 numbers\. Received: 5",
    ),
    "a shorter row": (
        text_rows() + b"odd 1 2\n",
        5,
        r"v:7: expected a word and 5 numbers.*Received: 2",
    ),
    "a longer row": (b"a 1 2\nodd 1 2 3\n", 2, r"v:2: expected a word and 2 numbers.*Received: 3"),
    "no number": (b"a 1 2\nthe 1 x\n", 2, r"v:2: expected a word and 2 numbers.*'?x"),
    "not finite": (b"a 1 2\nthe 1 nan\n", 2, r"v:2: expected finite numbers for 'the'"),
    "not vectors at all": (b"text,label\n", None, r"v:1: expected a word and its numbers a line"),
    "empty": (b"", None, r"v:1: expected a word and its numbers a line"),
    "cut off": (HEADER + binary_rows(b"")[:-3], 5, r"v: expected 6 vectors.*within vector 6"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_one_line(tmp_path, case):
    content, width, message = BAD[case]
    path = written(tmp_path, "v", content)
    with pytest.raises(UserError, match=message):
        read_vectors(path, ["the", "zebra"], width)
