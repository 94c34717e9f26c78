"""A picture of a classifier of texts: whether it is as right as it is sure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipelines.figures import save_figure
from pipelines.sentiment.scores import calibration_error
from pipelines.sentiment.scores import reliability as reliability_table


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
    save_figure(figure, folder / "reliability.png")
