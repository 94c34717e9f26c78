"""The tables of the task of named entities: `benchmarks/ner.md`.

    python benchmarks/ner.py wnut17 DIR [--seeds 0 1 2] [--part valid|test]
    python benchmarks/ner.py wikigold FILE [--seed 0]
    python benchmarks/ner.py epoch

`wnut17`: DIR holds the train, development and test files of WNUT-17 (Derczynski et al. 2017) under
their own names. `wikigold`: FILE is the corpus of Balasuriya et al. (2009) as columns with
`-DOCSTART-` lines; document k in the order of the file is in fold k mod 5, a fold is the test part,
and a tenth of the other documents validates. `epoch`: time and memory of one epoch over 14,000
drawn sentences with 9 tags, whose scores mean nothing. Runs are `rnnkit train ner` at its defaults
and stay in `runs/benchmark-ner/`, where a finished one is taken as it is. Without arguments it
prints the commands and measures nothing.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import resource
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

RUNS = Path("runs/benchmark-ner")
FOLDS = 5
SENTENCES = 14_000
DOCUMENT = "-DOCSTART-"


def train(*options: str | Path) -> Path:
    """Trains, or takes up, the run that `--run` names."""
    words = ["rnnkit", "train", "ner", *map(str, options)]
    subprocess.run([Path(sys.executable).with_name("rnnkit"), *words[1:]], check=True)
    return Path(words[words.index("--run") + 1])


def row(title: str, run: Path, part: str) -> tuple[float, str]:
    """The strict F1, and a row of the table."""
    metrics = json.loads((run / "metrics.json").read_text())
    rows = (run / "metrics.csv").read_text().splitlines()
    seconds = rows[0].split(",").index("seconds")
    minutes = sum(float(line.split(",")[seconds]) for line in rows[1:]) / 60
    scores, floor = metrics[part]["metrics"], metrics[part]["floors"]["most_frequent_tag"]
    names = ("f1_strict", "precision_strict", "recall_strict", "f1_lenient")
    cells = [title, *(f"{100 * scores[name]:.1f}" for name in names)]
    cells += [f"{100 * floor['f1_strict']:.1f}", f"{metrics['parameters']:,}"]
    cells += [f"{metrics['best_epoch']} of {metrics['epochs']}", f"{minutes:.1f}"]
    return scores["f1_strict"], f"| {' | '.join(cells)} |"


def table(rows: list[tuple[float, str]]) -> str:
    header = (
        "| run | F1 strict | precision | recall | F1 lenient | floor, F1 strict | parameters "
        "| best epoch | minutes |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    scores = [100 * score for score, _ in rows]
    spread = f" ± {statistics.stdev(scores):.1f}" if len(scores) > 1 else ""
    mean = f"\nmean of {len(scores)}: {statistics.mean(scores):.1f}{spread}"
    return "\n".join([header, *(line for _, line in rows), mean])


def wnut17(folder: str, seeds: list[int], part: str) -> None:
    rows = []
    for seed in seeds:
        run = train("--data", folder, "--seed", str(seed), "--run", RUNS / f"wnut17-{seed}")
        rows.append(row(f"seed {seed}", run, part))
    print(table(rows))


def documents(path: Path) -> list[str]:
    """The documents of a file, without their `-DOCSTART-` lines."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    found: list[list[str]] = [[]]
    for line in text.splitlines(keepends=True):
        if line.startswith(DOCUMENT):
            found.append([])
        else:
            found[-1].append(line)
    return ["".join(lines) for lines in found if "".join(lines).strip()]


def wikigold(path: str, seed: int) -> None:
    every, rows = documents(Path(path)), []
    for fold in range(FOLDS):
        place = RUNS / "wikigold-data" / str(fold)
        place.mkdir(parents=True, exist_ok=True)
        for part, chosen in (
            ("test", every[fold::FOLDS]),
            ("train", [text for k, text in enumerate(every) if k % FOLDS != fold]),
        ):
            text = "".join(f"{DOCUMENT} O\n\n{document}\n" for document in chosen)
            (place / f"{part}.conll").write_text(text, "utf-8")
        run = train("--data", place, "--seed", str(seed), "--run", RUNS / f"wikigold-{fold}-{seed}")
        rows.append(row(f"fold {fold}", run, "test"))
    print(table(rows))


def epoch() -> None:
    """Sentences as long as news has them (14.5 words, at most 113), words by Zipf's law."""
    drawn = random.Random(0)
    weights = [1 / rank for rank in range(1, 24_000)]
    words = [
        f"w{''.join(drawn.choices('aeioursntl', k=3 + k % 9))}{k}" for k in range(len(weights))
    ]
    tags = ["PER", "LOC", "ORG", "MISC"]
    lines = []
    for _ in range(SENTENCES):
        length = max(1, min(113, round(drawn.expovariate(1 / 14.5))))
        for word in drawn.choices(words, weights, k=length):
            entity = drawn.random() < 0.12
            tag = f"B-{drawn.choice(tags)}" if entity else "O"
            lines.append(f"{word.title() if entity else word}\t{tag}")
        lines.append("")
    path = RUNS / "drawn.conll"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    small = RUNS / "drawn-valid.conll"
    small.write_text("\n".join(lines[:2000]) + "\n\n", "utf-8")
    parts = ("--data", path, "--valid", small, "--test", small)
    run = train(*parts, "--epochs", "2", "--run", RUNS / "epoch")
    seconds = [line.rpartition(",")[2] for line in (run / "metrics.csv").read_text().splitlines()]
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"{SENTENCES} sentences: epochs of {', '.join(seconds[1:])} s; {memory:.1f} GB at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("wnut17", "wikigold", "epoch"))
    parser.add_argument("data", nargs="?")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", choices=("valid", "test"), default="test")
    arguments = parser.parse_args()
    if arguments.what == "epoch":
        epoch()
    elif arguments.data is None:
        for what in ("wnut17 DIR", "wikigold FILE", "epoch"):
            print(shlex.join(["python", "benchmarks/ner.py", *what.split()]))
    elif arguments.what == "wnut17":
        wnut17(arguments.data, arguments.seeds, arguments.part)
    else:
        wikigold(arguments.data, arguments.seed)


if __name__ == "__main__":
    main()
