"""Pictures of a classifier of texts: what it confuses, and whether it is as right as it is sure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipelines.files import replacing
from pipelines.sentiment.scores import calibration_error
from pipelines.sentiment.scores import confusion as confusion_table
from pipelines.sentiment.scores import reliability as reliability_table

NUMBERED = 12  # classes up to which the cells of the table hold their counts


def confusion(
    labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str], folder: Path
) -> None:
    """`confusion.png`: a row a true label, a column an answer; colours are shares of the row."""
    counts = confusion_table(labels, probabilities.argmax(1), len(names))
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
    _save(figure, folder / "confusion.png")


def reliability(labels: np.ndarray, probabilities: np.ndarray, folder: Path) -> None:
    """`reliability.png`: how often answers of a confidence are right, bin by bin; on the diagonal
    the confidence can be taken at its word."""
    counts, accuracy, confidence = reliability_table(labels, probabilities)
    filled = counts > 0
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    axes.plot([0, 1], [0, 1], color="tab:gray", linestyle=":", label="as sure as right")
    axes.plot(confidence[filled], accuracy[filled], "o-", label="the model")
    error = calibration_error(labels, probabilities)
    axes.set(ylabel="accuracy", ylim=(0, 1.02), title=f"calibration error {error:.3f}")
    axes.legend()
    axes.grid(alpha=0.3)
    edges = np.linspace(0, 1, len(counts) + 1)
    below.bar(edges[:-1], counts, width=np.diff(edges), align="edge", edgecolor="white")
    below.set(xlabel="confidence", ylabel="texts", xlim=(0, 1))
    _save(figure, folder / "reliability.png")


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as beside:
        figure.savefig(beside, dpi=120, metadata={"Software": None})
