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
    kind = _kind(cell)
    if issubclass(kind, keras.layers.RNN):
        return kind(units, **_of_keras(cell, arguments))
    return rnnkit.RNN(kind(units), **arguments)


def bidirectional_layer(cell: str, units: int, **arguments: Any) -> keras.layers.Layer:
    """The cell of this name over time in both directions, outputs side by side.

    Args:
        cell: a name of `rnnkit.CELLS`.
        units: int, width of each direction.
        **arguments: of the layer, as of `recurrent_layer`.

    Raises:
        UserError: as of `recurrent_layer`.
    """
    kind = _kind(cell)
    if issubclass(kind, keras.layers.RNN):
        name = arguments.pop("name", None)
        return keras.layers.Bidirectional(kind(units, **_of_keras(cell, arguments)), name=name)
    return rnnkit.BiRNN(kind(units), **arguments)


def _kind(cell: str) -> type[keras.layers.Layer]:
    if cell not in rnnkit.CELLS:
        raise unknown_name("cell", cell, rnnkit.CELLS, ALIASES)
    return rnnkit.CELLS[cell]


def _of_keras(cell: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that Keras's own layers know."""
    if (steps := arguments.pop("truncate_gradient", None)) is not None:
        raise UserError(
            "--bptt-steps needs a cell of rnnkit, because Keras's layers cannot cut the "
            f"gradient. Received: --cell {cell} --bptt-steps {steps}. Leave it out, or use "
            f"--cell {cell.removeprefix('keras_').replace('simple_rnn', 'vanilla')}."
        )
    return arguments
