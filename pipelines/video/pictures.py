"""Pictures of the video task: what is confused, which groups are hard, and hits and misses."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipelines.confusion import confusion, draw_confusion
from pipelines.figures import save_figure
from pipelines.files import replacing
from pipelines.video import answering
from pipelines.video import scores as scoring
from pipelines.video.asking import Answer

SHOWN = 8  # clips of a contact sheet: half of them hits, half misses, where there are so many
STRIP = 8  # frames of a clip
EDGE = ((0, 0), (0, 0), (0, 1), (0, 0))  # a white line between two frames of a strip
WORST = 40  # groups in a picture


def draw(answers: Sequence[Answer], labels: Sequence[str], rate: float, folder: Path) -> None:
    """All pictures of clips whose labels are known."""
    known = [answer for answer in answers if (answer.clip.labels or answer.clip.label) is not None]
    if not known:
        return
    truth = [_truth(answer, labels) for answer in known]
    decided = [_decided(answer) for answer in known]
    table = confusion(np.concatenate(truth), np.concatenate(decided), len(labels))
    draw_confusion(table, labels, folder / "confusion.png")
    groups = [answer.clip.group for answer in known]
    if len(set(groups)) < len(groups):
        right = np.concatenate(truth) == np.concatenate(decided)
        repeated = [group for group, each in zip(groups, truth, strict=True) for _ in each]
        group_scores(scoring.by_group(right, repeated), folder)
    contact_sheet(chosen(known, labels), labels, rate, folder / "contact_sheet.png")


def chosen(answers: Sequence[Answer], labels: Sequence[str]) -> list[Answer]:
    """Hits and misses of different labels: the surest misses, and hits from the surest to the
    least sure."""
    shares = [(_decided(answer) == _truth(answer, labels)).mean() for answer in answers]
    sure = [float(answer.probabilities.max(1).mean()) for answer in answers]
    order = np.argsort(sure)[::-1]
    hits = [k for k in order if shares[k] == 1]
    misses = [k for k in order if shares[k] < 1]
    count = min(len(misses), max(SHOWN // 2, SHOWN - len(hits)))
    some = np.linspace(0, len(hits) - 1, min(SHOWN - count, len(hits))).astype(int)
    return [answers[k] for k in [*(hits[place] for place in some), *misses[:count]]]


def group_scores(rows: Sequence[tuple[str, int, float]], folder: Path) -> None:
    """`groups.csv`, every group with its clips and the share that is right, the worst first; and
    the worst 40 of them as `groups.png`."""
    with (
        replacing(folder / "groups.csv") as beside,
        beside.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("group", "count", "top1"))
        table.writerows((name, count, f"{share:.4f}") for name, count, share in rows)
    rows = rows[:WORST]
    figure = Figure(figsize=(7, 1.2 + 0.22 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(range(len(rows)), [share for _, _, share in rows], color="tab:blue")
    axes.set_yticks(range(len(rows)), [f"{name[:40]} ({count})" for name, count, _ in rows])
    axes.set(xlabel="share that is right", xlim=(0, 1), ylim=(len(rows) - 0.4, -0.6))
    axes.grid(axis="x", alpha=0.3)
    save_figure(figure, folder / "groups.png")


def contact_sheet(
    answers: Sequence[Answer], labels: Sequence[str], rate: float, path: Path
) -> None:
    """Each clip as a strip of frames (vectors as curves), with the probability of its labels over
    time below, and in the title whether the answer is right."""
    if not answers:
        return
    columns = min(2, len(answers))
    rows = -(-len(answers) // columns)
    figure = Figure(figsize=(7.5 * columns, 2.6 * rows), layout="constrained")
    cells = figure.subfigures(rows, columns, squeeze=False)
    for cell, answer in zip(cells.ravel(), answers, strict=False):
        above, below = cell.subplots(2, 1, height_ratios=(1, 1.2))
        _title(cell, answer, labels)
        _frames(above, answer)
        _curves(below, answer, labels, rate)
    save_figure(figure, path)


def _title(cell: Any, answer: Answer, labels: Sequence[str]) -> None:
    clip, decided = answer.clip, _decided(answer)
    if clip.labels is not None:
        share = (decided == _truth(answer, labels)).mean()
        words, colour = f"{share:.0%} of the frames right", "black"
    else:
        words, colour = labels[decided[-1]], "black"
        if clip.label is not None:
            right = words == clip.label
            words += ", right" if right else f", wrong: {clip.label}"
            colour = "tab:green" if right else "tab:red"
    name = clip.name if len(clip.name) < 48 else f"...{clip.name[-45:]}"
    cell.suptitle(f"{name}: {words}", color=colour, fontsize=9)


def _frames(axes: Any, answer: Answer) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    if not answering.is_picture(answer):
        axes.plot(answer.clip.frames(answer.places), linewidth=1)
        axes.set_ylabel("vector", fontsize=8)
        return
    some = np.linspace(0, len(answer.places) - 1, min(STRIP, len(answer.places))).astype(int)
    frames = np.pad(answer.clip.frames(answer.places[some]), EDGE, constant_values=255)
    strip = np.concatenate(list(frames), axis=1)
    axes.imshow(strip.squeeze(), cmap="gray" if strip.shape[-1] == 1 else None, vmin=0, vmax=255)
    axes.set_frame_on(False)


def _curves(axes: Any, answer: Answer, labels: Sequence[str], rate: float) -> None:
    """The true label, and those that were likeliest at some time, four at most."""
    time, last = answering.seconds(answer, rate), answer.probabilities.argmax(1)
    shown = dict.fromkeys([*_truth(answer, labels).tolist(), int(last[-1]), *last.tolist()])
    for k in [k for k in shown if k >= 0][:4]:
        axes.plot(time, answer.probabilities[:, k], marker=".", markersize=4, label=labels[k])
    axes.set(ylim=(-0.03, 1.03), ylabel="probability")
    unit = "seconds" if answering.is_picture(answer) else "frame"
    axes.set_xlabel(unit, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="center right")


def _truth(answer: Answer, labels: Sequence[str]) -> np.ndarray:
    clip = answer.clip
    names = [clip.label] if clip.labels is None else [clip.labels[k] for k in answer.places]
    return np.array([labels.index(name) if name in labels else -1 for name in names])


def _decided(answer: Answer) -> np.ndarray:
    decided = answer.probabilities.argmax(1)
    return decided if answer.clip.labels is not None else decided[-1:]
