"""The file that training resumes from."""

from __future__ import annotations

import subprocess
import sys

FULL = """
import resource, sys
from pathlib import Path
import keras
from pipelines import checkpoint
from pipelines.errors import UserError

layers = [keras.layers.Dense(40) for _ in range(6)]
model = keras.Sequential([keras.Input((40,)), *layers])
model.compile("adam", "mse")
model.optimizer.build(model.trainable_variables)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
try:
    checkpoint.save(model, Path(sys.argv[1]))
except UserError as error:
    print(error)
"""


def test_a_full_disk_does_not_crash_the_process(tmp_path):
    """HDF5 ends the process with a fault some time after a write has failed under it. The limit
    on a file's size stands for the disk."""
    path = tmp_path / "last.weights.h5"
    done = subprocess.run(
        [sys.executable, "-c", FULL, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{path}: cannot be written (file too large)")
    assert "h5py" not in done.stderr
    assert not list(tmp_path.iterdir())
