"""What a search costs besides its trials: seconds a trial, and memory of the process that leads.

python benchmarks/tuner.py --trials 100
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from pipelines.quiet import start_tensorflow

SMALL = ("length=5", "train_size=64", "valid_size=16", "test_size=16", "epochs=1", "layers=1")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Watch:
    """A board that notes what a trial took, and how large this process is after it."""

    def __init__(self) -> None:
        self.overheads: list[float] = []
        self.sizes: list[int] = []

    def say(self, line: str) -> None:
        """Says nothing."""

    def begin(self, name: str) -> None:
        """Starts the clock."""
        self._began = time.monotonic()

    def end(self, row: dict[str, Any]) -> None:
        """Stops it. What a trial's epochs took is its own; the rest is overhead."""
        self.overheads.append(time.monotonic() - self._began - row["seconds"])
        self.sizes.append(int(Path("/proc/self/statm").read_text().split()[1]) * PAGE)


def measure(method: str, trials: int) -> Watch:
    """A search over nets that are trained in a moment."""
    from tuning import search

    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        search.tune(
            "adding",
            folder=Path(folder) / "search",
            method=method,
            trials=trials,
            fix=SMALL,
            ranges=("units=2:64", "learning_rate=1e-4:1e-1:log"),
            board=watch,
        )
    return watch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--methods", nargs="*", default=["random"])
    arguments = parser.parse_args()
    start_tensorflow()
    print("| method | trials | overhead, median | 90 % | most | parent after 10 | 50 | all |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for method in arguments.methods:
        watch = measure(method, arguments.trials)
        spent = sorted(watch.overheads)
        sizes = [f"{size / 2**20:.0f} MiB" for size in watch.sizes]
        marks = [sizes[min(k, len(sizes)) - 1] for k in (10, 50, len(sizes))]
        print(
            f"| {method} | {len(spent)} | {statistics.median(spent):.2f} s | "
            f"{spent[int(0.9 * len(spent))]:.2f} s | {spent[-1]:.2f} s | {' | '.join(marks)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
