"""The tables of the sentiment task: `benchmarks/sentiment.md`.

    python benchmarks/sentiment.py folds DIR [--folds 0 1 2 ...] [--seed 0] [SETTING ...]
    python benchmarks/sentiment.py long DIR [--texts 25000]

DIR holds `rt-polarity.pos.gz` and `rt-polarity.neg.gz`, the sentence polarity data set v1.0 of Pang
and Lee (2005), a sentence a line. `folds` is ten-fold cross-validation of `rnnkit train sentiment`
at its defaults (or with the SETTINGs added, such as `--cell gru`): lines are shuffled by seed 0,
line i is in fold i mod 10, a fold is the test part, and a tenth of the others, by the hash of the
text, validates. `long` joins lines to texts of 230 words, repeats them, and measures the time and
memory of one epoch; its scores mean nothing. Runs stay in `runs/benchmark-sentiment/`, where a
finished one is taken as it is. Without arguments it prints the commands and measures nothing.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import resource
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

RUNS = Path("runs/benchmark-sentiment")
FOLDS = 10
WORDS = 230  # of a long text


def lines(folder: Path) -> list[tuple[str, str]]:
    """All sentences with their labels, those of each file in its order."""
    found = []
    for label in ("pos", "neg"):
        with gzip.open(folder / f"rt-polarity.{label}.gz") as file:
            found += [(line.decode().rstrip("\n"), label) for line in file]
    return found


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


def fold(folder: Path, number: int) -> tuple[Path, Path]:
    """The training and the test file of a fold."""
    rows = lines(folder)
    order = np.random.default_rng(0).permutation(len(rows))
    test = [rows[i] for i in order[number::FOLDS]]
    train = [rows[i] for k in range(FOLDS) if k != number for i in order[k::FOLDS]]
    place = RUNS / "data"
    return write(place / f"{number}-train.csv", train), write(place / f"{number}-test.csv", test)


def train(*words: str) -> dict:
    """Trains, or takes up, one run and returns what the tables need of it."""
    run = Path(words[words.index("--run") + 1])
    program = Path(sys.executable).with_name("rnnkit")
    subprocess.run([program, "train", "sentiment", *words], check=True, stdout=subprocess.DEVNULL)
    metrics = json.loads((run / "metrics.json").read_text())
    with (run / "metrics.csv").open() as file:
        history = list(csv.DictReader(file))
    return {
        **metrics["test"]["metrics"],
        "bag_of_words": metrics["test"]["floors"]["bag_of_words"]["accuracy"],
        "epochs": len(history),
        "seconds": [float(row["seconds"]) for row in history],
        "parameters": metrics["parameters"],
    }


def run_folds(folder: Path, numbers: list[int], seed: int, settings: list[str]) -> None:
    mark = hashlib.sha256(shlex.join(settings).encode()).hexdigest()[:6] if settings else "defaults"
    print(
        "| fold | accuracy | bag of words | macro F1 | ROC-AUC | calibration error | epochs | min |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    results = []
    for number in numbers:
        data, test = fold(folder, number)
        run = RUNS / f"{mark}-{number}-{seed}"
        found = train(
            *["--data", str(data), "--test", str(test), "--run", str(run), "--seed", str(seed)],
            *settings,
        )
        results.append(found)
        names = ("accuracy", "bag_of_words", "macro_f1", "roc_auc", "calibration_error")
        cells = [str(number), *(f"{found[name]:.4f}" for name in names)]
        cells += [str(found["epochs"]), f"{sum(found['seconds']) / 60:.1f}"]
        print(f"| {' | '.join(cells)} |", flush=True)
    for name in ("accuracy", "bag_of_words"):
        values = [100 * found[name] for found in results]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"\n{name}: mean {statistics.mean(values):.2f}, standard deviation {spread:.2f}")
    print(
        f"\n{results[0]['parameters']:,} parameters, seed {seed}, "
        f"settings: {shlex.join(settings) or 'defaults'}"
    )


def run_long(folder: Path, count: int) -> None:
    sentences = lines(folder)
    texts: list[tuple[str, str]] = []
    at = 0
    while len(texts) < count:
        words: list[str] = []
        while len(words) < WORDS:
            words += sentences[at % len(sentences)][0].split()
            at += 1
        texts.append((" ".join(words[:WORDS]), "pos" if len(texts) % 2 else "neg"))
    data = write(RUNS / "data" / f"long-{count}.csv", texts)
    found = train(*["--data", str(data), "--run", str(RUNS / f"long-{count}"), "--epochs", "1"])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print("| texts of 230 words | seconds an epoch | peak memory (GiB) |\n| --- | --- | --- |")
    print(f"| {count} | {found['seconds'][0]:.0f} | {peak:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("folds", "long"))
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--folds", nargs="*", type=int, default=list(range(FOLDS)))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--texts", type=int, default=25_000)
    arguments, settings = parser.parse_known_args()
    if arguments.data is None:
        print("python benchmarks/sentiment.py folds DIR\npython benchmarks/sentiment.py long DIR")
        print("\nDIR holds rt-polarity.pos.gz and rt-polarity.neg.gz; the tables: sentiment.md")
    elif arguments.what == "folds":
        run_folds(arguments.data, arguments.folds, arguments.seed, settings)
    else:
        run_long(arguments.data, arguments.texts)


if __name__ == "__main__":
    main()
