"""The translation task on dates and on English to French: the rows of translation.md.

python benchmarks/translation.py --data fra.txt.gz [--row fra-eng fra-eng-fixed] [--epochs N]

Without --data it prints the commands. `fra.txt` is the file of English-French pairs that
manythings.org/anki makes of the sentences of Tatoeba; 5,000 pairs of it are kept for the test, no
English sentence of which stands in another part.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

RUNS = Path("runs/benchmarks")
PARTS = RUNS / "fra-eng-data"
TEST, VALID = 5000, 2000  # pairs


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    title: str
    options: str  # of `rnnkit train translation`, besides --run and --seed
    goal: str
    floor: str = "bleu"  # the metric of which the floors are told
    also: str = ""  # further data to score, and what to reach on it
    also_goal: str = ""


ROWS = {
    "dates": Row(
        "dates, test part: unseen dates",
        "--epochs 6",
        "exact match 0.99 in 5 minutes",
        floor="exact_match",
        also="dates:held-out",
        also_goal="exact match 0.90",
    ),
    "fra-eng": Row("English to French, bahdanau", f"--data {PARTS}", "BLEU 45 in 60 minutes"),
    "fra-eng-fixed": Row(
        "English to French, fixed vector", f"--data {PARTS} --attention none", "beside it"
    ),
}


def make_parts(source: str) -> None:
    """Cuts the pairs into three tables, whole English sentences at a time."""
    from pipelines.sources import place
    from pipelines.text.files import read_lines

    lines = [line.rstrip("\n").split("\t")[:2] for line in read_lines(source)]
    lines.sort(key=lambda pair: (place(pair[0]), pair[0]))
    parts: dict[str, list[list[str]]] = {"test": [], "valid": [], "train": []}
    open_parts = [("test", TEST), ("valid", VALID), ("train", len(lines))]
    last = ""
    for pair in lines:
        if len(parts[open_parts[0][0]]) >= open_parts[0][1] and pair[0] != last:
            open_parts.pop(0)
        parts[open_parts[0][0]].append(pair)
        last = pair[0]
    PARTS.mkdir(parents=True, exist_ok=True)
    for part, pairs in parts.items():
        text = "".join("\t".join(pair) + "\n" for pair in pairs)
        (PARTS / f"{part}.tsv").write_text(text, "utf-8")
        print(f"{len(pairs)} pairs in {PARTS / part}.tsv", file=sys.stderr)


def command(name: str, seed: int, epochs: int | None) -> list[str]:
    """The command line that trains a row."""
    run = RUNS / f"{name}-{seed}"
    more = "" if epochs is None else f" --epochs {epochs}"
    text = f"rnnkit train translation {ROWS[name].options} --seed {seed} --run {run}{more}"
    return shlex.split(text)


def rnnkit(words: list[str]) -> str:
    """What `rnnkit` prints."""
    program = Path(sys.executable).with_name("rnnkit")
    return subprocess.run([program, *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def measure(name: str, seed: int, epochs: int | None) -> dict[str, dict]:
    """Trains, or takes up, a run; what it reaches on its test part, and on further data."""
    words = command(name, seed, epochs)
    rnnkit(words[1:])
    run = words[words.index("--run") + 1]
    metrics = json.loads((Path(run) / "metrics.json").read_text())
    rows = (Path(run) / "metrics.csv").read_text().splitlines()
    seconds = rows[0].split(",").index("seconds")
    minutes = sum(float(row.split(",")[seconds]) for row in rows[1:]) / 60
    shared = {
        "parameters": metrics["parameters"],
        "epochs": len(rows) - 1,
        "minutes": minutes,
        "seed": seed,
        "command": shlex.join(words),
    }
    found = {ROWS[name].title: {**metrics["test"], **shared}}
    if ROWS[name].also:
        answer = json.loads(rnnkit(["evaluate", run, "--data", ROWS[name].also, "--json"]))
        found[f"{ROWS[name].also}, the same run"] = {**answer, **shared}
    return found


def table_row(title: str, row: Row, found: dict) -> str:
    """A line of the table."""
    metrics, floors = found["metrics"], found["floors"]
    cells = [
        title,
        *(f"{metrics[key]:.4g}" for key in ("bleu", "chrf", "exact_match", "perplexity")),
        row.goal if title == row.title else row.also_goal,
        " / ".join(f"{floors[key][row.floor]:.3g}" for key in ("copy", "memory")),
        f"{found['parameters']:,}",
        found["epochs"],
        f"{found['minutes']:.1f}",
        found["seed"],
        f"`{found['command']}`",
    ]
    return f"| {' | '.join(map(str, cells))} |"


HEADER = (
    "| data | BLEU | chrF | exact match | perplexity | goal | exact match or BLEU of copy / memory "
    "| parameters | epochs | minutes | seed | command |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def draw(names: list[str], seed: int) -> None:
    """BLEU by the length of the source, a line a run, on the test part."""
    first, *others = (str(RUNS / f"{name}-{seed}") for name in names)
    beside = [word for other in others for word in ("--beside", other)]
    rnnkit(["evaluate", first, *beside, "--plots", str(RUNS)])
    print((RUNS / "bleu_by_length.csv").read_text("utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="fra.txt, or fra.txt.gz")
    parser.add_argument("--row", nargs="*", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="less or more than the default")
    arguments = parser.parse_args()
    if arguments.data is None:
        for name in arguments.row:
            print(shlex.join(command(name, arguments.seed, arguments.epochs)))
        print("\nGive --data fra.txt to run these; translation.md has the measured table.")
        return
    make_parts(arguments.data)
    print(HEADER)
    for name in arguments.row:
        for title, found in measure(name, arguments.seed, arguments.epochs).items():
            print(table_row(title, ROWS[name], found), flush=True)
    french = [name for name in arguments.row if name != "dates"]
    if french:
        draw(french, arguments.seed)


if __name__ == "__main__":
    main()
