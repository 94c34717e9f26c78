"""Answers as a page of HTML, complete in one file."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from pipelines.sentiment.showing import gaps, strengths

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sentiment</title>
<style>
body { font: 16px/1.6 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff; }
article { border-top: 1px solid #ccc; padding: .8rem 0; }
h2 { font-size: 1rem; margin: 0; }
p { margin: .3rem 0; overflow-wrap: anywhere; }
span { border-radius: .2rem; padding: .05rem .1rem; }
small { color: #666; }
</style>
</head>
<body>
<p><small>Words on <span style="background: rgba(0, 150, 60, .5)">green</span> speak for the label,
words on <span style="background: rgba(220, 40, 40, .5)">red</span> against it (gradient times
input; the number appears when the pointer rests on a word).</small></p>
"""


def write(answers: Iterable[dict[str, Any]], path: Path) -> None:
    """Writes an article an answer: label, probabilities, and the text, its words in colour where
    the answer is explained."""
    with path.open("w", encoding="utf-8") as file:
        file.write(_HEAD)
        file.writelines(map(_article, answers))
        file.write("</body>\n</html>\n")


def _article(answer: dict[str, Any]) -> str:
    title = "no text"
    if answer.get("prediction") is not None:
        title = f"{answer['prediction']} {answer['confidence']:.3f}"
    each = ", ".join(
        f"{name.removeprefix('probability_')} {value:.3f}"
        for name, value in answer.items()
        if name.startswith("probability_") and isinstance(value, float)
    )
    tokens = answer.get("tokens")
    body = _coloured(tokens) if tokens else escape(getattr(answer, "text", ""))
    return (
        f"<article>\n<h2>{escape(title)}</h2>\n<p>{body}</p>\n"
        f"<p><small>{escape(each)}</small></p>\n</article>\n"
    )


def _coloured(tokens: list[dict[str, Any]]) -> str:
    parts = []
    for gap, token, strength in zip(gaps(tokens), tokens, strengths(tokens), strict=True):
        colour = "0, 150, 60" if strength > 0 else "220, 40, 40"
        parts.append(
            f'{gap}<span style="background: rgba({colour}, {abs(strength) * 0.7:.2f})" '
            f'title="{token["influence"]:+.3f}">{escape(token["text"])}</span>'
        )
    return "".join(parts)
