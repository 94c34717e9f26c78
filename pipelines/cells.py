"""From the name of a cell to a recurrent layer."""

from __future__ import annotations

import importlib
from typing import Any

import keras

import rnnkit
from pipelines.errors import UserError, unknown_name
from rnnkit.cells.base import BaseCell

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

    A name is one of `rnnkit.CELLS`, or `module:Class` for a cell of one's own. Every layer it makes
    has a `cell` with Keras's contract, for one step at a time.

    Raises:
        UserError: no cell has this name, or `truncate_gradient` is asked of a layer of Keras.
    """
    kind = cell_class(cell)
    if issubclass(kind, keras.layers.RNN):
        return kind(units, **_of_keras(cell, arguments))
    return rnnkit.RNN(kind(units), **arguments)


def bidirectional_layer(cell: str, units: int, **arguments: Any) -> keras.layers.Layer:
    """The cell of this name over time in both directions, outputs side by side.

    Args:
        cell: a name, as of `recurrent_layer`.
        units: int, width of each direction.
        **arguments: of the layer, as of `recurrent_layer`.

    Raises:
        UserError: as of `recurrent_layer`.
    """
    kind = cell_class(cell)
    if issubclass(kind, keras.layers.RNN):
        name = arguments.pop("name", None)
        return keras.layers.Bidirectional(kind(units, **_of_keras(cell, arguments)), name=name)
    return rnnkit.BiRNN(kind(units), **arguments)


def cell_class(name: str) -> type[keras.layers.Layer]:
    """What a name stands for: a row of `rnnkit.CELLS`, or `module:Class`, a registered subclass of
    `rnnkit.Cell` in a module that Python finds.

    Raises:
        UserError: there is none of that name.
    """
    if ":" in name:
        return _imported(name)
    if name not in rnnkit.CELLS:
        raise unknown_name("cell", name, rnnkit.CELLS, ALIASES)
    return rnnkit.CELLS[name]


def short_name(cell: str) -> str:
    """The name without its module: what tables and folders are called by."""
    return cell.rpartition(":")[2]


def _imported(name: str) -> type[keras.layers.Layer]:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except (ImportError, ValueError) as error:
        raise UserError(
            f"cell {name!r}: {module or 'an empty name'} cannot be imported ({error}). Expected "
            "module:Class; PYTHONPATH=FOLDER tells Python where the module is."
        ) from error
    if not (isinstance(found, type) and issubclass(found, BaseCell)):
        raise UserError(
            f"cell {name!r}: expected a subclass of rnnkit.Cell. Received: {found!r}. "
            f"Example: {module}:MyCell"
        )
    if keras.saving.get_registered_name(found) == found.__name__:
        raise UserError(
            f"cell {name!r}: a saved model could not be loaded again. Decorate the class with "
            '@keras.saving.register_keras_serializable("my_package").'
        )
    return found


def _of_keras(cell: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that Keras's own layers know."""
    if (steps := arguments.pop("truncate_gradient", None)) is not None:
        raise UserError(
            "--bptt-steps needs a cell of rnnkit, because Keras's layers cannot cut the "
            f"gradient. Received: --cell {cell} --bptt-steps {steps}. Leave it out, or use "
            f"--cell {cell.removeprefix('keras_').replace('simple_rnn', 'vanilla')}."
        )
    return arguments
