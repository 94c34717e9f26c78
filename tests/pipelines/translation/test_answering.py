"""Answers from what a search found."""

from __future__ import annotations

import tensorflow as tf

from pipelines.translation.answering import answered


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
