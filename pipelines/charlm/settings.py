"""The settings of the character language model."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.settings import Settings, setting


@dataclass(frozen=True, kw_only=True)
class CharLMSettings(Settings):
    """Defaults for a text of a million characters and half an hour on two cores; step size, decay
    and dropout are the best of three tries on validation, which `benchmarks/charlm.md` lists."""

    changeable = frozenset({"epochs", "sample_every"})

    cell: str = setting("gru", "recurrent cell, one that `rnnkit cells` lists")
    units: int = setting(512, "width of each recurrent layer", minimum=1)
    dropout: float = setting(
        0.4, "share of each recurrent layer's output dropped in training", minimum=0, maximum=0.95
    )
    epochs: int = setting(25, "most passes over the training part", minimum=1)
    patience: int = setting(
        3,
        "epochs without a better validation score before it stops; each one halves the step size",
        minimum=1,
    )
    batch_size: int = setting(
        32, "streams side by side: the text is cut into so many stretches", minimum=1
    )
    learning_rate: float = setting(4e-3, "step size of Adam at the start", above=0)
    decay: float = setting(
        0.8, "factor of the step size from an epoch to the next", above=0, maximum=1
    )
    embedding: int = setting(64, "numbers that a character is read as", minimum=1)
    window: int = setting(
        64,
        "characters an update: a gradient flows back so far at most, and the state goes on into "
        "the next window",
        minimum=1,
        reading=True,
    )
    sample_every: int = setting(
        0, "print a sample every so many updates while it learns; 0 never", minimum=0
    )
