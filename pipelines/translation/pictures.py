"""Pictures: where the decoder looked, and BLEU by the length of the source."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from pipelines.errors import UserError
from pipelines.figures import save_figure
from pipelines.files import replacing
from pipelines.translation.language import START, Language
from pipelines.translation.model import TranslationModel

LARGEST = 40  # inches of a side; memory and the file grow with the product of both
_BLANK = "␣"  # stands for the blank that belongs to a token


def draw_alignments(
    alignments: np.ndarray, source: Sequence[str], target: Sequence[str], path: Path
) -> None:
    """How much each step of the decoder read of each place of the source.

    Args:
        alignments: (target tokens, source tokens), rows that sum to 1.
        source, target: the tokens.
        path: of the picture.
    """
    width = min(1.5 + 0.34 * len(source), LARGEST)
    height = min(1.2 + 0.3 * len(target), LARGEST)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(alignments, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(source)), [_visible(token) for token in source], rotation=90)
    axes.set_yticks(range(len(target)), [_visible(token) for token in target])
    axes.xaxis.tick_top()
    axes.set(ylabel="translation")
    axes.set_title("source", fontsize="medium")
    save_figure(figure, path)


def draw_by_length(curves: Mapping[str, list[tuple[str, int, float]]], path: Path) -> None:
    """BLEU against the words of the source, a line a model.

    Args:
        curves: what `scores.bleu_by_length` gave, by the model's name.
        path: of the picture.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, rows in curves.items():
        axes.plot([row[2] for row in rows], "o-", label=name)
    rows = next(iter(curves.values()))
    axes.set_xticks(range(len(rows)), [f"{label}\n{count}" for label, count, _ in rows])
    axes.set(xlabel="words of the source; sentences", ylabel="BLEU", ylim=(0, 104))
    axes.grid(alpha=0.3)
    if len(curves) > 1:
        axes.legend()
    save_figure(figure, path)


def write_by_length(curves: Mapping[str, list[tuple[str, int, float]]], path: Path) -> None:
    """The same as a table, for a plot of one's own: model, words, sentences, bleu."""
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("model", "words", "sentences", "bleu"))
        writer.writerows((name, *row) for name, rows in curves.items() for row in rows)


def check_name(path: str) -> None:
    """Refuses what is no file name of a picture, before anything is translated."""
    if not path.lower().endswith(".png") or Path(path).is_dir():
        raise UserError(f"--attention: expected a file name that ends in .png. Received: {path!r}.")


def drawn(
    answers: Iterable[dict[str, Any]],
    model: TranslationModel,
    source: Language,
    target: Language,
    out: Path,
) -> Iterator[dict[str, Any]]:
    """The answers as they come, each with a picture of its alignments; several get numbers.

    The tokens of a picture are those that the translation's text is cut into; where a search wrote
    the same text in other pieces, it looked at the source in other steps than the picture's.

    Args:
        answers: with `source` and `translation`.
        model, source, target: what translated them.
        out: file of the picture.
    """
    tokens = tf.TensorSpec((None, None), tf.int32)
    look = tf.function(model.alignments, input_signature=[tokens] * 2, autograph=False)
    remaining = iter(answers)
    first = list(itertools.islice(remaining, 2))
    for k, answer in enumerate(itertools.chain(first, remaining), 1):
        read = source.numbers(tf.constant([answer["source"]])).to_tensor()
        wrote = target.numbers(tf.constant([answer["translation"]])).to_tensor()
        draw_alignments(
            look(read, tf.concat([[[START]], wrote[:, :-1]], axis=1))[0].numpy(),
            source.shown(read[0].numpy().tolist()),
            target.shown(wrote[0].numpy().tolist()),
            out if len(first) == 1 else out.with_name(f"{out.stem}-{k}{out.suffix}"),
        )
        yield answer


def _visible(token: str) -> str:
    shown = token.replace("$", r"\$")  # which would begin a formula
    return shown.replace(" ", _BLANK) if token.startswith(" ") else shown
