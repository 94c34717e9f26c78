"""Piano-roll data sets: the benchmarks of the field, read to the frame."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import UserError
from pipelines.music.pieces import KEYS
from pipelines.music.reading import read_music

scipy_io = pytest.importorskip("scipy.io")

CHORDS = {
    "train": [[[60, 64, 67], [60], []], [[21, 108]]],
    "valid": [[[72]]],
    "test": [[[48, 55], [48, 55]]],
}


def as_matrices(parts: dict) -> dict[str, np.ndarray]:
    """The form of the `.mat` files: per part a 1 x N cell array of 0/1 matrices."""
    content = {}
    for part, pieces in parts.items():
        cells = np.empty((1, len(pieces)), object)
        for k, steps in enumerate(pieces):
            cells[0, k] = np.zeros((len(steps), KEYS), np.uint8)
            for step, pitches in enumerate(steps):
                cells[0, k][step, np.array(pitches, int) - 21] = 1
        content[f"{part}data"] = cells
    return content


def write(path: Path, content) -> str:
    if path.suffix == ".mat":
        scipy_io.savemat(path, content)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(json.dumps(content).encode()))
    else:
        path.write_text(json.dumps(content))
    return str(path)


@pytest.mark.parametrize("name", ["rolls.json", "rolls.json.gz", "rolls.mat"])
def test_the_given_parts_and_every_note_are_kept(tmp_path: Path, name: str):
    """A published split would be mixed, or a figure would not be comparable."""
    path = tmp_path / name
    reading = read_music(write(path, as_matrices(CHORDS) if path.suffix == ".mat" else CHORDS))
    read = {
        part: [[(np.flatnonzero(step) + 21).tolist() for step in piece.roll] for piece in pieces]
        for part, pieces in reading.parts.items()
    }
    assert read == CHORDS
    piece = reading.parts["train"][0]
    assert (piece.name, piece.steps_per_beat, piece.has_strikes) == ("train/0", 0, False)
    assert piece.roll.max() == 1


def test_voices_with_silence(tmp_path: Path):
    """Four voices a step, -1 where one rests, and numbers written as 67.0, are notes as well."""
    voices = {"train": [[[67.0, 60, 55, -1]]], "valid": [[[72, -1, -1, -1]]], "test": [[[60]]]}
    reading = read_music(write(tmp_path / "voices.json", voices))
    assert (np.flatnonzero(reading.parts["train"][0].roll) + 21).tolist() == [55, 60, 67]
    assert reading.remarks == []


def test_what_is_left_out_is_said(tmp_path: Path):
    """Silent pieces and notes no piano has would vanish without a word."""
    parts = {**CHORDS, "train": [[[60, 20, 110]], [[], []]]}
    reading = read_music(write(tmp_path / "rolls.json", parts))
    assert reading.remarks == ["2 notes outside the 88 keys left out"]
    assert [(d.place.split(": ")[1], d.reason) for d in reading.dropped] == [
        ("train/1", "no notes")
    ]


MATRICES = as_matrices(CHORDS)


def with_first(matrix) -> dict:
    cells = MATRICES["traindata"].copy()
    cells[0, 0] = matrix
    return {**MATRICES, "traindata": cells}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", {"train": [], "dev": []}, "expected train, valid, test; valid, test missing. "),
        ("a.json", [[[60]]], "expected a dictionary of train, valid and test. Received: a list"),
        ("a.json", {**CHORDS, "valid": 3}, "valid: expected a list. Received: 3"),
        ("a.json", {**CHORDS, "test": [[60, 62]]}, "test/0, step 0: expected a list. Received: 60"),
        ("a.json", {**CHORDS, "test": [[["C4"]]]}, 'MIDI pitches 0 to 127, .* Received: "C4"'),
        ("a.json", {**CHORDS, "test": [[[60.5]]]}, "Received: 60.5"),
        ("a.json", {**CHORDS, "test": [[[True]]]}, "Received: true"),
        ("a.json", {**CHORDS, "test": [[[128]]]}, "Received: 128"),
        ("a.json", {**CHORDS, "valid": [[[]]]}, "valid: expected at least one piece with notes"),
        ("a.mat", {"x": np.zeros((3, 88))}, "expected traindata, validdata, testdata; "),
        ("a.mat", with_first(np.zeros((3, 12))), r"train/0: expected a matrix of 88 columns, .*12"),
        ("a.mat", with_first(np.full((3, 88), 0.5)), "train/0: expected values 0 and 1. .*0.5"),
        ("a.mat", with_first(np.full((3, 88), np.nan)), "expected values 0 and 1. Received: nan"),
        ("a.mat", with_first("words"), "train/0: expected a matrix"),
        ("a.mat", {**MATRICES, "testdata": np.zeros((3, 88))}, "testdata: expected a cell array"),
    ],
)
def test_another_content_is_one_clear_line(tmp_path: Path, name: str, content, message: str):
    """The user would see a traceback of scipy or NumPy and not which piece is wrong."""
    path = write(tmp_path / name, content)
    with pytest.raises(UserError, match=message) as caught:
        read_music(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.mat", b"no mat file", "expected a MATLAB file"),
        ("a.mat", b"", "expected a MATLAB file"),
        ("a.json", b"{", "expected JSON"),
        ("a.json", b"\xff\xfe\x00", "expected JSON"),
        ("a.json", b"[" * 100_000, "expected JSON"),
        ("a.json.gz", b"{}", "cannot be read"),
        ("a.mat", b"MATLAB 7.3 MAT-file" + b" " * 105 + b"\x00\x02IM" + b"\0" * 400, "version 7"),
    ],
)
def test_a_damaged_file_is_one_clear_line(tmp_path: Path, name: str, data: bytes, message: str):
    """The user would see a traceback."""
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UserError, match=message) as caught:
        read_music(str(path))
    assert "\n" not in str(caught.value)
