"""From the name of a cell to a recurrent layer."""

from __future__ import annotations

from typing import Any

import keras

import rnnkit
from pipelines.errors import UserError, unknown_name

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
        UserError: no cell has this name, or `truncate_gradient` is asked of a layer of Keras.
    """
    if cell not in rnnkit.CELLS:
        raise unknown_name("cell", cell, rnnkit.CELLS, ALIASES)
    kind = rnnkit.CELLS[cell]
    if issubclass(kind, keras.layers.RNN):
        if (steps := arguments.pop("truncate_gradient", None)) is not None:
            raise UserError(
                "--bptt-steps needs a cell of rnnkit, because Keras's layers cannot cut the "
                f"gradient. Received: --cell {cell} --bptt-steps {steps}. Leave it out, or use "
                f"--cell {cell.removeprefix('keras_').replace('simple_rnn', 'vanilla')}."
            )
        return kind(units, **arguments)
    return rnnkit.RNN(kind(units), **arguments)
