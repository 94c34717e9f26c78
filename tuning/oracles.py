"""The methods of a search: keras-tuner's oracles, by name."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner import HyperParameters
from keras_tuner.engine.hyperparameters import Float, Int

from pipelines.settings import Settings

TRIALS = 30  # of a search by random or bayesian
FAILURES = 5  # trials in a row that fail before a search gives up
DRAWS = 10_000  # seeds that lie between one trial's and the next
GRID_VALUES = 10  # most of a range
GRID_TRIALS = 1000  # above which a number has to be named: hours become years
Known = Callable[[int], dict[str, Any] | None]


@dataclass(frozen=True)
class Method:
    """What a method needs."""

    seed: int
    trials: int | None  # None: as many as the method takes
    epochs: int  # most of a trial
    space: Any  # HyperParameters
    selection: str
    known: Known  # the values of a trial that is there already, by its number

    @property
    def common(self) -> dict[str, Any]:
        """Arguments of every oracle. keras-tuner takes a seed of 0 for none, so it starts at 1;
        the space is copied, because an oracle writes into it."""
        return {
            "objective": keras_tuner.Objective(self.selection, "min"),
            "hyperparameters": self.space.copy(),
            "seed": self.seed + 1,
            "max_consecutive_failed_trials": FAILURES,
        }


class BayesianOracle(keras_tuner.oracles.BayesianOptimizationOracle):
    """keras-tuner's, but for three things: a configuration that was tried is not proposed again; a
    proposal depends on the seed, its number and the scores alone; and one that is known already is
    not computed anew, because fitting the process takes about a second."""

    def __init__(self, known: Known, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._known = known

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The values of a trial."""
        number = int(trial_id)
        if (values := self._known(number)) is not None:
            return {"status": "RUNNING", "values": values}
        self._seed_state = self.seed + DRAWS * (number + 1)
        self._random_state = np.random.RandomState(self.seed + number)
        response = super().populate_space(trial_id)
        if response["values"] is not None and self._duplicate(response["values"]):
            return self._random_populate_space()
        return response


def _random(method: Method) -> keras_tuner.Oracle:
    return keras_tuner.oracles.RandomSearchOracle(max_trials=method.trials, **method.common)


def _bayesian(method: Method) -> keras_tuner.Oracle:
    assert method.trials is not None
    return BayesianOracle(
        known=method.known,
        max_trials=method.trials,
        num_initial_points=max(3, method.trials // 3),  # else three a dimension: all of a search
        **method.common,
    )


def _hyperband(method: Method) -> keras_tuner.Oracle:
    oracle = keras_tuner.oracles.HyperbandOracle(max_epochs=method.epochs, **method.common)
    oracle.max_trials = method.trials
    return oracle


def _grid(method: Method) -> keras_tuner.Oracle:
    gridded = dataclasses.replace(method, space=grid(method.space))
    return keras_tuner.oracles.GridSearchOracle(max_trials=method.trials, **gridded.common)


def grid(space: HyperParameters) -> HyperParameters:
    """A space with at most ten values of each range, evenly spaced on its own scale, from end to
    end. keras-tuner's own grid leaves the ends out, and takes all of a range of whole numbers."""
    result = HyperParameters()
    for hp in space.space:
        if not isinstance(hp, (Int, Float)):
            result.merge([hp])
            continue
        spaced = np.geomspace if hp.sampling == "log" else np.linspace
        drawn = spaced(hp.min_value, hp.max_value, GRID_VALUES)
        if isinstance(hp, Int):
            values = list(dict.fromkeys(np.rint(drawn).astype(int).tolist()))
        else:
            values = [float(f"{value:.12g}") for value in drawn]  # 0.3, not 0.30000000000000004
        default = hp.default if hp.default in values else values[0]
        result.Choice(hp.name, values, default=default)
    return result


METHODS: dict[str, Callable[[Method], keras_tuner.Oracle]] = {
    "random": _random,
    "bayesian": _bayesian,
    "hyperband": _hyperband,
    "grid": _grid,
}


def most_trials(method: str, trials: int | None, space: HyperParameters, defaults: Settings) -> int:
    """Trials that a search has at most, the one of the task's own settings included.

    Args:
        method: its name.
        trials: most trials besides the default; None: as many as the method takes.
        space: what is searched.
        defaults: the task's own settings.
    """
    if method == "grid":
        values = {hp.name: list(hp.values) for hp in grid(space).space}
        every = math.prod(len(each) for each in values.values())
        own = all(getattr(defaults, name) in each for name, each in values.items())
        return min(every, trials or every) + (not own)
    if method == "hyperband":
        oracle = keras_tuner.oracles.HyperbandOracle(max_epochs=defaults.epochs)
        brackets = range(oracle._get_num_brackets())
        every = sum(oracle._get_size(k, n) for k in brackets for n in range(k + 1))
        return min(every, trials or every) + 1
    return (trials or TRIALS) + 1


def default_trials(method: str) -> int | None:
    """Trials where the user names none: hyperband and grid know their own number."""
    return TRIALS if method in ("random", "bayesian") else None
