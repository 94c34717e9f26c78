"""How far a search is: a live table on a terminal, a line a trial elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

SHOWN = 10  # trials in the live table


class ConsoleBoard:
    """The best trials so far, the one that runs, and the time left, on stderr.

    Args:
        selection: name of the score.
        trials: how many there will be at most, the default included; None where only the method
            knows.
    """

    def __init__(self, selection: str, trials: int | None) -> None:
        self._selection, self._total = selection, trials
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._rows: list[dict[str, Any]] = []
        self._running: dict[str, float] = {}  # trial -> when it began
        self._trained, self._spent = 0, 0.0

    def __enter__(self) -> ConsoleBoard:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def say(self, line: str) -> None:
        """Prints a line."""
        self._console.print(line, soft_wrap=True)

    def begin(self, name: str) -> None:
        """Shows what runs."""
        self._running[name] = time.monotonic()
        self._refresh()

    def end(self, row: dict[str, Any]) -> None:
        """Shows what came out."""
        self._rows.append(row)
        began = self._running.pop(row["trial"], None)
        if began is not None:
            self._trained += 1
            self._spent += time.monotonic() - began
        if not self._console.is_terminal:
            self.say(f"{self._outcome(row)}; {self._ahead()}")
        self._refresh()

    def _outcome(self, row: dict[str, Any]) -> str:
        if row["status"] == "failed":
            return f"trial {row['trial']}: failed, {row['reason']}"
        words = f"trial {row['trial']}: {self._selection} {row['score']:.4g}"
        best = self._best()
        if best is not None and best["trial"] != row["trial"]:
            words += f", best {best['score']:.4g} (trial {best['trial']})"
        return words

    def _best(self) -> dict[str, Any] | None:
        done = [row for row in self._rows if row["status"] == "done"]
        return min(done, key=lambda row: row["score"], default=None)

    def _ahead(self) -> str:
        count = len(self._rows)
        if self._total is None:
            return f"{count} trials"
        words = f"{count} of {self._total}"
        if self._trained and count < self._total:
            at_once = max(1, len(self._running))
            left = self._spent / self._trained * (self._total - count) / at_once
            words += f", about {left / 60:.0f} min left"
        return words

    def _refresh(self) -> None:
        if self._console.is_terminal:
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        table = Table(title=", now ".join(filter(None, (self._ahead(), " ".join(self._running)))))
        for name in ("trial", self._selection, "epochs", "seconds", "settings"):
            table.add_column(name)
        done = sorted(
            (row for row in self._rows if row["status"] == "done"), key=lambda row: row["score"]
        )
        for row in done[:SHOWN]:
            table.add_row(
                row["trial"],
                f"{row['score']:.4g}",
                str(row["epochs"]),
                f"{row['seconds']:.0f}",
                in_words(row["settings"]) or "the task's own",
            )
        failed = len(self._rows) - len(done)
        if failed:
            table.caption = f"{failed} failed"
        return table


def in_words(settings: dict[str, Any]) -> str:
    """`cell=gru units=128 learning_rate=0.00214`"""
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in settings.items()
    )
