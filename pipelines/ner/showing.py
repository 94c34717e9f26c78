"""Sentences with their entities marked, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.text import Text

COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")


def show(answers: Iterable[dict[str, Any]]) -> Iterator[Text]:
    """A sentence with each entity marked and its type behind it; then a line an entity with its
    place in code points and its probability. Without entities, a label behind each token."""
    colours: dict[str, str] = {}  # in the order in which types turn up

    def style(name: str) -> str:
        return colours.setdefault(name, COLOURS[len(colours) % len(COLOURS)])

    for answer in answers:
        yield _labelled(answer, style) if "entities" not in answer else _marked(answer, style)
        for entity in answer.get("entities", ()):
            place = f"{entity['start']}-{entity['end']}"
            yield Text.assemble(
                f"  {place:<9} ",
                (f"{entity['type']:<6}", style(entity["type"])),
                f" {entity['probability']:.2f}  {entity['text']}",
            )


def _marked(answer: dict[str, Any], style: Any) -> Text:
    marked, end = Text(), 0
    for entity in answer["entities"]:
        colour = style(entity["type"])
        marked.append(answer["text"][end : entity["start"]])
        marked.append(f"[{entity['text']}", f"bold {colour}")
        marked.append(f" {entity['type']}]", colour)
        end = entity["end"]
    marked.append(answer["text"][end:])
    return marked


def _labelled(answer: dict[str, Any], style: Any) -> Text:
    pairs = zip(answer["tokens"], answer["tags"], strict=True)
    return Text(" ").join(Text.assemble(token, (f"/{tag}", style(tag))) for token, tag in pairs)
