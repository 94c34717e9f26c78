"""Weights by name, from the files that TensorFlow 2 and Keras 2 wrote.

    .h5            `save_weights` and `save` of Keras 2     rnn/peephole_lstm_cell/kernel
    .weights.h5    `save_weights` of TensorFlow 2.12 on     layers/rnn/cell/vars/0
    checkpoint     `save_weights` and `tf.train.Checkpoint` layer_with_weights-0/cell/kernel

h5py comes with Keras. TensorFlow is imported when a checkpoint is read, and for nothing else: with
another backend it need not be installed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def read_weights(path: Any) -> Arrays:
    """The weights in a file, by the path under which it keeps them; an optimizer's are left out.

    Args:
        path: an HDF5 file, or a checkpoint: its prefix, as `save_weights` was given it, its
            `.index` file, or the folder with the file `checkpoint`.

    Raises:
        ValueError: there is no such file, or it is of neither kind.
    """
    path = Path(path)
    checkpoint = path.with_suffix("") if path.suffix == ".index" else path
    if path.is_dir() or checkpoint.with_name(f"{checkpoint.name}.index").exists():
        found = _from_checkpoint(checkpoint)
    elif path.exists():
        found = _from_hdf5(path)
    else:
        raise ValueError(
            "Expected an HDF5 file or a TensorFlow checkpoint. "
            f"Received: {path}, which does not exist."
        )
    return {name: array for name, array in found.items() if not name.startswith("optimizer")}


def the_only_one(
    found: Iterable[str], among: Arrays, what: str, part: str | None, example: str
) -> str:
    """The path of what was found, if it is one.

    Args:
        found: the path to each.
        among: all weights of the file.
        what: was looked for.
        part: that paths had to have in them, or None.
        example: how to say which.

    Raises:
        ValueError: nothing was found, or several.
    """
    found = list(found)
    if len(found) != 1:
        received = f"{len(found)} of them ({', '.join(found)})" if found else "none"
        within = f" under {part!r}" if part else ""
        raise ValueError(
            f"Expected one {what}{within}. Received: {received}, among "
            f"{', '.join(among) or 'no weights'}. Example: {example}."
        )
    return found[0]


def _from_hdf5(path: Path) -> Arrays:
    import h5py

    found: Arrays = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name.removesuffix(":0")] = np.asarray(item)

    try:
        with h5py.File(path) as file:
            file.visititems(keep)
    except OSError as error:
        raise ValueError(
            f"Expected an HDF5 file or a TensorFlow checkpoint. Received: {path} ({error})."
        ) from error
    return found


def _from_checkpoint(prefix: Path) -> Arrays:
    try:
        import tensorflow as tf
    except ModuleNotFoundError as error:
        raise ValueError(
            "A TensorFlow checkpoint is read by TensorFlow, which is not installed. "
            f"Received: {prefix}. Install tensorflow, or save the weights as .h5."
        ) from error

    try:
        reader = tf.train.load_checkpoint(str(prefix))
    except (ValueError, tf.errors.OpError) as error:
        raise ValueError(
            f"Expected a TensorFlow checkpoint. Received: {prefix} ({error})."
        ) from error
    return {
        name.removesuffix(_VALUE): reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.endswith(_VALUE) and ".OPTIMIZER_SLOT" not in name
    }
