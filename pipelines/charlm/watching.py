"""What a learning model would write: samples between two updates."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import keras

CHARACTERS = 25
"""The loss is told for so many, as the lectures do: before anything is learnt it is 25 ln V."""


class Samples(keras.callbacks.Callback):
    """Prints a sample to stderr after the first update and after every `every` updates.

    Args:
        every: int, updates from one to the next.
        symbols: int, V, ids that are possible.
        write: makes a text with the model as it is; the argument is the number of the update.
    """

    def __init__(self, every: int, symbols: int, write: Callable[[keras.Model, int], str]) -> None:
        super().__init__()
        self._every, self._symbols, self._write = every, symbols, write
        self._mean = 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        mean = float((logs or {})["loss"])  # over the epoch so far
        loss = mean * (batch + 1) - self._mean * batch if batch else mean
        self._mean = mean
        update = int(self.model.optimizer.iterations)
        if update == 1 or update % self._every == 0:
            start = CHARACTERS * math.log(self._symbols)
            heading = (
                f"update {update}: {CHARACTERS} characters cost {CHARACTERS * loss:.2f} nats "
                f"({CHARACTERS} ln {self._symbols} = {start:.2f} when nothing is known)"
            )
            text = self._write(self.model, update)
            print(f"\n{heading}\n{text}\n", file=sys.stderr, flush=True)
