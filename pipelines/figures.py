"""A matplotlib figure as a file: whole or not at all, and the same bytes for the same figure."""

from __future__ import annotations

import warnings
from pathlib import Path

from matplotlib.figure import Figure

from pipelines.files import replacing


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a PNG.

    Raises:
        UserError: the disk is full, or writing is not permitted there.
    """
    with replacing(path) as beside, warnings.catch_warnings():
        # Scripts that no font here has are drawn as boxes, which a reader sees without being told.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        # Without the name of the version that drew it, two machines write the same file.
        figure.savefig(beside, dpi=120, format="png", metadata={"Software": None})
