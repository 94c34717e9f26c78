"""What of a run must be equal, bit for bit, however often it was stopped."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def state(folder: Path) -> dict[str, Any]:
    """Weights, optimizer, best model, metrics.csv without `seconds`, metrics.json, floors."""
    with zipfile.ZipFile(folder / "model.keras") as archive:
        best = io.BytesIO(archive.read("model.weights.h5"))
    with (folder / "metrics.csv").open(newline="") as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    with np.load(folder / "floors.npz") as floors:
        fitted = {name: array.tobytes() for name, array in floors.items()}
    return {
        "last": _arrays(folder / "checkpoint" / "last.weights.h5"),
        "best": _arrays(best),
        "rows": rows,
        "metrics": (folder / "metrics.json").read_text(),
        "floors": fitted,
    }


def _arrays(file: Any) -> dict[str, bytes]:
    found = {}
    with h5py.File(file) as content:
        content.visititems(
            lambda name, item: (
                found.update({name: item[()].tobytes()}) if isinstance(item, h5py.Dataset) else None
            )
        )
    assert found
    return found
