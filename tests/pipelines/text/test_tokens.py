"""Tokens in the graph against the same rules in plain Python, character by character."""

from __future__ import annotations

import random
import unicodedata

import pytest
import tensorflow as tf

from pipelines.text.tokens import TOKENIZERS, characters, lower, separated, words

JOINERS = "'’-‐‑\u00ad\u200c\u200d"
CLITICS = ("'s", "'m", "'d", "'re", "'ve", "'ll")
BLOCKS = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3005, 0x3007),
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


def is_blank(c):
    return unicodedata.category(c)[0] == "Z" or unicodedata.category(c) in ("Cc", "Cf", "Co")


def is_inside(c):
    return c == "_" or unicodedata.category(c)[0] in "LMN"


def is_letter(c):
    return unicodedata.category(c)[0] == "L"


def is_digit(c):
    return unicodedata.category(c)[0] == "N"


def is_mark(c):
    return unicodedata.category(c)[0] == "M"


def run(text, i, kind):
    """The end of the run of characters of a kind that begins at i."""
    while i < len(text) and kind(text[i]):
        i += 1
    return i


def address(text, i):
    for scheme in ("https://", "http://"):
        if text.startswith(scheme, i):
            end = run(text, i + len(scheme), lambda c: not is_blank(c))
            for last in range(end, i + len(scheme), -1):
                c = text[last - 1]
                if is_letter(c) or is_digit(c) or c == "/":
                    return last
    return i


def tag(text, i):
    end = run(text, i + 1, is_inside)
    return end if text[i] in "@#" and end > i + 1 else i


def abbreviation(text, i):
    end = i
    while end + 1 < len(text) and is_letter(text[end]) and text[end + 1] == ".":
        end += 2
    return end if end >= i + 4 else i


def chain(text, i, kind, joiners, least):
    """Runs of a kind with one joiner between each two; at least so many runs."""
    end, runs = run(text, i, kind), 1
    if end == i:
        return i
    while end < len(text) and text[end] in joiners and run(text, end + 1, kind) > end + 1:
        end, runs = run(text, end + 1, kind), runs + 1
    return end if runs >= least else i


def reference(text):
    """(token, start, end) by the rules of `words`."""
    stretches, begin, i = [], 0, 0
    while i < len(text):  # scripts without blanks: character by character
        if any(low <= ord(text[i]) <= high for low, high in BLOCKS):
            end = run(text, i + 1, is_mark)
            stretches += [(begin, i), (i, end)]
            begin = i = end
        else:
            i += 1
    stretches.append((begin, len(text)))
    found = []
    for begin, end in stretches:
        part, i = text[begin:end], 0
        while i < len(part):
            if is_blank(part[i]):
                i += 1
                continue
            ends = (
                address(part, i),
                tag(part, i),
                abbreviation(part, i),
                chain(part, i, is_digit, ".,", least=2),
                chain(part, i, is_inside, JOINERS, least=1),
                run(part, i + 1, is_mark),
            )
            stop = next(stop for stop in ends if stop > i)
            found += clitic(text, begin + i, begin + stop)
            i = stop
    return [(text[i:j], i, j) for i, j in found]


def clitic(text, i, j):
    token = text[i:j].replace("’", "'")
    small = "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in token)
    for size, fits in (
        (3, small.endswith("n't")),
        (2, small[-2:] in CLITICS),
        (3, small[-3:] in CLITICS),
    ):
        if fits and size < j - i and is_inside(text[j - size - 1]):
            return [(i, j - size), (j - size, j)]
    return [(i, j)]


def graph(texts):
    found = words(tf.constant(texts))
    return [
        [(token.decode(), i, j) for token, i, j in zip(*row, strict=True)]
        for row in zip(*(part.to_list() for part in found), strict=True)
    ]


POOL = (
    [chr(c) for c in range(0x20, 0x7F)] * 3
    + ["'", "’", "-", ".", ",", " ", "n", "t", "s", "1", "@", "#", "_"] * 12
    + ["https://", "http://", "n't", "’ll", "U.S.", "\u0301", "\ufe0f", "\u200d", "\u200c"] * 6
    + list("\t\n\r\x00\x1f\x85\xa0\u2028\ufeff\u00ad\ue000")
    + list("äéßØİıſΣжأبतक्षि한글手机日本語スーパー々ไทยສြប០😀❤👍🏽🇩🇪—…“”«»€²Ⅷ½𝒳𠀀")
)


def random_texts(count, seed):
    draw = random.Random(seed)
    anywhere = [
        c
        for c in (chr(draw.randrange(0x20, 0x1FFFF)) for _ in range(4000))
        if unicodedata.category(c) not in ("Cs", "Cn")
    ]
    pool = POOL * 2 + anywhere
    return ["".join(draw.choices(pool, k=draw.randrange(40))) for _ in range(count)]


@pytest.mark.parametrize("seed", range(3))
def test_words_follow_the_rules(seed):
    """A token or a place that is off by one is highlighted wrongly, and counted as another word."""
    texts = random_texts(2000, seed)
    for text, found in zip(texts, graph(texts), strict=True):
        assert found == reference(text), repr(text)


@pytest.mark.prove
def test_words_follow_the_rules_at_length(record_property):
    """Tokens of random Unicode equal those of the rules in plain Python."""
    texts = random_texts(200_000, seed=99)
    for text, found in zip(texts, graph(texts), strict=True):
        assert found == reference(text), repr(text)
    record_property("texts", len(texts))


EXAMPLES = {
    "It isn't 3.5 km!": "It|is|n't|3.5|km|!",
    "(The film's 'well-made', they’ll": "(|The|film|'s|'|well-made|'|,|they|’ll",
    "U.S. sales, 1,000.50": "U.S.|sales|,|1,000.50",
    "@bob sees #films at https://a.example/x?y=1.": "@bob|sees|#films|at|https://a.example/x?y=1|.",
    "L'élève naïf": "L'élève|naïf",
    "我喜欢这部电影。": "我|喜|欢|这|部|电|影|。",
    "iPhone手机": "iPhone|手|机",
    "हिन्दी में": "हिन्दी|में",
    "مرحبا بالعالم؟": "مرحبا|بالعالم|؟",
    "I ❤️ it😀": "I|❤️|it|😀",
    " \t\n": "",
    "": "",
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples(text):
    (found,) = graph([text])
    assert "|".join(token for token, _, _ in found) == EXAMPLES[text]


def test_characters_are_code_points():
    """Offsets in bytes or UTF-16 units would point beside the letter in most languages."""
    texts = [*random_texts(200, seed=5), ""]
    found = characters(tf.constant(texts))
    for text, tokens, start, end in zip(texts, *(part.to_list() for part in found), strict=True):
        assert [token.decode() for token in tokens] == list(text)
        assert start == list(range(len(text)))
        assert end == list(range(1, len(text) + 1))


@pytest.mark.parametrize("name", TOKENIZERS)
def test_broken_utf8_is_cut_as_python_decodes_it(name):
    """A client sends what it has; an answer with shifted places, or none, would be worse."""
    draw = random.Random(4)
    broken = [bytes(draw.randrange(256) for _ in range(12)) + "é x".encode() for _ in range(300)]
    found = TOKENIZERS[name](tf.constant(broken))
    for raw, tokens, start, end in zip(broken, *(part.to_list() for part in found), strict=True):
        text = raw.decode(errors="replace")
        assert [text[i:j] for i, j in zip(start, end, strict=True)] == [
            token.decode() for token in tokens
        ]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_training_and_the_served_graph_cut_alike(name):
    """tf.data, an eager call and one text by itself: the same tokens as in a batch."""
    texts = random_texts(64, seed=8)
    cut = TOKENIZERS[name]
    together = cut(tf.constant(texts)).text.to_list()
    singly = tf.data.Dataset.from_tensor_slices(texts).map(lambda text: cut(text[None]).text[0])
    assert [row.tolist() for row in singly.as_numpy_iterator()] == together
    assert [cut(tf.constant([text])).text.to_list()[0] for text in texts] == together


def test_lower_case_of_every_script():
    tokens = tf.ragged.constant([["ÉTÉ", "ЖУК"], [], ["ΣΑΣ"]])
    found = [[token.decode() for token in row] for row in lower(tokens).to_list()]
    assert found[0] == ["été", "жук"]
    assert found[2][0] in ("σασ", "σας")


def test_split_finds_words_in_every_script():
    """Without it a Chinese sentence has one word, and no two sentences share any."""
    texts = ["Wo  ist er?", "我不知道。", "ไป กิน", "猫とdog です", ""]
    assert [text.split() for text in separated(texts)] == [
        ["Wo", "ist", "er?"], list("我不知道。"), ["ไ", "ป", "กิ", "น"],
        ["猫", "と", "dog", "で", "す"], [],
    ]  # fmt: skip
    assert separated([]) == []
