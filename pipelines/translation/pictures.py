"""Pictures: where the decoder looked, and BLEU by the length of the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipelines.files import replacing

_BLANK = "␣"  # stands for the blank that belongs to a token


def draw_alignments(
    alignments: np.ndarray, source: Sequence[str], target: Sequence[str], path: Path
) -> None:
    """How much each step of the decoder read of each place of the source.

    Args:
        alignments: (target tokens, source tokens), rows that sum to 1.
        source, target: the tokens.
        path: of the picture.
    """
    width, height = 1.5 + 0.34 * len(source), 1.2 + 0.3 * len(target)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(alignments, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(source)), [_visible(token) for token in source], rotation=90)
    axes.set_yticks(range(len(target)), [_visible(token) for token in target])
    axes.xaxis.tick_top()
    axes.set(ylabel="translation")
    axes.set_title("source", fontsize="medium")
    _save(figure, path)


def draw_by_length(curves: Mapping[str, list[tuple[str, int, float]]], path: Path) -> None:
    """BLEU against the words of the source, a line a model.

    Args:
        curves: what `scores.bleu_by_length` gave, by the model's name.
        path: of the picture.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, rows in curves.items():
        axes.plot([row[2] for row in rows], "o-", label=name)
    rows = next(iter(curves.values()))
    axes.set_xticks(range(len(rows)), [f"{label}\n{count}" for label, count, _ in rows])
    axes.set(xlabel="words of the source; sentences", ylabel="BLEU", ylim=(0, 100))
    axes.grid(alpha=0.3)
    if len(curves) > 1:
        axes.legend()
    _save(figure, path)


def _visible(token: str) -> str:
    return token.replace(" ", _BLANK) if token.startswith(" ") else token


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as beside:
        figure.savefig(beside, dpi=120, format="png", metadata={"Software": None})
