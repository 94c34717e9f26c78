"""Surprise character by character, as a picture and in a terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.text import Text as Coloured

from pipelines.figures import save_figure

COLUMNS, LINES = 88, 30  # of the text that is shown; the curve below it shows all
WORST = 7.0  # nats that are full red: one chance in 1,100
SPAN = 200  # characters over which the curve is smoothed
CONTROL = {"\n": "¶", "\t": "→", "\r": "←"}


def draw(characters: str, nats: np.ndarray, path: Path) -> None:
    """A picture of the opening of a text, each character on its nats, and the course of it all.

    Args:
        characters: the text.
        nats: (N,) of its characters.
        path: the picture to write.
    """
    lines = _lines(characters)
    figure = Figure(figsize=(13, 3.2 + 0.24 * len(lines)), layout="constrained")
    top, bottom = figure.subplots(2, 1, height_ratios=[0.24 * len(lines) + 0.3, 2.4])
    grid = np.full((len(lines), COLUMNS), np.nan)
    for row, (start, end) in enumerate(lines):
        grid[row, : end - start] = nats[start:end]
        for column, character in enumerate(characters[start:end]):
            shown = CONTROL.get(character, character)
            if shown.isprintable() and not shown.isspace():
                place = {"ha": "center", "va": "center", "fontsize": 7, "family": "monospace"}
                top.text(column, row, shown.replace("$", r"\$"), **place)
    image = top.imshow(grid, cmap="Reds", vmin=0, vmax=WORST, aspect="auto")
    top.set_axis_off()
    shown_count = lines[-1][1]
    part = "the text" if shown_count == len(characters) else f"the first {shown_count:,} characters"
    top.set_title(f"{part}: how surprising is each character?", loc="left")
    figure.colorbar(image, ax=top, label="nats", pad=0.01, fraction=0.02)
    span = min(SPAN, len(nats))
    smooth = np.convolve(nats, np.full(span, 1 / span), mode="valid")
    every = max(1, len(smooth) // 5000)
    bottom.plot(np.arange(len(smooth))[::every] + span / 2, smooth[::every], linewidth=0.8)
    bottom.axhline(float(nats.mean()), color="tab:red", linewidth=0.8)
    bottom.set(xlabel="character", ylabel=f"nats, mean of {span}", xlim=(0, len(nats)))
    bottom.set_title(f"{len(nats):,} characters, mean {nats.mean():.3f} nats", loc="left")
    bottom.grid(alpha=0.3)
    save_figure(figure, path)


def _lines(characters: str) -> list[tuple[int, int]]:
    """Where the lines of the picture begin and end: at line feeds, and where the width is used."""
    found: list[tuple[int, int]] = []
    start = 0
    while start < len(characters) and len(found) < LINES:
        feed = characters.find("\n", start, start + COLUMNS)
        end = feed + 1 if feed >= 0 else min(start + COLUMNS, len(characters))
        found.append((start, end))
        start = end
    return found


def coloured(characters: str, nats: np.ndarray) -> Coloured:
    """The text for a terminal: the redder its ground, the more surprising a character was."""
    shown = Coloured()
    for character, value in zip(characters, nats, strict=True):
        pale = 255 - round(200 * min(float(value) / WORST, 1.0))
        shown.append(character, style=f"black on #ff{pale:02x}{pale:02x}")
    return shown
