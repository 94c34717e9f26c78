"""What the video task reaches: `python benchmarks/video.py DATA [NAME ...]`.

DATA is a folder with `point_history.csv.gz` (finger-tip gestures of hand-gesture-recognition-
mediapipe) and the clips of the Surveillance Camera Fight Dataset (`fight/`, `noFight/`) beside a
`manifest.csv` with the columns file,label,group, wherever in it; NAMEs are those below. Results:
`benchmarks/video.md`.

    rendered   the default data and settings, three seeds, and the same without recurrence
    gestures   five folds of blocks of time
    fights     five folds by group, no pretrained weights
    pipeline   clips decoded a second by one thread and by two; how long the model waits for frames
"""

from __future__ import annotations

import csv
import gzip
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import pipelines
from pipelines.batches import Batches
from pipelines.run import Run
from pipelines.video import floors
from pipelines.video.decoding import Look, decode_all
from pipelines.video.scores import scores

QUIET = keras.callbacks.Callback()
FOLDS = 5
STEPS = 16  # of a gesture
Answer = tuple[np.ndarray, np.ndarray, int, int]  # of model and floor; label, group
FIGHTS: dict[str, Any] = {
    "colour": "grey",
    "differences": "only",
    "places": False,
    "mirror": True,
    "dropout": 0.5,
    "units": 32,
}


def main(arguments: Sequence[str]) -> None:
    if not arguments:
        sys.exit(__doc__)
    data, *names = arguments
    table = {"rendered": rendered, "gestures": gestures, "fights": fights, "pipeline": pipeline}
    for name in names or table:
        table[name](Path(data))


def rendered(data: Path) -> None:
    """Each seed renders its own clips."""
    for seed in range(3):
        for layers in (1, 0) if seed == 0 else (1,):
            with tempfile.TemporaryDirectory() as folder:
                begun = time.monotonic()
                run = pipelines.train("video", run=folder, seed=seed, layers=layers, progress=QUIET)
                _tell(f"rendered, seed {seed}, {layers} recurrent layers", run, begun)


def gestures(data: Path, folds: Sequence[int] = range(FOLDS)) -> None:
    """The rows of each gesture, a sliding window over a recording, are cut into ten stretches of
    time; a fold tests two of ten and validates on one. The 15 rows on either side of what is held
    out are left out of training, because they share steps with it."""
    path = next(data.rglob("point_history.csv.gz"))
    with gzip.open(path, "rt") as file:
        table = np.array(list(csv.reader(file)), float)
    labels, values = table[:, 0].astype(int), table[:, 1:].reshape(len(table), STEPS, 2)
    stretch, gap = np.zeros(len(table), int), np.zeros(len(table), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        stretch[rows] = np.arange(len(rows)) * 10 // len(rows)
    found = []
    for fold in folds:
        held = {fold: "test", fold + FOLDS: "test", (fold + 1) % 10: "valid"}
        parts = np.array([held.get(each, "train") for each in stretch])
        outside = np.flatnonzero(parts != "train")
        near = np.unique(np.clip(outside[:, None] + np.arange(-15, 16), 0, len(table) - 1))
        gap[:] = False
        gap[near] = True
        keep = ~(gap & (parts == "train"))
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "gestures.npz"
            np.savez(source, values=values[keep], labels=labels[keep], splits=parts[keep])
            begun = time.monotonic()
            run = pipelines.train("video", source, run=Path(folder) / "run", progress=QUIET)
            _tell(f"gestures, fold {fold}, {keep.sum()} of {len(keep)} rows", run, begun)
            found.append(run.metrics["test"])
    _spread("gestures", [each["metrics"]["top1"] for each in found])
    _spread("gestures, floor", [each["floors"]["frames_without_order"]["top1"] for each in found])


def fights(data: Path, folds: Sequence[int] = range(FOLDS)) -> list[Answer]:
    """Groups are dealt to the folds, the largest first, each to the fold with fewest clips; a fold
    is tested, the next one validates, three train. All clips are scored once, as one test."""
    path = next(path for path in data.rglob("manifest.csv") if (path.parent / "fight").is_dir())
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    groups = sorted({row["group"] for row in rows}, key=lambda g: (-_size(rows, g), g))
    fold_of: dict[str, int] = {}
    for group in groups:
        sizes = [sum(_size(rows, g) for g, f in fold_of.items() if f == k) for k in range(FOLDS)]
        fold_of[group] = int(np.argmin(sizes))
    settings = dict(FIGHTS)
    answers: list[Answer] = []
    everything = time.monotonic()
    for fold in folds:
        held = {fold: "test", (fold + 1) % FOLDS: "valid"}
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "manifest.csv"
            with source.open("w", encoding="utf-8", newline="") as file:
                table = csv.writer(file)
                table.writerow(("file", "label", "group", "split"))
                for row in rows:
                    part = held.get(fold_of[row["group"]], "train")
                    clip = path.parent / row["file"]
                    table.writerow((clip.resolve(), row["label"], row["group"], part))
            begun = time.monotonic()
            run = pipelines.train(
                "video", source, run=Path(folder) / "run", progress=QUIET, **settings
            )
            _tell(f"fights, fold {fold}", run, begun)
            answers += _answers(run)
    pooled(answers)
    print(f"fights: {(time.monotonic() - everything) / 60:.1f} minutes in all", flush=True)
    return answers


def pooled(answers: Sequence[Answer]) -> None:
    """Scores of the clips of all folds as one test, for the model and the floor."""
    truth, groups = (np.array([each[k] for each in answers]) for k in (2, 3))
    for k, name in enumerate(("model", "frames without order")):
        found = scores(np.stack([each[k] for each in answers]), truth, groups)
        rounded = {key: round(value, 4) for key, value in found.items()}
        print(f"fights, {len(truth)} clips of {len(set(groups))} groups, {name}: {rounded}")


def pipeline(data: Path) -> None:
    """Decoding from files, and then batches from the cache beside a model that trains."""
    clips = sorted(data.rglob("fight/*.mp4")) + sorted(data.rglob("noFight/*.mp4"))
    for width, height in ((64, 36), (224, 224)):
        for threads in (1, 2):
            with tempfile.TemporaryDirectory() as folder:
                kept, os.environ["RNNKIT_CACHE"] = os.environ.get("RNNKIT_CACHE"), folder
                begun = time.monotonic()
                found = decode_all(clips, Look(width, height, "rgb", 10.0), threads)
                seconds = time.monotonic() - begun
                os.environ.pop("RNNKIT_CACHE")
                if kept is not None:
                    os.environ["RNNKIT_CACHE"] = kept
            frames = sum(each.frames for each in found)
            print(
                f"decoding to {width} x {height}, {threads} threads: {len(clips)} clips in "
                f"{seconds:.2f} s, {len(clips) / seconds:.0f} clips and {frames / seconds:.0f} "
                "frames kept a second",
                flush=True,
            )
    with tempfile.TemporaryDirectory() as folder:
        run = pipelines.train("video", run=folder, epochs=1, progress=QUIET)
        _waiting(run)


def _waiting(run: Run) -> None:
    """How much of an epoch the model waits for its batch, and how long batches alone take."""
    task, boundaries = run.task, run.config["boundaries"]
    batches = Batches(task, run.data().parts["train"])
    model = task.model()
    model.compile("adam", **task.compile_arguments())
    steps = batches.steps(boundaries)
    iterator = iter(batches.epochs(boundaries, 0, 3))
    for epoch in range(3):
        waited, begun = 0.0, time.monotonic()
        for _ in range(steps):
            asked = time.monotonic()
            x, y, weight = next(iterator)
            waited += time.monotonic() - asked
            model.train_on_batch(x, y, weight)
        total = time.monotonic() - begun
        print(
            f"epoch {epoch + 1}: {total:.2f} s, of which the model waited {waited:.2f} s; at most "
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB so far",
            flush=True,
        )
    begun = time.monotonic()
    for _ in batches.epochs(boundaries, 3, 4):
        pass
    print(f"batches alone: {time.monotonic() - begun:.2f} s for {steps} batches", flush=True)


def _answers(run: Run) -> Iterator[Answer]:
    """Of each clip of the test part: probabilities of model and floor, label, group."""
    clips = run.data().parts["test"]
    labels = run.task.learnt["labels"]
    predicted = run.task.predict(run.model, clips)
    floor = [
        floors.answers(run.fitted_floors, run.task._described(clip))[0]  # type: ignore[attr-defined]
        for clip in clips
    ]
    for clip, answer, below in zip(clips, predicted, floor, strict=True):
        own = np.array([answer[f"probability_{label}"] for label in labels])
        yield own, below, labels.index(clip.label), int(clip.group)


def _size(rows: list[dict[str, str]], group: str) -> int:
    return sum(row["group"] == group for row in rows)


def _tell(title: str, run: Run, begun: float) -> None:
    valid, test = run.metrics["valid"], run.metrics["test"]
    print(
        f"{title}: top1 {test['metrics']['top1']:.4f} (valid {valid['metrics']['top1']:.4f}), "
        f"floor {test['floors']['frames_without_order']['top1']:.4f} (valid "
        f"{valid['floors']['frames_without_order']['top1']:.4f}), best epoch "
        f"{run.metrics['best_epoch']} of {run.metrics['epochs']}, {run.metrics['parameters']} "
        f"parameters, {run.config['data']['records']}, {(time.monotonic() - begun) / 60:.1f} min",
        flush=True,
    )


def _spread(title: str, values: list[float]) -> None:
    mean, deviation = np.mean(values), np.std(values, ddof=1)
    print(f"{title}: mean {mean:.4f}, standard deviation {deviation:.4f} of {len(values)} folds")


if __name__ == "__main__":
    tf.get_logger().setLevel("ERROR")
    main(sys.argv[1:])
