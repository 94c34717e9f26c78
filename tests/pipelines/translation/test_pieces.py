"""Text as tokens and back, in the graph, against the library and against itself."""

from __future__ import annotations

import re
from collections import Counter

import hypothesis.strategies as st
import pytest
import tensorflow as tf
from hypothesis import given, settings

from pipelines.text.vocabulary import UNKNOWN, UNKNOWN_TEXT
from pipelines.translation import pieces
from pipelines.translation.language import END, Language, learn_language
from pipelines.translation.subwords import learn_subwords, library_tokenizer

CORPUS = [
    "Where is the station?", "The stations are nowhere.", "L'été, c'est où ?", "«Qui?» - 21.3.2024",
    "Wo ist der Bahnhof, bitte?", "Bahnhöfe überall!", "δεν ξέρω", "我不知道",
    "मैं नहीं जानता", "🙂🙂 ok",
] * 2  # fmt: skip
ALPHABET = "".join(sorted(set("".join(CORPUS)))) + "xyzñ€\u0301\u200d\u202f\t"
TEXT = st.text(st.one_of(st.sampled_from(ALPHABET), st.characters(codec="utf-8")), max_size=30)


def cut(texts):
    return [[w.decode() for w in row] for row in pieces.words(tf.constant(texts)).to_list()]


@pytest.fixture(scope="module")
def learnt():
    counts = Counter(word for row in cut(CORPUS) for word in row)
    return learn_subwords(counts, 120)


@pytest.fixture(scope="module")
def language(learnt):
    return Language(learnt, "subword")


def test_words_keep_the_blank_before_them():
    assert cut(["Don't  go in 2024!", "", " a"]) == [
        [" Don", "'", "t", " go", " in", " 2", "0", "2", "4", "!"], [], [" a"],
    ]  # fmt: skip


def test_scripts_without_blanks_are_cut_into_characters():
    """A clause as one word is never seen again, and one rare character would make all of it
    unknown. Marks stay with their letters; letters, digits and signs beside them as ever."""
    assert cut(["我们go 3天。", " 東京タワー", "ฉันกิน", "ខ្ញុំ", "ຂ້ອຍ", "मैं"]) == [
        [" 我", "们", "go", " 3", "天", "。"],
        [" 東", "京", "タ", "ワ", "ー"],
        [" ฉั", "น", "กิ", "น"],
        [" ខ្", "ញុំ"],
        [" ຂ້", "ອ", "ຍ"],
        [" मैं"],
    ]


@pytest.mark.parametrize("kind", ["subword", "word"])
def test_an_unknown_chinese_character_is_unknown_alone(kind):
    known = ["我知道", "我不去", "你知道"]
    language = Language(learn_language(known, kind, 50), kind)
    (found,) = language.numbers(tf.constant(["我不龘道"])).to_list()
    assert [number == UNKNOWN for number in found] == [False, False, True, False, False]


def test_learnt_pieces_are_of_use(learnt):
    """Frequent words are one piece, every character of the corpus is one."""
    assert len(learnt) == len(set(learnt)) <= 120
    assert {" The", "ation"} & set(learnt) or " station" in learnt
    assert set("".join(CORPUS)) - {" "} <= set(learnt)


@settings(max_examples=60, deadline=None)
@given(words=st.lists(TEXT.filter(bool), min_size=1, max_size=12))
def test_longest_match_is_the_library_s(language, learnt, words):
    """The library learnt the pieces for its own way of cutting: another one would leave the model
    with pieces it rarely saw. Random Unicode, whole words unknown included."""
    library = library_tokenizer({UNKNOWN_TEXT: UNKNOWN, **{p: 4 + k for k, p in enumerate(learnt)}})
    longest = max(map(len, learnt))
    ours = pieces.longest_match(tf.constant(words), language.table, longest).to_list()
    assert ours == [library.encode(word).ids for word in words]


@pytest.mark.prove
def test_longest_match_is_the_library_s_at_length(record_property):
    """The same for 20,000 random words, with a vocabulary that was learnt from random words."""
    import random

    draw = random.Random(0)
    letters = [chr(k) for k in (*range(97, 103), *range(0x3B1, 0x3B5), 0x1F642, 0x301, 32)]
    words = ["".join(draw.choices(letters, k=draw.randint(1, 14))) for _ in range(20_000)]
    learnt = learn_subwords(Counter(words[:4000]), 300)[12:]  # some characters are unknown now
    table = Language(learnt, "subword").table
    library = library_tokenizer({UNKNOWN_TEXT: UNKNOWN, **{p: 4 + k for k, p in enumerate(learnt)}})
    ours = pieces.longest_match(tf.constant(words), table, max(map(len, learnt))).to_list()
    assert ours == [library.encode(word).ids for word in words]
    record_property("words", len(words))


def blanked(text):
    """What `spaced` does, in Python: separators and control characters are blanks."""
    import unicodedata

    mapped = [" " if unicodedata.category(c) in ("Zs", "Zl", "Zp", "Cc") else c for c in text]
    return re.sub(" +", " ", "".join(mapped)).strip()


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(TEXT, min_size=1, max_size=8))
def test_tokens_side_by_side_are_the_text(texts):
    """A translation is read as it was written: no blank is lost or added, whatever the script."""
    for tokens in (pieces.words(tf.constant(texts)), pieces.characters(tf.constant(texts))):
        joined = pieces.joined(tokens.to_tensor())
        assert [text.decode() for text in joined.numpy()] == [blanked(text) for text in texts]


@pytest.mark.parametrize("kind", ["subword", "word", "char"])
def test_known_texts_come_back_from_their_numbers(kind):
    language = Language(learn_language(CORPUS, kind, 500), kind)
    numbers = language.numbers(tf.constant(CORPUS))
    assert numbers.dtype == tf.int32
    assert {row[-1] for row in numbers.to_list()} == {END}
    back = [text.decode() for text in language.texts(numbers.to_tensor()).numpy()]
    assert back == [blanked(text) for text in CORPUS]


@pytest.mark.parametrize("kind", ["subword", "word", "char"])
def test_an_empty_text_is_its_end(kind):
    language = Language(["a", " a"], kind)
    numbers = tf.function(lambda texts: language.numbers(texts).to_tensor(), autograph=False)
    assert numbers(tf.constant(["", " \u202f"])).numpy().tolist() == [[END], [END]]


def test_a_vocabulary_has_its_size():
    assert len(learn_language(CORPUS, "word", 7)) == 7
    assert Language(["a", "b"], "char").size == 6


def test_what_is_unknown_is_unknown_as_a_whole(language):
    """As in WordPiece: pieces of a word that is half unknown would say something else."""
    found = language.numbers(tf.constant(["the ⵣ station ⵣⵣstation"])).to_list()[0]
    known = language.numbers(tf.constant(["the"])).to_list()[0][:-1]
    assert found[: len(known)] == known
    assert found.count(UNKNOWN) == 2


def test_broken_utf8_is_replaced(language):
    """A client's broken text must not end the server."""
    assert language.numbers(tf.constant([b"the \xff\xfe station"])).to_list()[0][-1] == END


def test_a_text_cannot_pretend_to_be_a_mark():
    """`</s>` in a text must not end the sentence for the model."""
    for kind in ("subword", "word", "char"):
        language = Language(learn_language(["a </s> <s> [UNK] b"] * 3, kind, 50), kind)
        assert language.numbers(tf.constant(["a </s> b"])).to_list()[0].count(END) == 1
