"""What a search may choose for each task: plain Python, one function a task.

A function registers hyper-parameters of keras-tuner under the names of the task's settings. What is
not registered keeps the task's default, unless the user names it. Defaults are always inside: a
range that does not reach the task's own is widened to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_tuner import HyperParameters

from pipelines.settings import Settings

CELLS = ["vanilla", "lstm", "peephole_lstm", "coupled_lstm", "gru", "mgu", "min_gru", "min_lstm"]


class Space:
    """Registers settings of a task, each with the task's default."""

    def __init__(self, defaults: Settings) -> None:
        self.hp = HyperParameters()
        self._defaults = defaults

    def whole(self, name: str, low: int, high: int) -> None:
        """A whole number, drawn by its logarithm: of widths it is the ratio that matters."""
        low, high, default = self._widened(name, low, high)
        self.hp.Int(name, low, high, sampling="log", default=default)

    def number(self, name: str, low: float, high: float) -> None:
        """A number, drawn evenly."""
        low, high, default = self._widened(name, low, high)
        self.hp.Float(name, low, high, default=default)

    def ratio(self, name: str, low: float, high: float) -> None:
        """A number, drawn by its logarithm."""
        low, high, default = self._widened(name, low, high)
        self.hp.Float(name, low, high, sampling="log", default=default)

    def choice(self, name: str, *values: Any) -> None:
        """One of these, or the default."""
        default = getattr(self._defaults, name)
        known = [*values, *([default] if default is not None and default not in values else [])]
        self.hp.Choice(name, known, default=values[0] if default is None else default)

    def boolean(self, name: str) -> None:
        """Yes or no."""
        self.hp.Boolean(name, default=getattr(self._defaults, name))

    def _widened(self, name: str, low: Any, high: Any) -> tuple[Any, Any, Any]:
        default = getattr(self._defaults, name)
        if default is None:
            return low, high, low
        return min(low, default), max(high, default), default


def common(space: Space, *, widest: int = 512, most_dropout: float = 0.6) -> None:
    """What every recurrent model has."""
    space.choice("cell", *CELLS)
    space.whole("units", 32, widest)
    space.choice("layers", 1, 2)
    space.number("dropout", 0.0, most_dropout)
    space.ratio("learning_rate", 5e-4, 1e-2)
    space.ratio("clip_norm", 0.1, 10.0)


def music(space: Space) -> None:
    """The head is not searched: scores of nade and bernoulli are never set side by side."""
    common(space)
    space.whole("head_units", 64, 512)
    space.choice("transpose", 0, 3, 6)
    space.choice("batch_size", 8, 16, 32)


def sentiment(space: Space) -> None:
    """One direction or two, and how all steps become one."""
    common(space, widest=256)
    space.boolean("bidirectional")
    space.choice("pooling", "last", "mean", "max", "attention")
    space.number("word_dropout", 0.0, 0.5)


def ner(space: Space) -> None:
    """Words and their spelling."""
    common(space, widest=200)
    space.whole("character_units", 10, 50)
    space.number("word_dropout", 0.0, 0.5)
    space.number("recall_cost", 0.0, 6.0)


def dna(space: Space) -> None:
    """Motif detectors before the recurrent layers, or none."""
    common(space, widest=128)
    space.choice("filters", 0, 32, 64, 128)
    space.choice("filter_width", 5, 9, 15)
    space.number("hide", 0.0, 0.4)


def video(space: Space) -> None:
    """What of the clip is seen, and by how large an encoder."""
    common(space, widest=256)
    space.boolean("bidirectional")
    space.choice("differences", "none", "beside", "only")
    space.boolean("places")
    space.choice("filters", 8, 16, 32)
    space.whole("features", 32, 128)


def memory(space: Space) -> None:
    """Nothing can be learnt by heart of data that are drawn anew, so dropout stays out."""
    space.choice("cell", *CELLS)
    space.whole("units", 32, 256)
    space.choice("layers", 1, 2)
    space.ratio("learning_rate", 5e-4, 2e-2)
    space.ratio("clip_norm", 0.1, 10.0)
    space.choice("gate_bias", "chrono", "cell")


def charlm(space: Space) -> None:
    """How far back the gradient flows, too."""
    common(space, widest=768)
    space.whole("embedding", 16, 128)
    space.choice("window", 32, 64, 128)


def translation(space: Space) -> None:
    """How the decoder looks back."""
    common(space, most_dropout=0.5)
    space.whole("embedding", 64, 256)
    space.choice("attention", "bahdanau", "luong")
    space.number("label_smoothing", 0.0, 0.2)


SPACES: dict[str, Callable[[Space], None]] = {
    "music": music,
    "sentiment": sentiment,
    "ner": ner,
    "dna": dna,
    "video": video,
    "adding": memory,
    "copy": memory,
    "charlm": charlm,
    "translation": translation,
}
"""Tasks without a row are searched over what all have in common."""


def space_of(task: str, defaults: Settings) -> HyperParameters:
    """The space of a task, before a user narrows it."""
    space = Space(defaults)
    SPACES.get(task, common)(space)
    return space.hp
