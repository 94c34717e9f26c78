"""Widths of anybody's cells."""

from __future__ import annotations

from typing import Any

from keras import tree

from rnnkit.cells.wrappers import Wrapper


def sizes(cell: Any) -> list[int]:
    """Widths of the states of a cell."""
    return tree.flatten(cell.state_size)


def own_sizes(cell: Any) -> list[int]:
    """Widths of the states of the cell within all wrappers, which are the first ones."""
    while isinstance(cell, Wrapper):
        cell = cell.cell
    return sizes(cell)


def output_size(cell: Any) -> int:
    """Width of the output of a cell."""
    return getattr(cell, "output_size", None) or sizes(cell)[0]


def memory_size(cell: Any) -> int:
    """How many tensors of memory a cell reads behind its states."""
    return getattr(cell, "memory_size", 0)
