"""The quality table of the music task: `benchmarks/music.md`.

    python benchmarks/music.py --data FOLDER [--row NAME ...] [--seeds 0 1 2]

FOLDER holds JSB_Chorales.mat and Nottingham.mat, the piano rolls of Boulanger-Lewandowski et al.
2012. Each row runs `rnnkit train music` once a seed, in `runs/benchmark-music/`, where a finished
run is taken as it is, so the table can be made in several sittings. Without FOLDER it prints the
commands and measures nothing.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

RUNS = Path("runs/benchmark-music")
TABLE = Path(__file__).with_name("music.md")


@dataclass(frozen=True)
class Row:
    title: str
    data: str
    options: str  # of `rnnkit train music`, besides --data, --run and --seed
    goal: str


ROWS = {
    "jsb-gru-46": Row(
        "JSB, bernoulli, GRU of 46 units",
        "JSB_Chorales.mat",
        "--head bernoulli --cell gru --units 46 --dropout 0.2 --transpose 0 --batch-size 8",
        "8.54",
    ),
    "jsb-bernoulli": Row(
        "JSB, bernoulli, best cell", "JSB_Chorales.mat", "--head bernoulli", "8.25"
    ),
    "jsb-nade": Row("JSB, nade, the default", "JSB_Chorales.mat", "", "5.50"),
    "nottingham-bernoulli": Row(
        "Nottingham, bernoulli",
        "Nottingham.mat",
        "--head bernoulli --transpose 0 --units 300 --dropout 0.6 --batch-size 8 --patience 12",
        "3.20",
    ),
    "nottingham-nade": Row("Nottingham, nade", "Nottingham.mat", "--epochs 45", "2.40"),
}


def command(name: str, folder: str, seed: int) -> list[str]:
    row = ROWS[name]
    run = RUNS / f"{name}-{seed}"
    data = f"{folder.rstrip('/')}/{row.data}"
    return shlex.split(f"rnnkit train music --data {data} {row.options} --seed {seed} --run {run}")


def measure(name: str, folder: str, seed: int) -> dict:
    """Trains, or takes up, one run and returns what the table needs of it."""
    words = command(name, folder, seed)
    subprocess.run([Path(sys.executable).with_name(words[0]), *words[1:]], check=True)
    run = Path(words[-1])
    metrics = json.loads((run / "metrics.json").read_text())
    rows = (run / "metrics.csv").read_text().splitlines()
    seconds = rows[0].split(",").index("seconds")
    return {
        "valid": metrics["valid"]["metrics"]["nll"],
        "test": metrics["test"]["metrics"]["nll"],
        "accuracy": metrics["test"]["metrics"]["frame_accuracy"],
        "markov": metrics["test"]["floors"]["markov"]["nll"],
        "epochs": len(rows) - 1,
        "minutes": sum(float(row.split(",")[seconds]) for row in rows[1:]) / 60,
        "parameters": metrics["parameters"],
    }


def table_row(name: str, results: list[dict], seeds: list[int]) -> str:
    def spread(key: str, digits: int) -> str:
        values = [result[key] for result in results]
        text = f"{statistics.mean(values):.{digits}f}"
        return text + (f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else "")

    row, words = ROWS[name], command(name, "FOLDER", seeds[0])
    shown = shlex.join(words[: words.index("--seed")])
    cells = [
        row.title,
        spread("test", 3),
        row.goal,
        f"{results[0]['markov']:.2f}",
        spread("valid", 3),
        spread("accuracy", 3),
        f"{results[0]['parameters']:,}",
        spread("epochs", 0),
        spread("minutes", 1),
        " ".join(map(str, seeds)),
        f"`{shown}`",
    ]
    return f"| {' | '.join(cells)} |"


HEADER = (
    "| row | test nll | goal | Markov floor | valid nll | frame accuracy | parameters | epochs "
    "| minutes | seeds | command |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the two .mat files")
    parser.add_argument("--row", nargs="*", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    if arguments.data is None:
        for name in arguments.row:
            print(shlex.join(command(name, "FOLDER", arguments.seeds[0])))
        print(f"\nGive --data FOLDER to run these; the measured table is in {TABLE.name}.")
        return
    print(HEADER)
    for name in arguments.row:
        results = [measure(name, arguments.data, seed) for seed in arguments.seeds]
        print(table_row(name, results, arguments.seeds), flush=True)


if __name__ == "__main__":
    main()
