"""Answers in a terminal: the text with the words that moved its label in colour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.style import Style
from rich.text import Text

SHOWN = 80  # characters of a text that is not explained


def strengths(tokens: Sequence[dict[str, Any]]) -> list[float]:
    """Influences as parts of the largest one of the text, -1 to 1."""
    largest = max((abs(token["influence"]) for token in tokens), default=0.0)
    return [token["influence"] / largest if largest else 0.0 for token in tokens]


def gaps(tokens: Sequence[dict[str, Any]]) -> list[str]:
    """What stands before each token: a blank, or nothing where it follows at once."""
    ends = [0, *(token["end"] for token in tokens)]
    return [" " if token["start"] > end else "" for token, end in zip(tokens, ends, strict=False)]


def show(answers: Iterable[dict[str, Any]]) -> Iterator[Text]:
    """A line a text: label, confidence, and the text; where it is explained, words that speak for
    the label stand in green and words that speak against it in red, the stronger the brighter."""
    for answer in answers:
        yield _shown(answer)


def _shown(answer: dict[str, Any]) -> Text:
    if answer.get("prediction") is None:
        return Text("no text", style="dim")
    line = Text.assemble((f"{answer['prediction']} {answer['confidence']:.3f}", "bold"), "  ")
    tokens = answer.get("tokens")
    if tokens is None:
        text = " ".join(getattr(answer, "text", "").split())
        return line.append(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")
    for gap, token, strength in zip(gaps(tokens), tokens, strengths(tokens), strict=True):
        line.append(gap)
        line.append(token["text"], _style(strength))
    return line


def _style(strength: float) -> Style:
    if abs(strength) < 0.1:
        return Style()
    dark = round(110 * (1 - abs(strength)))
    colour = (
        f"rgb({dark},{140 - dark // 2},{dark})"
        if strength > 0
        else f"rgb({200 - dark // 2},{dark},{dark})"
    )
    return Style(color="rgb(255,255,255)", bgcolor=colour, bold=abs(strength) > 0.5)
