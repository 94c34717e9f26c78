"""The table of the two memory tests: `benchmarks/memory.md`.

    python benchmarks/memory.py --row NAME ... [--seeds 0 1 2]

Each row runs `rnnkit train adding` or `rnnkit train copy` once a seed, in `runs/benchmark-memory/`,
where a finished run is taken as it is, so that the table can be made in several sittings. Without
--row it prints the commands and measures nothing.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import shlex
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rnnkit import CELLS

RUNS = Path("runs/benchmark-memory")
TABLE = Path(__file__).with_name("memory.md")
OURS = [name for name in CELLS if not name.startswith("keras_")]
FULL = {
    "adding-gru",
    "adding-min_gru",
    "copy-lstm",
    "copy-gru",
    "copy-min_gru",
    "copy-mgu",
}  # their defaults
PLAIN = {"vanilla", "output_recurrent"}  # which cannot learn it
STACKED = {"indrnn", "min_gru", "min_lstm"}  # units that see each other only in the layer above


@dataclass(frozen=True)
class Row:
    task: str
    options: str
    metric: str
    goal: float  # of the metric on the test part


def _row(task: str, cell: str) -> Row:
    layers = {"adding": 2, "copy": 3}[task]
    options = f"--cell {cell}" + (f" --layers {layers}" if cell in STACKED else "")
    if f"{task}-{cell}" not in FULL:  # the first epochs of the same training, which tell enough
        options += f" --epochs {_epochs(task, cell)}"
    metric, goal = ("mse", 1e-3) if task == "adding" else ("nll", 0.1 * 10 * math.log(8) / 120)
    return Row(task, options, metric, goal)


def _epochs(task: str, cell: str) -> int:
    if cell in PLAIN:
        return 10
    longer = {"layer_norm_lstm": 20, "peephole_lstm": 30, "min_lstm": 45}
    return longer.get(cell, 15) if task == "copy" else 15


ROWS = {f"{task}-{cell}": _row(task, cell) for task in ("adding", "copy") for cell in OURS}


def command(name: str, seed: int) -> list[str]:
    row = ROWS[name]
    words = f"rnnkit train {row.task} {row.options} --seed {seed} --run {RUNS / f'{name}-{seed}'}"
    return shlex.split(words)


def measure(name: str, seed: int) -> dict:
    """Trains, or takes up, one run and returns what the table needs of it."""
    words = command(name, seed)
    subprocess.run([Path(sys.executable).with_name(words[0]), *words[1:]], check=True)
    run, row = Path(words[-1]), ROWS[name]
    metrics = json.loads((run / "metrics.json").read_text())
    with (run / "metrics.csv").open() as file:
        history = list(csv.DictReader(file))
    solved = [epoch for epoch in history if float(epoch[f"val_{row.metric}"]) < row.goal]
    (floor,) = metrics["test"]["floors"].values()
    return {
        "test": metrics["test"]["metrics"][row.metric],
        "floor": floor[row.metric],
        "solved": int(solved[0]["epoch"]) if solved else None,
        "epochs": len(history),
        "minutes": sum(float(epoch["seconds"]) for epoch in history) / 60,
        "parameters": metrics["parameters"],
    }


def table_row(name: str, results: list[dict], seeds: list[int]) -> str:
    words, row = command(name, seeds[0]), ROWS[name]
    cells = [
        row.task,
        " ".join(f"{result['test']:.2g}" for result in results),
        f"{row.goal:.2g}",
        f"{results[0]['floor']:.3g}",
        " ".join(str(result["solved"] or "never") for result in results),
        " ".join(str(result["epochs"]) for result in results),
        f"{statistics.mean(result['minutes'] for result in results):.0f}",
        f"{results[0]['parameters']:,}",
        " ".join(map(str, seeds)),
        f"`{shlex.join(words[: words.index('--seed')])}`",
    ]
    return f"| {' | '.join(cells)} |"


HEADER = (
    "| task | test | goal | floor | goal reached in epoch | epochs | minutes | parameters | seeds "
    "| command |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--row", nargs="*", choices=ROWS, default=[])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    if not arguments.row:
        for name in ROWS:
            print(shlex.join(command(name, arguments.seeds[0])))
        print(f"\nName some with --row to run them; the measured table is in {TABLE.name}.")
        return
    print(HEADER)
    for name in arguments.row:
        results = [measure(name, seed) for seed in arguments.seeds]
        print(table_row(name, results, arguments.seeds), flush=True)


if __name__ == "__main__":
    main()
