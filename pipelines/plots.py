"""Pictures that every run has."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from pipelines.figures import save_figure
from pipelines.files import Row
from pipelines.schedule import best_epoch


def learning_curve(history: list[Row], selection: str, path: Path) -> None:
    """The score that chose the best epoch, in training and validation, an epoch a point."""
    epochs = [row["epoch"] for row in history]
    scores = [row[selection] for row in history]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    own = selection.removeprefix("val_")
    if own in history[0]:
        axes.plot(epochs, [row[own] for row in history], label="training", color="tab:gray")
    axes.plot(epochs, scores, label="validation", color="tab:blue")
    if best := best_epoch(scores):
        axes.plot([best], [scores[best - 1]], "o", color="tab:blue", label=f"best, epoch {best}")
    axes.set(xlabel="epoch", ylabel=own)
    axes.grid(alpha=0.3)
    axes.legend()
    save_figure(figure, path)
