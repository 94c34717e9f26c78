"""What the dna task reaches: `python benchmarks/dna.py DATA [NAME ...]`.

DATA is a folder with `splice.data.gz` (UCI, molecular biology: splice-junction gene sequences) and
`promoters.data.gz` (UCI, molecular biology: promoter gene sequences), wherever in it; NAMEs are
those below, with default settings but for `promoters`. Results: `benchmarks/dna.md`.

    sites              the default data: the share of the best possible ROC-AUC
    splice             ten folds over groups of equal sequences
    promoters          leave one out, all in this process
    promoters-default  the same with default settings
    long               25,600 simulated sequences of 600 letters: seconds and memory of an epoch
"""

from __future__ import annotations

import csv
import gzip
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras

import pipelines
from pipelines.dna.alphabets import ALPHABETS
from pipelines.dna.sequences import BioSequence, with_groups
from pipelines.run import Run
from pipelines.sources import place

QUIET = keras.callbacks.Callback()
# A hundred sequences are four batches of the default size: more and larger steps, chosen on the
# validation parts of four splits (`dna.md`).
FEW = {"batch_size": 8, "learning_rate": 3e-3, "epochs": 100, "patience": 30}


def main(arguments: Sequence[str]) -> None:
    if not arguments:
        sys.exit(__doc__)
    data, *names = arguments
    table = {
        "sites": sites,
        "splice": splice,
        "promoters": promoters,
        "promoters-default": lambda data: promoters(data, {}),
        "long": long,
    }
    for name in names or table:
        table[name](Path(data))


def sites(data: Path) -> None:
    """The default data and settings, three seeds (each simulates anew)."""
    for seed in range(3):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.monotonic()
            run = pipelines.train("dna", run=folder, seed=seed, progress=QUIET)
            _tell(f"sites, seed {seed}", run, begun, ("roc_auc", "roc_auc_share", "accuracy"))


def long(data: Path, count: int = 25600) -> None:
    """Two epochs: the second is without what is compiled in the first."""
    for sequences in (count // 4, count):
        with tempfile.TemporaryDirectory() as folder:
            before = _megabytes()
            run = pipelines.train(
                "dna",
                run=folder,
                simulated=sequences,
                simulated_length=600,
                epochs=2,
                progress=QUIET,
            )
            seconds = [round(row["seconds"]) for row in run.history]
            print(
                f"long: {sequences} sequences of 600: seconds an epoch {seconds}, "
                f"memory {before:.0f} MB before, at most {_megabytes():.0f} MB",
                flush=True,
            )


def splice(data: Path, folds: int = 10) -> None:
    """Groups of equal sequences (or reverse complements) are dealt to the folds by a hash."""
    records = _read(data, "splice.data.gz")
    groups = sorted({record.group for record in records}, key=lambda g: place(f"fold {g}"))
    fold_of = {group: k % folds for k, group in enumerate(groups)}
    accuracies = []
    for fold in range(folds):
        begun = time.monotonic()
        test = [record for record in records if fold_of[record.group] == fold]
        rest = [record for record in records if fold_of[record.group] != fold]
        with tempfile.TemporaryDirectory() as folder:
            run = _train(Path(folder), rest, test)
            _tell(f"splice, fold {fold}", run, begun, ("accuracy", "mcc", "roc_auc"))
            accuracies.append(run.metrics["test"]["metrics"]["accuracy"])
    mean, spread = statistics.mean(accuracies), statistics.stdev(accuracies)
    print(f"splice: mean accuracy of {folds} folds {mean:.4f}, standard deviation {spread:.4f}")


def promoters(data: Path, settings: dict[str, Any] = FEW) -> None:
    """Each of 106 sequences is the test of a model that was trained on the others."""
    records, errors, floor_errors, begun = _read(data, "promoters.data.gz"), 0, 0, time.monotonic()
    for k, record in enumerate(records):
        rest = [other for other in records if other.group != record.group]
        with tempfile.TemporaryDirectory() as folder:
            scores = _train(Path(folder), rest, [record], **settings).metrics["test"]
        keras.backend.clear_session()
        errors += scores["metrics"]["accuracy"] < 1
        floor_errors += scores["floors"]["pwm"]["accuracy"] < 1
        if k % 10 == 9 or k == len(records) - 1:
            minutes = (time.monotonic() - begun) / 60
            print(
                f"promoters: {k + 1} of {len(records)} left out, {errors} errors, weight matrix "
                f"{floor_errors}, {minutes:.1f} minutes, memory {_megabytes():.0f} MB",
                flush=True,
            )


def _read(data: Path, name: str) -> list[BioSequence]:
    """A UCI file: class, name and sequence a line, with spaces between."""
    path = next(data.rglob(name))
    with gzip.open(path, "rt") as file:
        rows = [[cell.strip() for cell in line.split(",")] for line in file if line.strip()]
    records = [BioSequence(name, letters.upper(), label=label) for label, name, letters in rows]
    return with_groups(records, ALPHABETS["dna"])


def _train(
    folder: Path, train: Iterable[BioSequence], test: Iterable[BioSequence], **settings: Any
) -> Run:
    paths = {part: str(folder / f"{part}.csv") for part in ("train", "test")}
    for part, records in (("train", train), ("test", test)):
        with open(paths[part], "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["sequence", "label", "name", "group"])
            rows.writerows([r.letters, r.label, r.name, r.group] for r in records)
    return pipelines.train(
        "dna", paths["train"], test=paths["test"], run=folder / "run", progress=QUIET, **settings
    )


def _tell(title: str, run: Run, begun: float, metrics: Iterable[str]) -> None:
    part = run.metrics["test"]
    scores: dict[str, Any] = {name: round(part["metrics"][name], 4) for name in metrics}
    floors = {name: round(values["accuracy"], 4) for name, values in part["floors"].items()}
    print(
        f"{title}: {scores}, accuracy of floors {floors}, best epoch {run.metrics['best_epoch']} "
        f"of {run.metrics['epochs']}, {run.metrics['parameters']} parameters, "
        f"{(time.monotonic() - begun) / 60:.1f} minutes",
        flush=True,
    )


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1:])
