"""What moved an answer: each word, or each letter of a sequence, taken out in turn."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pandas

from pipelines.demo.asking import Asked
from pipelines.errors import require

MOST_PIECES = 1000  # beyond it the page would ask for minutes


def sequences(text: str) -> list[tuple[str, str]]:
    """(name, letters) of each entry of a FASTA text; a text that is none is one entry itself, as is
    one that quotes with ">"."""
    if not text.lstrip().startswith(">"):
        return [("", text)]
    entries = [entry.splitlines() or [""] for entry in re.split("^>", text, flags=re.MULTILINE)[1:]]
    found = [(lines[0].strip(), "".join(map(str.strip, lines[1:]))) for lines in entries]
    bodies = [line.strip() for lines in entries for line in lines[1:]]
    if not all(re.fullmatch("[A-Za-z*-]*", line) for line in bodies) or not any(bodies):
        return [("", text)]
    return found


def unknown_letter(text: str) -> str | None:
    """The letter that hides another in a sequence, N among bases and X among amino acids; None
    where a text is made of words."""
    if re.fullmatch("[ACGTUNacgtun]{8,}", text):
        return "N"
    return "X" if re.fullmatch("[A-Z]{20,}", text) else None


def pieces(text: str) -> list[tuple[str, str | None]]:
    """(piece, the text without it): the letters of a sequence, the words of a text. Spaces are
    never left out."""
    hidden = unknown_letter(text)
    split = list(text) if hidden else re.split(r"(\s+)", text)
    return [
        (piece, "".join([*split[:i], hidden or "", *split[i + 1 :]]) if piece.strip() else None)
        for i, piece in enumerate(split)
    ]


def influences(
    asked: Asked, name: str, text: str, probabilities: Sequence[float]
) -> list[tuple[str, float]]:
    """What the log-odds of the likeliest label lose without each piece of the text.

        influence_i = logit p(label | text) - logit p(label | text without piece i)

    Args:
        asked: the model.
        name: of its input.
        text: that was answered.
        probabilities: the answer.

    Returns:
        (piece, influence) for all of the text; empty where it has too many pieces.
    """
    found = pieces(text)
    without = [{name: rest} for _, rest in found if rest is not None]
    if len(without) > MOST_PIECES:
        return []
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    scores = (_logit(answer["probabilities"][best]) for answer in asked.answers(without))
    whole = _logit(probabilities[best])
    return [(piece, 0.0 if rest is None else whole - next(scores)) for piece, rest in found]


def _logit(p: float) -> float:
    inside = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(inside / (1 - inside))


def evidence(found: Sequence[tuple[str, float]]) -> pandas.DataFrame:
    """A row a place, a column a letter: the influence of the letter that stands there."""
    rows = [{letter.upper(): influence} for letter, influence in found]
    return pandas.DataFrame(rows).fillna(0.0).sort_index(axis=1)


def information(texts: Sequence[str]) -> pandas.DataFrame:
    """Bits of information of each letter at each place of sequences of one length.

    height = p * (log2 K + sum_k p_k log2 p_k)      with K letters in all
    """
    logomaker = require("logomaker", "demo")
    upper = [text.upper() for text in texts]
    return logomaker.alignment_to_matrix(upper, to_type="information", pseudocount=0)
