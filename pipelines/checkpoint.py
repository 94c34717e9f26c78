"""The state of training in one file, and random draws that depend on the epoch alone."""

from __future__ import annotations

import math
import os
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from pipelines.errors import UserError
from pipelines.files import replacing

HEADERS = 2**17  # bytes; what HDF5 writes beside the numbers is less


def save(model: keras.Model, path: Path) -> None:
    """Weights and optimizer of a compiled model, in one file that is replaced in one step."""
    with replacing(path) as beside:
        _claim(beside, [*model.variables, *model.optimizer.variables])
        model.save_weights(beside)


def _claim(path: Path, variables: list[keras.Variable]) -> None:
    """Asks the system for the room first: where a write of HDF5 fails, it crashes the process.

    Raises:
        OSError: there is none.
    """
    sizes = (math.prod(each.shape) * tf.as_dtype(each.dtype).size for each in variables)
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, HEADERS + sum(sizes))


def restore(model: keras.Model, path: Path) -> None:
    """What `save` wrote, into a compiled model of the same settings.

    Raises:
        UserError: the file is damaged or belongs to another model.
    """
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path}: expected the checkpoint of this model. Received: {reason} "
            "Train anew with --run NEW."
        ) from error


def epochs_done(model: keras.Model, steps_per_epoch: int) -> int:
    """Whole epochs behind the optimizer: the file itself tells, so that the two cannot differ."""
    return int(model.optimizer.iterations.numpy()) // steps_per_epoch


def reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Sets every seed generator of the model (dropout masks, noise) for one epoch."""
    generators = [v for v in model.variables if v.name == "seed_generator_state"]
    for number, state in enumerate(generators):
        state.assign(np.random.SeedSequence((seed, epoch, number)).generate_state(2) >> 1)
