"""The pictures of the translation task: what stands in them, and their size."""

from __future__ import annotations

import numpy as np

from pipelines.translation import pictures
from pipelines.translation.pairs import Pair
from pipelines.translation.settings import TranslationSettings
from pipelines.translation.task import TranslationTask

TEXTS = ["a b c", "a b c d e f g", "a b", "a " * 50]


def test_two_runs_are_drawn_as_two_curves(tmp_path, monkeypatch):
    """What attention is for, and the limit of the one vector, as the lectures draw it."""
    pairs = [Pair(text, text.strip(), text.strip()) for text in TEXTS]
    task = TranslationTask(TranslationSettings(), {"bleu_tokenizer": "13a"})
    translations = {"sure": lambda text: text, "short": lambda text: text[:7]}
    figures = []
    monkeypatch.setattr(pictures, "save_figure", lambda figure, path: figures.append(figure))
    monkeypatch.setattr(
        TranslationTask, "_written", lambda _, model, records: [model(r.target) for r in records]
    )
    runs = {name: (task, translate) for name, translate in translations.items()}
    task.plot_beside(runs, pairs, str(tmp_path))
    (axes,) = figures[0].axes
    assert [line.get_label() for line in axes.lines] == ["sure", "short"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["sure", "short"]
    header, *rows = [
        line.split(",") for line in (tmp_path / "bleu_by_length.csv").read_text().splitlines()
    ]
    assert header == ["model", "words", "sentences", "bleu"]
    assert [row[:3] for row in rows[:3]] == [
        ["sure", "1 to 4", "2"], ["sure", "5 to 8", "1"], ["sure", "over 40", "1"],
    ]  # fmt: skip
    assert [row[0] for row in rows[3:]] == ["short"] * 3
    drawn = np.concatenate([line.get_ydata() for line in axes.lines])
    np.testing.assert_allclose([float(row[3]) for row in rows], drawn)
    assert drawn[1] > 99 > drawn[4]


def test_a_picture_of_a_very_long_sentence_has_a_size(tmp_path):
    """A pasted page must not take all memory, or be more than the file format allows."""
    path = tmp_path / "look.png"
    source = ["a", "$$"] * 65  # between two of these signs Matplotlib reads a formula
    pictures.draw_alignments(np.ones((2, 130)) / 130, source, ["b"] * 2, path)
    assert int.from_bytes(path.read_bytes()[16:20], "big") == 120 * pictures.LARGEST
