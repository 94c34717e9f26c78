"""The settings of the tasks adding and copy."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.settings import Settings, setting


@dataclass(frozen=True, kw_only=True)
class MemorySettings(Settings):
    """What both have. Results of these defaults: `benchmarks/memory.md`."""

    gate_bias: str = setting(
        "chrono",
        "how gates are biased at the start: chrono (units remember for 1 to all steps of a "
        "sequence; Tallec and Ollivier 2018) or cell (the cell's own way)",
        choices=("chrono", "cell"),
    )
    train_size: int = setting(
        6400,
        "sequences an epoch, all of them new in every epoch: no model can learn them by heart",
        minimum=1,
        reading=True,
    )
    valid_size: int = setting(
        500,
        "sequences for validation: choosing the best epoch needs no more",
        minimum=1,
        reading=True,
    )
    test_size: int = setting(
        1000,
        "sequences for the test: a mean squared error is known to 5 %, an accuracy to 0.3 points",
        minimum=1,
        reading=True,
    )


@dataclass(frozen=True, kw_only=True)
class AddingSettings(MemorySettings):
    """The adding problem."""

    units: int = setting(64, "width of each recurrent layer", minimum=1)
    epochs: int = setting(30, "most passes of --train-size new sequences", minimum=1)
    batch_size: int = setting(64, "sequences a batch", minimum=1)
    learning_rate: float = setting(4e-3, "step size of Adam at the start", above=0)
    length: int = setting(
        200, "steps of a sequence; 200 is the literature's", minimum=2, reading=True
    )


@dataclass(frozen=True, kw_only=True)
class CopySettings(MemorySettings):
    """The copy problem."""

    units: int = setting(128, "width of each recurrent layer", minimum=1)
    epochs: int = setting(100, "most passes of --train-size new sequences", minimum=1)
    batch_size: int = setting(64, "sequences a batch", minimum=1)
    learning_rate: float = setting(4e-3, "step size of Adam at the start", above=0)
    length: int = setting(
        100,
        "steps between the symbols and their recall; a sequence has 20 more",
        minimum=1,
        reading=True,
    )
