"""From the name of a cell to a recurrent layer."""

from __future__ import annotations

from typing import Any

import keras

import rnnkit
from pipelines.errors import unknown_name

ALIASES = {
    "elman": "vanilla",
    "rnn": "vanilla",
    "simple_rnn": "vanilla",
    "jordan": "output_recurrent",
    "peephole": "peephole_lstm",
    "cifg": "coupled_lstm",
}


def recurrent_layer(cell: str, units: int, **arguments: Any) -> keras.layers.Layer:
    """The cell of this name over time, with `arguments` of the layer (`return_sequences=True`).

    Every layer it makes has a `cell` with Keras's contract, for one step at a time.

    Raises:
        UserError: no cell has this name.
    """
    if cell not in rnnkit.CELLS:
        raise unknown_name("cell", cell, rnnkit.CELLS, ALIASES)
    kind = rnnkit.CELLS[cell]
    if issubclass(kind, keras.layers.RNN):
        return kind(units, **arguments)
    return rnnkit.RNN(kind(units), **arguments)
