"""`rnnkit predict` with a translation run: sentences one by one, whatever their number."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from pipelines.errors import UserError
from pipelines.text.files import kind, read_lines
from pipelines.translation.pairs import spaced

BATCH = 32  # sentences that are translated at a time

Question = dict[str, str]  # "source", and the columns of a table beside it
Translate = Callable[[tf.Tensor], dict[str, tf.Tensor]]


def questions(texts: Sequence[str], path: str | None, column: str) -> Iterator[Question]:
    """The sentences to translate: those given, or the lines of a file.

    A `.tsv` file keeps its other columns. An empty line stays one, so that line n of what is
    written belongs to line n of what was read.

    Args:
        texts: sentences.
        path: of a file; None: `texts` are all.
        column: of a table, from 1; empty: the first.
    """
    if path is None:
        yield from ({"source": spaced(text)} for text in texts)
        return
    table = kind(path) in (".tsv", ".tab")
    place = int(column) - 1 if table and column.isdecimal() else 0
    for number, line in enumerate(read_lines(path), 1):
        cells = line.rstrip("\r\n").split("\t") if table else [line]
        if not line.strip():
            cells += [""] * (place + 1 - len(cells))
        if place >= len(cells):
            raise UserError(
                f"{path}:{number}: expected {place + 1} columns with tabs between. "
                f"Received: {len(cells)}."
            )
        others = {f"column_{k}": cell for k, cell in enumerate(cells, 1) if k != place + 1}
        yield {**others, "source": spaced(cells[place])}


def answered(asked: Iterable[Question], translate: Translate, n_best: int) -> Iterator[dict]:
    """Each question with its `translation`, the `score` of that, and with `n_best` above 1 the
    best: `n_best`, a list of `{"translation", "score", "log_probability"}`, no two texts the same,
    so that there are fewer where the search ended with fewer texts."""
    for batch in _batched(asked, BATCH):
        found = translate(tf.constant([question["source"] for question in batch]))
        arrays = {key: value.numpy() for key, value in found.items()}
        for k, question in enumerate(batch):
            candidates = [
                {"translation": text.decode(), "score": float(score), "log_probability": float(p)}
                for text, score, p in zip(
                    arrays["translations"][k],
                    arrays["scores"][k],
                    arrays["log_probabilities"][k],
                    strict=True,
                )
                if score > float("-inf")  # the search may know fewer than were asked for
            ]
            distinct: dict[str, dict] = {}
            for each in candidates:  # two cuts of one text into tokens are two hypotheses
                distinct.setdefault(each["translation"], each)
            candidates = list(distinct.values())[:n_best]
            if not question["source"]:
                candidates = [{**each, "translation": ""} for each in candidates[:1]]
            best = candidates[0]
            answer = {**question, "translation": best["translation"], "score": best["score"]}
            yield {**answer, "n_best": candidates} if n_best > 1 else answer


def show(answers: Iterable[dict[str, Any]]) -> Iterator[Any]:
    """The translations; of several a sentence, a table."""
    from rich.table import Table
    from rich.text import Text

    for answer in answers:
        if "n_best" not in answer:
            yield Text(answer["translation"])
            continue
        table = Table(title=answer["source"], title_justify="left", box=None, show_header=False)
        for each in answer["n_best"]:
            table.add_row(f"{each['score']:.3f}", Text(each["translation"]))
        yield table


def write_text(answers: Iterable[dict[str, Any]], path: Path) -> None:
    """The best translation of each sentence, one a line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(answer["translation"] + "\n" for answer in answers)


def _batched(items: Iterable[Question], size: int) -> Iterator[list[Question]]:
    remaining = iter(items)
    while batch := list(itertools.islice(remaining, size)):
        yield batch
