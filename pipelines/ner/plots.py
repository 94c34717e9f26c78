"""The picture of a run's entities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipelines.figures import save_figure
from pipelines.ner.metrics import EntityCounts


def entities(counts: EntityCounts, path: Path) -> None:
    """Precision, recall and F1 of each type, with the number of its entities."""
    kinds = counts.types
    figure = Figure(figsize=(max(5, 1.2 * len(kinds)), 4), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(kinds))
    for k, name in enumerate(("precision", "recall", "f1")):
        heights = [counts.scores(kind)[name] for kind in kinds]
        axes.bar(places + 0.27 * (k - 1), heights, 0.25, label=name)
    names = [f"{kind}\n{counts.true[kind]}" for kind in kinds]
    axes.set_xticks(places, names, rotation=0 if len(kinds) < 9 else 90)
    axes.set(ylim=(0, 1), title="entities found, by type and its number")
    axes.grid(alpha=0.3, axis="y")
    axes.legend()
    save_figure(figure, path)
