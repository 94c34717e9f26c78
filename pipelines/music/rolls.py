"""Piano-roll data sets with given parts: `.mat` and `.json`."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.errors import UserError, require
from pipelines.music.pieces import KEYS, LOWEST, Piece

PARTS = ("train", "valid", "test")
SILENCE = -1
ROLLS = (".mat", ".json")
Rolls = dict[str, list[Piece]]


def read_rolls(path: Path) -> Rolls:
    """The parts of a piano-roll file.

    `.mat` (MATLAB, up to version 7): `traindata`, `validdata` and `testdata`, each a cell array of
    (T, 88) matrices of 0 and 1, column 0 being MIDI pitch 21.

    `.json`: a dictionary of `train`, `valid` and `test`, each a list of pieces; a piece is a list
    of steps, a step the list of the MIDI pitches that sound, -1 being silence.

    Neither tells when a key is struck, nor how long a step is.

    Raises:
        UserError: the file is none of these.
    """
    try:
        data = path.read_bytes()
        if path.name.lower().endswith(".gz"):
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    if path.name.lower().removesuffix(".gz").endswith(".mat"):
        return _read_mat(path, data)
    return _read_json(path, data)


def _read_mat(path: Path, data: bytes) -> Rolls:
    scipy_io = require("scipy.io", "music")
    try:
        content = scipy_io.loadmat(io.BytesIO(data))
    except NotImplementedError:
        raise UserError(
            f"{path}: expected a MATLAB file up to version 7. Received: version 7.3. "
            "Save it in MATLAB with save(..., '-v7')."
        ) from None
    except Exception as error:  # scipy lets whatever goes wrong in a corrupt file through
        raise UserError(f"{path}: expected a MATLAB file. Received: {error}") from error
    content = {key: value for key, value in content.items() if not key.startswith("__")}
    _check_keys(path, content, [f"{part}data" for part in PARTS])
    return {
        part: [
            _piece(path, f"{part}/{index}", matrix)
            for index, matrix in enumerate(np.ravel(_cells(path, content, f"{part}data")))
        ]
        for part in PARTS
    }


def _cells(path: Path, content: dict[str, Any], key: str) -> np.ndarray:
    cells = content[key]
    if cells.dtype != object:
        raise UserError(
            f"{path}: {key}: expected a cell array of (steps, {KEYS}) matrices. "
            f"Received: one {cells.dtype} array of shape {cells.shape}."
        )
    return cells


def _piece(path: Path, name: str, matrix: Any) -> Piece:
    if np.ndim(matrix) != 2 or np.shape(matrix)[1] != KEYS:
        raise UserError(
            f"{path}: {name}: expected a matrix of {KEYS} columns, one a key from MIDI pitch "
            f"{LOWEST}. Received: shape {np.shape(matrix)}."
        )
    matrix = matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)
    values = np.unique(matrix)
    if not np.isin(values, (0, 1)).all():
        odd = values[~np.isin(values, (0, 1))][0]
        raise UserError(f"{path}: {name}: expected values 0 and 1. Received: {odd}.")
    return Piece(name, matrix.astype(np.uint8), steps_per_beat=0, has_strikes=False)


def _read_json(path: Path, data: bytes) -> Rolls:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected JSON. Received: {error}") from error
    if not isinstance(content, dict):
        raise UserError(
            f"{path}: expected a dictionary of train, valid and test. "
            f"Received: a {type(content).__name__}."
        )
    _check_keys(path, content, PARTS)
    parts: Rolls = {part: [] for part in PARTS}
    for part in PARTS:
        for index, steps in enumerate(_list(path, part, content[part])):
            name, outside = f"{part}/{index}", 0
            roll = np.zeros((len(_list(path, name, steps)), KEYS), np.uint8)
            for step, pitches in enumerate(steps):
                for pitch in _list(path, f"{name}, step {step}", pitches):
                    if not _is_pitch(pitch):
                        raise UserError(
                            f"{path}: {name}, step {step}: expected MIDI pitches 0 to 127, or "
                            f"{SILENCE} for silence. Received: {json.dumps(pitch)[:40]}."
                        )
                    if 0 <= pitch - LOWEST < KEYS:
                        roll[step, int(pitch) - LOWEST] = 1
                    else:
                        outside += pitch != SILENCE
            piece = Piece(name, roll, steps_per_beat=0, has_strikes=False, outside=outside)
            parts[part].append(piece)
    return parts


def _is_pitch(value: Any) -> bool:
    whole = type(value) is int or (type(value) is float and value.is_integer())
    return whole and SILENCE <= value <= 127


def _check_keys(path: Path, content: dict[str, Any], expected: tuple[str, ...] | list[str]) -> None:
    if missing := [key for key in expected if key not in content]:
        raise UserError(
            f"{path}: expected {', '.join(expected)}; {', '.join(missing)} missing. "
            f"Received: {', '.join(map(str, content))[:200] or 'nothing'}."
        )


def _list(path: Path, place: str, value: Any) -> list:
    if not isinstance(value, list):
        raise UserError(
            f"{path}: {place}: expected a list. Received: {json.dumps(value)[:40]}. "
            'Example: {"train": [[[60, 64, 67], [60]]], "valid": [...], "test": [...]}'
        )
    return value
