"""From a model's answer to what a person sees of it, the most telling part first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio
import numpy as np
import pandas
from matplotlib.figure import Figure

from pipelines.demo import growing
from pipelines.demo.influence import evidence, information
from pipelines.errors import require

MOST_LETTERS = 300  # side by side in a logo: each takes its time to be drawn
MOST_CURVES = 8  # labels whose probability is drawn over time
CURVES: dict[str, Any] = {
    "x": "step",
    "y": "probability",
    "color": "label",
    "y_lim": [0, 1],
    "label": "probability at each step",
}
MOVED = (
    "what moved the answer: the log-odds that it loses without the word, as a share of the most; "
    "above zero it spoke for the answer"
)
Parts = dict[str, Any]
"""What is seen, by the names of `Answers`."""


def parts(answer: Mapping[str, Any], labels: Sequence[str] | None) -> Parts:
    """What one answer holds, each output in the form in which it tells most.

    Args:
        answer: the outputs of one row.
        labels: of the export, where the answer brings none.
    """
    rest = dict(answer)
    seen: Parts = {}
    names = rest.get("labels", labels) or []
    if "tokens" in rest and "tags" in rest:
        seen["tokens"] = _entities(rest["tokens"], rest["tags"])
        _drop(rest, "tokens", "tags", "start", "end", "probability")
    shares = rest.get("probabilities")
    if names and isinstance(shares, list) and len(shares) == len(names) and _is_number(shares[0]):
        seen["labels"] = dict(zip(names, shares, strict=True))
        _drop(rest, "labels", "label", "probability", "probabilities")
    for name in ("over_time", "probabilities"):
        if names and np.ndim(rest.get(name, 0)) == 2 and np.shape(rest[name])[1] == len(names):
            seen["curves"] = _curves(rest[name], names)
            _drop(rest, name, "labels", *(("label",) if name == "probabilities" else ()))
    if "translations" in rest and "scores" in rest:
        pairs = zip(rest["translations"], rest["scores"], strict=True)
        seen["text"], *others = [text for text, _ in pairs if text] or [""]
        if others:
            scored = zip(rest["translations"], rest["scores"], strict=True)
            rows = [[text, round(score, 3)] for text, score in scored if text]
            seen["table"] = pandas.DataFrame(rows, columns=["translation", "score"])
        _drop(rest, "translation", "score", "translations", "scores")
    for name, value in list(rest.items()):
        if np.ndim(value) == 2 and np.shape(value)[1] == 88:
            seen["roll"] = np.array(value, np.uint8)
        elif isinstance(value, str) and "text" not in seen:
            seen["text"] = value
        elif not (name == "valid" and value is True):
            continue
        rest.pop(name)
    return seen | ({"rest": rest} if rest else {})


def answered(
    entries: Sequence[tuple[str, str]],
    answers: Sequence[Mapping[str, Any]],
    labels: Sequence[str] | None,
) -> Parts:
    """What is seen of the answers to one text, or to several sequences beside each other.

    Args:
        entries: (name, text) of each.
        answers: the outputs for each.
        labels: as for `parts`.
    """
    if len(entries) == 1:
        return heard(parts(answers[0], labels))
    rows = [_likeliest(answer, labels) for answer in answers]
    if all(rows):
        table = pandas.DataFrame(rows, columns=["label", "probability"])
        table.insert(0, "sequence", [name for name, _ in entries])
        if not all(answer.get("valid", True) for answer in answers):
            table["valid"] = [answer.get("valid", True) for answer in answers]
        seen: Parts = {"table": table}
    else:
        seen = {"rest": [dict(answer) for answer in answers]}
    texts = [text for _, text in entries]
    if len(set(map(len, texts))) == 1 and 0 < len(texts[0]) <= MOST_LETTERS:
        title = f"bits of information in {len(texts)} sequences"
        seen["information"] = logo(information(texts), title)
    return seen


def _likeliest(answer: Mapping[str, Any], labels: Sequence[str] | None) -> list[Any]:
    """[label, probability]; nothing where the answer does not tell it."""
    names, shares = answer.get("labels", labels) or [], answer.get("probabilities", [])
    if len(names) != len(shares) or not shares or not _is_number(shares[0]):
        return []
    best = int(np.argmax(shares))
    return [names[best], round(shares[best], 4)]


def moved(found: Sequence[tuple[str, float]], name: str) -> Parts:
    """What is seen of the influences of the pieces of a text.

    Args:
        found: (piece, influence).
        name: of the text, where it has one.
    """
    if not found:
        return {}
    if all(len(piece) == 1 for piece, _ in found):
        title = (
            f"letters of {name or 'the sequence'} that spoke for the answer, and below the line "
        )
        return {"evidence": logo(evidence(found), f"{title}against it")}
    most = max(abs(influence) for _, influence in found) or 1.0
    return {"words": [(piece, influence / most or None) for piece, influence in found]}


def _drop(rest: dict[str, Any], *names: str) -> None:
    for name in names:
        rest.pop(name, None)


def _entities(words: Sequence[str], tags: Sequence[str]) -> list[tuple[str, str | None]]:
    """(text, kind) of each entity, its words together; and of each other word, without a kind."""
    found: list[tuple[str, str | None]] = []
    for word, tag in zip(words, tags, strict=False):
        kind = tag.partition("-")[2] or None
        if word and kind and tag.startswith("I-") and found and found[-1][1] == kind:
            found[-1] = (f"{found[-1][0]}{word} ", kind)
        elif word:
            found.append((f"{word} ", kind))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _curves(rows: Sequence[Sequence[float]], names: Sequence[str]) -> pandas.DataFrame:
    table = pandas.DataFrame(rows, columns=list(names), index=range(1, len(rows) + 1))
    last = table.iloc[-1].sort_values(ascending=False).index[:MOST_CURVES]
    return (
        table[last]
        .melt(var_name="label", value_name="probability", ignore_index=False)
        .reset_index(names="step")
    )


def logo(heights: pandas.DataFrame, title: str) -> Figure:
    """Letters as high as their numbers; a row a place, a column a letter."""
    logomaker = require("logomaker", "demo")
    figure = Figure(figsize=(min(max(6.0, 0.16 * len(heights)), 60), 2.2), layout="constrained")
    scheme = "classic" if set(heights.columns) <= set("ACGTUN") else "chemistry"
    logomaker.Logo(heights, ax=figure.subplots(), color_scheme=scheme)
    figure.axes[0].set_title(title, fontsize=9, parse_math=False)
    return figure


class Answers:
    """The place of a model's answers: a component a kind of part, seen only while it holds one."""

    def __init__(self) -> None:
        shown: dict[str, Any] = {"visible": False, "interactive": False}
        drawn: dict[str, Any] = {"visible": False, "show_label": False}
        self.components: dict[str, Any] = {
            "text": gradio.Textbox(label="answer", lines=3, max_lines=30, **shown),
            "labels": gradio.Label(label="answer", num_top_classes=10, visible=False),
            "tokens": gradio.HighlightedText(label="entities", **shown),
            "table": gradio.Dataframe(show_label=False, wrap=True, **shown),
            "words": gradio.HighlightedText(label=MOVED, **shown),
            "curves": gradio.LinePlot(**CURVES, visible=False),
            "evidence": gradio.Plot(**drawn),
            "information": gradio.Plot(**drawn),
            "roll": gradio.Image(label="the piece", format="png", buttons=["download"], **shown),
            "sound": gradio.Audio(label="its sound", buttons=["download"], **shown),
            "rest": gradio.JSON(label="and besides", visible=False),
        }
        for name, component in self.components.items():
            component.elem_classes = [f"answer-{name}"]

    def updates(self, seen: Parts) -> dict[Any, Any]:
        """Shows these parts and hides all others."""
        return {
            component: gradio.update(value=seen.get(name), visible=name in seen)
            for name, component in self.components.items()
        }


def heard(seen: Parts) -> Parts:
    """A roll among the parts as its picture and its sound; of a very long one, the beginning."""
    if "roll" not in seen:
        return seen
    roll = seen["roll"][: growing.MOST_STEPS]
    return seen | {"roll": growing.picture(roll), "sound": growing.sound(roll)}
