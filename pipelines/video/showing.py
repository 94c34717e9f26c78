"""Answers in a terminal: the label, and a curve of its probability over time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.text import Text

HEIGHTS = " ▁▂▃▄▅▆▇█"
WIDEST = 60  # characters of a curve


def curve(values: Sequence[float]) -> str:
    """Probabilities as a line of bars, at most 60 of them."""
    if len(values) > WIDEST:
        values = [values[k * len(values) // WIDEST] for k in range(WIDEST)]
    top = len(HEIGHTS) - 1
    return "".join(HEIGHTS[round(max(0.0, min(1.0, value)) * top)] for value in values)


def show(answers: Iterable[dict[str, Any]]) -> Iterator[Text]:
    """A clip a line: its label, confidence, the curve of that label's probability, its name. With
    labels of frames, a line a stretch."""
    for answer in answers:
        name = str(next(iter(answer.values())))
        if "stretches" in answer:
            yield Text(name, style="bold")
            for each in answer["stretches"]:
                yield Text(
                    f"  {each['from']:8.2f} to {each['to']:8.2f}  {each['confidence']:.3f}  "
                    f"{each['label']}"
                )
            continue
        prediction = str(answer.get("prediction_", answer.get("prediction")))
        over_time = answer["over_time"].get(prediction, [])
        confidence = float(answer.get("confidence_", answer["confidence"]))
        yield Text.assemble(
            (f"{prediction} {confidence:.3f}", "bold"), "  ", (curve(over_time), "cyan"), "  ", name
        )
