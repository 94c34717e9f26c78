"""Pictures of a search: what mattered, all trials at once, how the best learnt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipelines.figures import save_figure
from pipelines.files import read_rows
from tuning.board import in_words
from tuning.importance import Importance

CURVES = 10  # trials in the picture of learning curves
_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}  # behind a label


def draw_importance(found: Importance, path: Path) -> None:
    """A bar a setting."""
    figure = Figure(figsize=(7, 0.35 * len(found.names) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(found.names))[::-1]
    axes.barh(places, found.means, xerr=found.spreads, color="tab:blue", ecolor="gray")
    axes.set_yticks(places, found.names)
    axes.set_xlabel("fall of R² when the setting is shuffled")
    axes.set_title(f"what mattered (the forest explains {found.explained:.0%} of unseen ranks)")
    save_figure(figure, path)


def draw_parallel(
    rows: Sequence[dict[str, Any]], logs: set[str], selection: str, path: Path
) -> None:
    """A line a trial through all its settings to its score; the better, the darker.

    Args:
        rows: the trials with a score, all with the same settings.
        logs: settings whose axis is logarithmic.
        selection: name of the score.
        path: of the picture.
    """
    names = list(rows[0]["settings"])
    columns = [[row["settings"][name] for row in rows] for name in names]
    scores = np.array([row["score"] for row in rows])
    ranks = np.argsort(np.argsort(scores)) / max(len(scores) - 1, 1)
    axes_of = [_axis(values, name in logs) for name, values in zip(names, columns, strict=True)]
    heights = np.array([places for places, _ in axes_of] + [ranks])
    figure = Figure(figsize=(1.5 * len(heights) + 1, 4.6), layout="constrained")
    axes = figure.add_subplot()
    shade = ScalarMappable(Normalize(0, 1), "viridis")
    for k in np.argsort(-ranks):
        line = {"color": shade.to_rgba(ranks[k]), "lw": 2.2 - 1.4 * ranks[k], "alpha": 0.8}
        axes.plot(np.arange(len(heights)), heights[:, k], **line)
    ends = [f"{scores.min():.4g}", f"{scores.max():.4g}"]
    labels = [marks for _, marks in axes_of] + [{0.0: ends[0], 1.0: ends[1]}]
    for place, marks in enumerate(labels):
        axes.axvline(place, color="black", lw=0.8)
        for height, text in marks.items():
            axes.text(place + 0.04, height, text, fontsize=8, va="center", bbox=_PAPER)
    axes.set_xticks(range(len(heights)), [*names, f"rank of {selection}"], rotation=20, ha="right")
    axes.set_yticks([])
    axes.set_ylim(-0.05, 1.05)
    axes.set_xlim(-0.2, len(heights) - 0.4)
    save_figure(figure, path)


def _axis(values: Sequence[Any], log: bool) -> tuple[np.ndarray, dict[float, str]]:
    """Heights from 0 to 1, and what stands at some of them. None, a default without a value, is at
    the bottom, below all numbers."""
    if any(isinstance(value, (str, bool)) for value in values) or len(set(values)) == 1:
        kinds = sorted(set(values), key=str)
        step = max(len(kinds) - 1, 1)
        return (
            np.array([kinds.index(value) / step for value in values]),
            {kinds.index(kind) / step: str(kind) for kind in kinds},
        )
    numbers = np.array(values, "float64")  # NaN for None
    scaled = np.log(numbers) if log else numbers
    low, high = np.nanmin(scaled), np.nanmax(scaled)
    foot = 0.0 if None not in values else 0.1
    marks = {foot: f"{np.nanmin(numbers):.3g}", 1.0: f"{np.nanmax(numbers):.3g}"}
    heights = foot + (1 - foot) * (scaled - low) / ((high - low) or 1.0)
    return np.nan_to_num(heights), marks | ({0.0: "None"} if foot else {})


def draw_curves(rows: Sequence[dict[str, Any]], runs: Path, selection: str, path: Path) -> None:
    """The best trials' validation scores, an epoch a point."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    best = sorted(rows, key=lambda row: row["score"])[:CURVES]
    for row in best:
        history = read_rows(runs / row["run"] / "metrics.csv")[: row["epochs"]]
        scores = [epoch[selection] for epoch in history]
        label = f"{row['trial']} {in_words(row['settings']) or 'settings of the task'}"
        label = label if len(label) < 100 else f"{label[:97]}..."
        axes.plot(range(1, len(scores) + 1), scores, label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="epoch", ylabel=selection)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", fontsize=7, frameon=False)
    save_figure(figure, path)
