"""What a classifier takes for what: a table, and its picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipelines.figures import save_figure

NUMBERED = 12  # classes up to which the cells of the picture hold their counts


def confusion(truth: np.ndarray, decided: np.ndarray, classes: int) -> np.ndarray:
    """Counts (classes, classes): a row a true label, a column an answer."""
    table = np.zeros((classes, classes), int)
    np.add.at(table, (truth, decided), 1)
    return table


def draw_confusion(counts: np.ndarray, names: Sequence[str], path: Path) -> None:
    """The table as a PNG; colours are shares of the row."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 2.5 + 0.5 * len(names)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the true label")
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=45, ha="right")
    axes.set_yticks(ticks, names)
    axes.set(xlabel="answer", ylabel="true label")
    if len(names) <= NUMBERED:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
    save_figure(figure, path)
