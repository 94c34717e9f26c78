"""How far training is, on stderr: a bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import time
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from pipelines.schedule import best_epoch


class ConsoleProgress(keras.callbacks.Callback):
    """Epoch, validation score, the best so far, and the most time that is left.

    Args:
        selection: the column of the validation score.
        scores: those of the epochs before a resumed one.
    """

    def __init__(self, selection: str, scores: list[float]) -> None:
        super().__init__()
        self._selection = selection
        self._scores = list(scores)
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[note]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._started, self._seen, self._note = time.monotonic(), 0, ""
        self._bar.start()
        self._row = self._bar.add_task("training", note="compiling")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch
        self._bar.reset(
            self._row,
            description=f"epoch {epoch + 1}/{self.params['epochs']}",
            total=self.params["steps"],
        )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._bar.update(self._row, completed=batch + 1, note=self._note)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert logs is not None
        self._seen += 1
        self._scores = [*self._scores[:epoch], logs[self._selection]]
        best = best_epoch(self._scores)
        score = f"{self._selection} {logs[self._selection]:.4g}"
        if best is not None and best != epoch + 1:
            score += f", best {self._scores[best - 1]:.4g} (epoch {best})"
        a_row = (time.monotonic() - self._started) / self._seen
        left = f"at most {_duration(a_row * (self.params['epochs'] - epoch - 1))} left"
        self._note = f"{score}, {left}"
        self.say(
            f"epoch {epoch + 1}/{self.params['epochs']}  loss {logs['loss']:.4g}  {self._note}"
        )

    def close(self) -> None:
        """Gives the terminal back, also after an error or Ctrl-C."""
        self._bar.stop()

    def say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
