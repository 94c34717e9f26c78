"""Answers of `rnnkit predict`: labels, probabilities, and how they went over time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines import sources
from pipelines.errors import UserError
from pipelines.labelled import labels_of
from pipelines.task import Reading
from pipelines.video import reading
from pipelines.video.asking import Answer
from pipelines.video.clips import Clip
from pipelines.video.decoding import SUFFIXES
from pipelines.video.settings import VideoSettings
from pipelines.video.tensors import frame_of

DIGITS = 6  # of a probability


def as_columns(
    answer: Answer, labels: Sequence[str], rate: float, per_frame: bool
) -> dict[str, Any]:
    """The columns of a clip's table, or its name; then ours.

    `prediction`, `confidence` and `probability_<label>` are of the whole clip. `time` are the
    seconds (of vectors: the numbers) of the frames that were seen, and `over_time` holds, a label,
    the probabilities after each of them. With `per_frame`, `stretches` are the frames of one label
    that follow one another, with the mean probability of that label.
    """
    clip = answer.clip
    theirs: dict[str, Any] = dict(clip.columns) or {"clip": clip.name}
    time = seconds(answer, rate)
    if per_frame:
        ours: dict[str, Any] = {"stretches": stretches(answer, labels, time, step(answer, rate))}
    else:
        best = int(answer.last.argmax())
        ours = {
            "prediction": labels[best],
            "confidence": _rounded(answer.last[best]),
            **{
                f"probability_{label}": _rounded(p)
                for label, p in zip(labels, answer.last, strict=True)
            },
            "time": [round(float(t), 3) for t in time],
            "over_time": {
                label: [_rounded(p) for p in column]
                for label, column in zip(labels, answer.probabilities.T, strict=True)
            },
        }
    for name, value in ours.items():
        while name in theirs:
            name += "_"
        theirs[name] = value
    return theirs


def seconds(answer: Answer, rate: float) -> np.ndarray:
    """When the frames that were seen are shown; of vectors their numbers."""
    return answer.places * step(answer, rate)


def step(answer: Answer, rate: float) -> float:
    """Seconds from one frame to the next; of vectors 1."""
    return 1 / rate if is_picture(answer) else 1


def is_picture(answer: Answer) -> bool:
    """Whether the clip's frames are pictures."""
    return len(frame_of(answer.clip)) == 3


def stretches(
    answer: Answer, labels: Sequence[str], time: np.ndarray, length: float
) -> list[dict[str, Any]]:
    """Frames of one label that follow one another."""
    best = answer.probabilities.argmax(1)
    ends = [*(np.flatnonzero(np.diff(best)) + 1).tolist(), len(best)]
    found, begin = [], 0
    for end in ends:
        label = int(best[begin])
        found.append(
            {
                "label": labels[label],
                "from": round(float(time[begin]), 3),
                "to": round(float(time[end - 1] + length), 3),
                "confidence": _rounded(answer.probabilities[begin:end, label].mean()),
            }
        )
        begin = end
    return found


def named_clips(names: Sequence[str], settings: VideoSettings) -> list[Clip]:
    """The clips of these files.

    Raises:
        UserError: one is not there, or none can be decoded.
    """
    for name in names:
        if Path(name).suffix.lower() not in SUFFIXES:
            raise UserError(
                f"{name}: expected the name of a clip ({', '.join(SUFFIXES)}). Use --input for a "
                "folder, a manifest or a table of vectors."
            )
        if not Path(name).is_file():
            raise UserError(f"{name}: no such file. Expected a clip.")
    return clips_of(reading.read_files([Path(name) for name in names], settings))


def clips_of(found: Reading[Clip]) -> list[Clip]:
    """All clips of a reading; what was left out is told."""
    sources.tell_dropped(found.dropped)
    return [clip for clips in found.parts.values() for clip in clips]


def judged(clip: Clip, labels: Sequence[str]) -> Clip:
    """The clip without a label that the model does not know, as the name of a folder may be."""
    known = set(labels_of(clip)) <= set(labels)
    return clip if known else dataclasses.replace(clip, label=None, labels=None)


def _rounded(value: float) -> float:
    return round(float(value), DIGITS)
