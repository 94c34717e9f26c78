"""How fast the command line answers: the whole process, from the shell and back.

    python benchmarks/startup.py

Help must stay under a second, which is why it imports neither Keras nor TensorFlow.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 10
COMMANDS = ("--help", "train music --help", "tasks")


def seconds(command: str) -> float:
    """Median time of a call."""
    script = Path(sys.executable).with_name("rnnkit")
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([script, *command.split()], stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    print(f"| command | median of {RUNS}, seconds |\n| --- | --- |")
    for command in COMMANDS:
        print(f"| `rnnkit {command}` | {seconds(command):.2f} |")


if __name__ == "__main__":
    main()
