"""Loss, metrics, BLEU, and what is reached without learning."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu
import tensorflow as tf

from pipelines.translation import floors, scores
from pipelines.translation.pairs import Pair

rng = np.random.default_rng(5)


def log_softmax(logits):
    logits = logits.astype("float64")
    top = logits.max(-1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_loss_is_its_equation(smoothing):
    logits = rng.normal(size=(3, 5, 7)).astype("float32")
    wanted, weight = rng.integers(0, 7, (3, 5)), rng.integers(0, 2, (3, 5)).astype("float32")
    q = (1 - smoothing) * np.eye(7)[wanted] + smoothing / 7
    cost = -(q * log_softmax(logits)).sum(-1)
    loss = scores.SmoothedLoss(smoothing)
    found = loss(tf.constant(wanted), tf.constant(logits), sample_weight=tf.constant(weight))
    assert float(found) == pytest.approx((cost * weight).sum() / weight.sum(), rel=1e-5)
    again = scores.SmoothedLoss.from_config(loss.get_config())
    assert again.smoothing == smoothing


def test_padding_does_not_move_the_metric():
    """The same sentences, padded further in another batch, are the same score."""
    logits, wanted = rng.normal(size=(2, 4, 6)).astype("float32"), rng.integers(0, 6, (2, 4))
    weight = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], "float32")
    expected = -np.take_along_axis(log_softmax(logits), wanted[..., None], -1)[..., 0]
    for more in (0, 9):
        metric = scores.TokenNats(name="nll")
        wider = [np.pad(a, [(0, 0), (0, more)] + [(0, 0)] * (a.ndim - 2)) for a in (wanted, logits)]
        metric.update_state(*wider, np.pad(weight, [(0, 0), (0, more)]))
        assert float(metric.result()) == pytest.approx((expected * weight).sum() / 6, rel=1e-5)


def test_bleu_is_sacrebleu_s():
    found = ["the cat sat on the mat.", "a dog, here!", "no"]
    wanted = ["the cat sat on a mat.", "a dog, here!", "yes"]
    reached = scores.text_scores(found, wanted, "13a")
    assert reached["bleu"] == sacrebleu.corpus_bleu(found, [wanted]).score
    assert reached["chrf"] == sacrebleu.corpus_chrf(found, [wanted]).score
    assert reached["exact_match"] == pytest.approx(1 / 3)


def test_the_signature_says_how():
    signature = scores.signatures("char")["bleu"]
    assert "nrefs:1" in signature
    assert "tok:char" in signature
    assert f"version:{sacrebleu.__version__}" in signature


@pytest.mark.parametrize(
    ("texts", "name"),
    [(["Wo ist er?", "猫"], "13a"), (["我不知道", "猫がいる"], "char"), (["12.3."], "13a")],
)
def test_words_of_scripts_without_blanks_are_characters(texts, name):
    """With 13a a Chinese sentence is one word, and BLEU 0 for one wrong letter."""
    assert scores.bleu_tokenizer(texts) == name


def test_bleu_by_length_counts_every_sentence_once():
    sources = [" ".join(["w"] * n) for n in (1, 4, 5, 9, 50)]
    texts = ["a b c d e"] * 5
    rows = scores.bleu_by_length(sources, texts, texts, "13a")
    assert [(label, count) for label, count, _ in rows] == [
        ("1 to 4", 2), ("5 to 8", 1), ("9 to 12", 1), ("over 40", 1),
    ]  # fmt: skip
    assert all(bleu == pytest.approx(100) for *_, bleu in rows)


def test_the_length_of_a_source_without_blanks_is_its_characters():
    """With one word a sentence the picture of the fixed vector's limit is a single point."""
    sources = ["我" * n for n in (3, 6, 50)]
    rows = scores.bleu_by_length(sources, sources, sources, "char")
    assert [row[:2] for row in rows] == [("1 to 4", 1), ("5 to 8", 1), ("over 40", 1)]


def test_the_memory_finds_the_most_similar_sentence():
    pairs = [
        Pair("1", "where is the station", "wo ist der Bahnhof"),
        Pair("2", "where is the dog", "wo ist der Hund 🐕"),
        Pair("3", "I am here", "ich bin hier"),
    ]
    memory = floors.remember(pairs)
    assert all(array.dtype != object for array in memory.values())
    asked = ["where is the big dog", "here am I now", "I am here", "unheard"]
    found = floors.look_up(memory, asked)
    assert found[:3] == [pairs[1].target, pairs[2].target, pairs[2].target]
    assert found[3] == pairs[0].target  # nothing similar: the first


def test_the_memory_knows_sentences_of_scripts_without_blanks_again():
    """A floor that can find no Chinese sentence flatters every model."""
    known = {"车站在哪里": "Where is the station?", "我的狗在这里": "My dog is here."}
    memory = floors.remember([Pair(source, source, target) for source, target in known.items()])
    found = floors.look_up(memory, ["你的狗在哪", "汽车站呢"])
    assert found == ["My dog is here.", "Where is the station?"]


def test_the_memory_of_sentences_without_words():
    assert floors.look_up(floors.remember([Pair("1", " ", "x")]), ["y", ""]) == ["x", "x"]
