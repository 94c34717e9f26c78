"""Saturation mutagenesis: what every single change of a sequence does to the answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipelines.dna.alphabets import ALPHABETS
from pipelines.dna.scoring import Scorer, score_all
from pipelines.dna.sequences import BioSequence
from pipelines.errors import UserError, require
from pipelines.figures import save_figure

LONGEST = 1000  # letters that a picture can show


def effects(score: Scorer, sequence: str, letters: str, target: int) -> np.ndarray:
    """(T, letters): how much the log-odds of label `target` change if the letter at t becomes
    another one; about 0 where it is that letter already.

        effect(t, a) = log-odds(sequence with a at t) - log-odds(sequence)

    Reference: B. Alipanahi, A. Delong, M. Weirauch and B. Frey, Predicting the sequence
    specificities of DNA- and RNA-binding proteins by deep learning, Nature Biotechnology 33, 2015,
    whose mutation maps these are.
    """
    changed = (
        sequence[:place] + letter + sequence[place + 1 :]
        for place in range(len(sequence))
        for letter in letters
    )
    (before,) = score_all(score, [sequence])
    after = np.stack(list(score_all(score, changed)))[:, target]
    return (_log_odds(after) - _log_odds(before[target])).reshape(len(sequence), len(letters))


def _log_odds(probability: np.ndarray) -> np.ndarray:
    clipped = np.clip(probability.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(clipped) - np.log1p(-clipped)


def explain(
    records: Iterable[BioSequence],
    score: Scorer,
    alphabet: str,
    labels: list[str],
    target: str | None,
    folder: Path,
) -> Iterator[dict[str, Any]]:
    """An answer and a picture a sequence.

    Args:
        records: of lengths that the model takes.
        score: see `pipelines.dna.scoring.scorer`.
        alphabet: of the sequences.
        labels: of the model.
        target: the label whose log-odds are followed; None for the likeliest one of each sequence.
        folder: for the pictures, made if it is not there.

    Raises:
        UserError: a sequence is too long for a picture, or logomaker is not installed.
    """
    require("logomaker", "dna")
    letters = ALPHABETS[alphabet].letters
    for number, record in enumerate(records, 1):
        if len(record.letters) > LONGEST:
            raise UserError(
                f"{record.name}: --mutagenesis draws at most {LONGEST} letters. Received: "
                f"{len(record.letters)}. Cut the part that matters."
            )
        (probabilities,) = score_all(score, [record.letters])
        k = int(probabilities.argmax()) if target is None else labels.index(target)
        found = effects(score, record.letters, letters, k)
        name = re.sub(r"[^\w.-]+", "-", record.name)[-60:]
        path = folder / f"{number:03d}-{name}.png"
        draw(record.letters, found, letters, f"{record.name}: {labels[k]}", path)
        place, letter = np.unravel_index(np.abs(found).argmax(), found.shape)
        yield {
            "name": record.name,
            "target": labels[k],
            "probability": float(probabilities[k]),
            "strongest_change": f"{record.letters[place]}{place + 1}{letters[letter]}",
            "log_odds_change": float(found[place, letter]),
            "picture": str(path),
        }


def importance(sequence: str, found: np.ndarray, letters: str) -> np.ndarray:
    """(T, letters): the height of each letter in the logo, what is lost on average if it becomes
    another one. Only the letter that stands there has a height; ambiguous ones have none."""
    heights = np.zeros_like(found)
    for place, letter in enumerate(sequence):
        if letter in letters:
            others = np.delete(found[place], letters.index(letter))
            heights[place, letters.index(letter)] = -others.mean()
    return heights


def draw(sequence: str, found: np.ndarray, letters: str, title: str, path: Path) -> None:
    """The logo over the heat map, as a PNG."""
    import logomaker
    import pandas

    size = (max(6.0, 0.16 * len(sequence)), 1.8 + 0.22 * len(letters))
    figure = Figure(figsize=size, layout="constrained")
    logo, heat = figure.subplots(2, 1, sharex=True, height_ratios=(1, len(letters) / 5))
    heights = pandas.DataFrame(importance(sequence, found, letters), columns=list(letters))
    scheme = "chemistry" if len(letters) > 4 else "classic"
    logomaker.Logo(heights, ax=logo, color_scheme=scheme)
    logo.set(title=title, ylabel="importance")
    most = max(float(np.abs(found).max()), 1e-6)
    image = heat.imshow(found.T, aspect="auto", cmap="RdBu_r", vmin=-most, vmax=most)
    heat.set_yticks(range(len(letters)), list(letters))
    if len(sequence) <= 120:
        heat.set_xticks(range(len(sequence)), list(sequence), fontsize=7)
    heat.set(xlabel="letter", ylabel="becomes")
    figure.colorbar(image, ax=heat, label="log-odds")
    save_figure(figure, path)
