"""Figures as files."""

from __future__ import annotations

import warnings

from matplotlib.figure import Figure

from pipelines.figures import save_figure


def test_letters_that_no_font_has_are_drawn_in_silence(tmp_path):
    """A Chinese text would warn once a letter, for each of its pictures; any other warning is for
    the user."""
    figure = Figure(layout="constrained")
    figure.text(0.5, 0.5, "語言", family="monospace")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_figure(figure, tmp_path / "letters.png")
    assert (tmp_path / "letters.png").read_bytes()[:4] == b"\x89PNG"
