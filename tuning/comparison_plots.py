"""Learning curves of a comparison, over updates and over seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipelines.figures import save_figure
from tuning.results import Comparison

POINTS = 200  # of a curve
MANY = 5  # cells above which bands are faint, because they cover each other


def draw_curves(comparison: Comparison, path: Path) -> None:
    """The best validation score so far, a line a cell, with a band of one standard deviation.

    The best so far is what stopping there would have given. A run that has ended keeps its score,
    so that the mean is over the same runs everywhere.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    shade = 0.2 if len(comparison.lines) <= MANY else 0.07
    for axes, unit in zip(panels, ("updates", "seconds"), strict=True):
        for number, line in enumerate(comparison.lines):
            runs = _runs(comparison, line.contender.name, unit)
            if not runs:
                continue
            grid, values = on_one_grid(runs)
            mean = values.mean(0)
            spread = values.std(0, ddof=1) if len(runs) > 1 else 0.0
            colour = f"C{number % 10}"
            single = "o" if grid[0] == grid[-1] else None  # of runs with one epoch
            label = line.contender.name
            axes.step(grid, mean, where="post", color=colour, marker=single, label=label)
            band = {"step": "post", "color": colour, "alpha": shade, "lw": 0}
            axes.fill_between(grid, mean - spread, mean + spread, **band)
        axes.set_xlabel("updates of the weights" if unit == "updates" else "seconds of training")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"{comparison.selection}, best so far")
    panels[1].legend()
    figure.suptitle(f"{comparison.task}, {comparison.budget}", fontsize=11, parse_math=False)
    save_figure(figure, path)


def _runs(comparison: Comparison, name: str, unit: str) -> list[tuple[np.ndarray, np.ndarray]]:
    finished = [row for row in comparison.rows[name] if "failed" not in row]
    runs = []
    for row, history in zip(finished, comparison.curves(name), strict=True):
        scores = np.array([epoch[comparison.selection] for epoch in history])
        if unit == "seconds":
            places = np.cumsum([epoch["seconds"] for epoch in history])
        else:
            places = row["updates_per_epoch"] * np.arange(1, len(history) + 1)
        runs.append((places, scores))
    return runs


def on_one_grid(runs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The best score so far of every run, at common places.

    Args:
        runs: `(places, scores)` of each; a score holds from its place on.

    Returns:
        Places (P,) from where every run has a score to the last place of any, and the best scores
        so far (runs, P).
    """
    first = max(places[0] for places, _ in runs)
    last = max(places[-1] for places, _ in runs)
    grid = np.linspace(first, max(first, last), POINTS)
    best = [np.fmin.accumulate(scores) for _, scores in runs]
    values = [
        each[np.searchsorted(places, grid, side="right") - 1]
        for (places, _), each in zip(runs, best, strict=True)
    ]
    return grid, np.array(values)
