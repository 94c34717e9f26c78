"""Answers from what a search found."""

from __future__ import annotations

import pytest
import tensorflow as tf

from pipelines.errors import UserError
from pipelines.translation.answering import answered, questions


def test_the_n_best_are_different_texts():
    """Whoever asks for three translations is not helped by one that was cut in three ways."""
    scores = [-1.0, -1.5, -2.0, -2.5, -float("inf")]
    texts = ["oiseau", "oiseau", "arbre", "vert", ""]
    lists = {"translations": texts, "scores": scores, "log_probabilities": scores}
    found = {name: tf.constant([values]) for name, values in lists.items()}
    for n_best, expected in ((2, ["oiseau", "arbre"]), (5, ["oiseau", "arbre", "vert"])):
        (answer,) = answered([{"source": "bird"}], lambda _: found, n_best)
        assert [each["translation"] for each in answer["n_best"]] == expected
        assert answer["n_best"][0]["score"] == answer["score"] == -1.0


def test_a_blank_line_of_a_table_stays_one(tmp_path):
    """Training leaves such a line out; to translate the file must not end there."""
    path = tmp_path / "in.tsv"
    path.write_text("x\ta bird\n\n \t\ny\tred\none\n")
    asked = questions([], str(path), "2")
    assert [next(asked) for _ in range(4)] == [
        {"column_1": "x", "source": "a bird"}, {"column_1": "", "source": ""},
        {"column_1": " ", "source": ""}, {"column_1": "y", "source": "red"},
    ]  # fmt: skip
    with pytest.raises(UserError, match=rf"^{path}:5: expected 2 columns .* Received: 1\."):
        next(asked)
