"""Pictures of the dna task: curves of every label against the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipelines.dna.ranking import Ranking
from pipelines.figures import save_figure


def curves(probabilities: np.ndarray, labels: np.ndarray, names: Sequence[str], path: Path) -> None:
    """Receiver operating characteristic and precision against recall, as a PNG.

    Args:
        probabilities: (n, labels).
        labels: (n,) numbers of the true ones.
        names: of the labels.
        path: of the picture.
    """
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    roc, precision = figure.subplots(1, 2)
    for k, name in enumerate(names):
        ranking = Ranking(labels == k, probabilities[:, k])
        hits, misses = ranking.counts()
        if not hits[-1] or not misses[-1]:
            continue
        area, average = ranking.areas()
        roc.plot(misses / misses[-1], hits / hits[-1], label=f"{name}, area {area:.3f}")
        taken = hits[1:] + misses[1:]
        precision.step(
            hits[1:] / hits[-1], hits[1:] / taken, where="pre", label=f"{name}, area {average:.3f}"
        )
    roc.plot([0, 1], [0, 1], ":", color="tab:gray")
    roc.set(xlabel="false positive rate", ylabel="true positive rate")
    precision.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    for axes in (roc, precision):
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    save_figure(figure, path)
