"""Vocabularies: what is known, in which order, and under which number."""

from __future__ import annotations

import json
from collections import Counter

import tensorflow as tf

from pipelines.text.tokens import characters, lower, words
from pipelines.text.vocabulary import (
    FIRST,
    PADDING,
    UNKNOWN,
    count_tokens,
    learn_vocabulary,
    lookup,
)


def test_counts_equal_plain_counting():
    texts = [f"a b{k % 7} naïve a" for k in range(2500)]  # more than one batch
    counts, lengths = count_tokens(iter(texts), lambda batch: words(batch).text)
    assert counts == Counter(token for text in texts for token in text.split())
    assert lengths == [4] * 2500


def test_a_text_without_tokens_has_length_zero():
    counts, lengths = count_tokens(["", "手机"], lambda batch: characters(batch).text)
    assert lengths == [0, 2]
    assert counts == {"手": 1, "机": 1}


def test_order_depends_on_nothing_but_the_counts():
    """Two trainings on the same data must number the words alike."""
    counts = {"b": 2, "a": 2, "é": 5, "z": 2, "once": 1}
    for names in (sorted(counts), sorted(counts, reverse=True)):
        shuffled = Counter({name: counts[name] for name in names})
        assert learn_vocabulary(shuffled) == ["é", "a", "b", "z", "once"]
    assert learn_vocabulary(Counter(counts), minimum=2, most=3) == ["é", "a", "b"]


def test_numbers():
    vocabulary = json.loads(json.dumps(["the", "été", "手"]))
    numbers = lookup(vocabulary)(tf.constant([["the", "手", "été", "never", ""]]))
    assert numbers.numpy().tolist() == [[FIRST, FIRST + 2, FIRST + 1, UNKNOWN, PADDING]]


def test_a_word_that_is_spelt_like_a_special_token_is_unknown():
    """A file of tokens may hold it; the lookup would refuse a list with it."""
    vocabulary = learn_vocabulary(Counter(["[UNK]", "", "x"]))
    assert vocabulary == ["x"]
    assert lookup(vocabulary)(tf.constant(["[UNK]"])).numpy().tolist() == [UNKNOWN]


def test_of_texts_without_a_repeated_word_all_are_known():
    """Keras's lookup refuses an empty list, and a model without words knows nothing."""
    assert learn_vocabulary(Counter("ab"), minimum=2) == ["a", "b"]


def test_the_lookup_survives_a_saved_model(tmp_path):
    look = lookup(["the", "手"])

    class Served(tf.Module):
        def __init__(self):
            self.table = look

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
        def __call__(self, texts):
            return look(lower(words(texts).text)).to_tensor()

    served = Served()
    tf.saved_model.save(served, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    texts = tf.constant(["THE 手机", ""])
    assert (
        loaded(texts).numpy().tolist() == served(texts).numpy().tolist() == [[2, 3, 1], [0, 0, 0]]
    )
