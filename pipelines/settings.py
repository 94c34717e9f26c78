"""The settings of a run: a frozen dataclass a task, whose fields are also the flags of `train`.

Imports neither Keras nor TensorFlow, so that `rnnkit train TASK --help` answers at once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from pipelines.errors import UserError, unknown_name


def setting(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    reading: bool = False,
) -> Any:
    """A field of a settings class: its default, what it means with its unit, and its range.

    `reading` marks what decides how files are read: `rnnkit check` has these options too.
    """
    metadata = {
        "help": help,
        "minimum": minimum,
        "above": above,
        "maximum": maximum,
        "choices": choices,
        "reading": reading,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Fields made by `setting`, each within its range: the flags of a command."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))


@dataclass(frozen=True, kw_only=True)
class Settings(Options):
    """What every task has. A task's own class adds fields and sets its own defaults."""

    changeable = frozenset({"epochs"})  # no annotation: it is no field
    """Settings that decide how long training goes on, or what it shows, and nothing else."""

    inherited: ClassVar[frozenset[str]] = frozenset()
    """Settings without which what a run learnt of its data has another meaning: a training that
    starts from that run (`--init`) needs the same."""

    cell: str = setting("lstm", "recurrent cell, one that `rnnkit cells` lists")
    units: int = setting(128, "width of each recurrent layer", minimum=1)
    layers: int = setting(1, "number of recurrent layers", minimum=1)
    dropout: float = setting(
        0.0, "share of activations dropped in training", minimum=0, maximum=0.95
    )
    epochs: int = setting(50, "most passes over the training part", minimum=1)
    patience: int = setting(
        10, "epochs without a better validation score before it stops", minimum=1
    )
    batch_size: int = setting(32, "sequences a batch", minimum=1)
    learning_rate: float = setting(1e-3, "step size of Adam at the start", above=0)
    decay: float = setting(
        1.0, "factor of the step size from an epoch to the next", above=0, maximum=1
    )
    bptt_steps: int | None = setting(
        None, "most steps that a gradient flows back in time; all of them without it", minimum=1
    )
    clip_norm: float = setting(1.0, "largest norm of the gradient; longer ones are scaled", above=0)
    seed: int = setting(0, "fixes every random draw", minimum=0, maximum=2**32 - 1)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Settings:
        """From JSON; an unknown key is a `UserError`."""
        known = {field.name for field in dataclasses.fields(cls)}
        for key in values:
            if key not in known:
                raise unknown_name("setting", key, sorted(known))
        return cls(**values)

    @property
    def identity(self) -> dict[str, Any]:
        """Those that make a training what it is: of a run that exists, only others may change."""
        settings = self.to_dict()
        return {name: settings[name] for name in settings if name not in self.changeable}

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


_TYPES = {"bool": (bool,), "int": (int,), "float": (int, float), "str": (str,)}


def _check(field: dataclasses.Field, value: Any) -> None:
    rule, name = field.metadata, field.name.replace("_", "-")
    kinds = _TYPES.get(str(field.type), (object,))
    if not isinstance(value, kinds) or (type(value) is bool and int in kinds):
        raise UserError(f"--{name} must be of type {field.type}. Received: {value!r}.")
    if rule["choices"] and value not in rule["choices"]:
        raise UserError(f"--{name} must be one of {', '.join(rule['choices'])}. Received: {value}.")
    limits = [
        ("at least", rule["minimum"], lambda limit: value >= limit),
        ("above", rule["above"], lambda limit: value > limit),
        ("at most", rule["maximum"], lambda limit: value <= limit),
    ]
    for words, limit, holds in limits:
        if limit is not None and value is not None and not holds(limit):
            raise UserError(f"--{name} must be {words} {limit}. Received: {value}.")
