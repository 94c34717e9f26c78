"""The embedded dates: what they promise is counted here."""

from __future__ import annotations

import datetime
import itertools
import re
from collections import Counter, defaultdict

import pytest

from pipelines import sources
from pipelines.translation.dates import (
    DATES,
    all_formats,
    date_pairs,
    held_out_formats,
)
from pipelines.translation.settings import TranslationSettings
from pipelines.translation.task import TranslationTask


@pytest.fixture(scope="module")
def pairs():
    return date_pairs()


def days(step):
    first = datetime.date(2019, 1, 1)
    return [first + datetime.timedelta(days=k) for k in range(0, 730, step)]


def test_a_text_means_one_date():
    """Where 2/3/2017 were February in one language and March in another, no model could be right.
    Two years, four days apart, hold many pairs of days that differ in the order alone."""
    meant = defaultdict(set)
    for each, day in itertools.product(all_formats(), days(4)):
        meant[each.write(day)].add(day)
    assert not [text for text, found in meant.items() if len(found) > 1]


def test_many_languages_and_formats():
    languages = Counter(each.language for each in all_formats())
    assert len(languages) >= 35
    assert min(languages.values()) >= 5


def test_words_of_the_formats_held_out_occur_elsewhere():
    """What is measured on them is the format, not whether a word was ever seen."""
    known, held = held_out_formats()
    word = re.compile(r"[^\W\d_]+")
    seen = {w for each in known for day in days(10) for w in word.findall(each.write(day))}
    texts = {each.write(day) for each in known for day in days(10)}
    assert len({each.language for each in held}) == len(held) >= 30
    for each in held:
        for day in days(30):
            text = each.write(day)
            assert set(word.findall(text)) <= seen, each
            assert text not in texts, each


def test_pairs_are_dates_in_iso(pairs):
    assert len(pairs) == DATES * len(held_out_formats()[0])
    assert len(pairs) > 20_000
    for pair in pairs[::500]:
        language, name, iso = pair.name.split()
        (format_,) = [e for e in all_formats() if (e.language, e.name) == (language, name)]
        assert pair.source == format_.write(datetime.date.fromisoformat(iso))
        assert pair.target == iso


def test_dates_of_the_test_stand_in_no_other_part(pairs):
    """Not in another language either."""
    parts = sources.split({"train": pairs}, "dates")
    dates = [{pair.target for pair in part} for part in parts.values()]
    assert sum(map(len, dates)) == len(set.union(*dates))
    assert len(parts["test"]) > 2000


def test_they_are_the_same_on_every_machine(pairs):
    """Scores on other dates do not compare."""
    assert date_pairs()[:300] == pairs[:300]
    assert date_pairs(seed=1)[0] != pairs[0]
    names = [pair.name for pair in pairs if pair.name.startswith("en long")]
    assert names[:2] == ["en long 2097-10-02", "en long 2037-11-07"]


def test_the_task_knows_both():
    task = TranslationTask(TranslationSettings())
    assert len(task.read("dates:held-out").parts["all"]) == DATES * len(held_out_formats()[1])
