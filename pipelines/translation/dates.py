"""Dates as people write them in many languages, and the same dates in ISO 8601.

The names of months and weekdays and the formats are those of the Unicode CLDR, through Babel. A
text that could be read as two dates never occurs: years have four digits, and formats of numbers
alone are left out where they put the month before the day.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.errors import require
from pipelines.sources import place
from pipelines.translation.pairs import Pair, spaced

HELD_OUT = "dates:held-out"  # the name of the formats that training never sees
LANGUAGES = (
    "ar", "bg", "ca", "cs", "da", "de", "el", "en", "en_GB", "es", "et", "fa", "fi", "fr", "he",
    "hi", "hu", "id", "it", "ja", "ko", "lt", "lv", "nb", "nl", "pl", "pt", "ro", "ru", "sk", "sl",
    "sv", "th", "tr", "uk", "vi", "zh",
)  # fmt: skip
FORMATS = ("full", "long", "medium", "yMMMd", "yMMMEd", "GyMMMd", "yMd", "yMEd")
MONTH_FIRST = {"en"}  # 2/3/2017 is a day in February here, and in March everywhere else

FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)
DATES = 120  # of each format of each language
SEED = 0

_MONTH_NAME = re.compile("MMM|LLL")
_YEAR_OF_FOUR = re.compile(r"(?<!y)(y|yyyy)(?!y)")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Format:
    """A way in which a language writes dates."""

    language: str
    name: str
    pattern: str  # of CLDR

    def write(self, date: datetime.date) -> str:
        """The date in this language and format."""
        dates = require("babel.dates", "translation")
        return spaced(dates.format_date(date, self.pattern, locale=self.language))


def date_pairs(*, held_out: bool = False, seed: int = SEED) -> list[Pair]:
    """Dates of the years 1900 to 2099, each in some language and format, with its ISO form.

    Pairs of one date have one group, so that a date of the test part stands in no other part, in
    whatever language.

    Args:
        held_out: bool, True gives the formats that `held_out_formats` keeps from training.
        seed: int, of the dates.

    Raises:
        UserError: Babel is not installed.
    """
    known, kept = held_out_formats()
    return [
        Pair(f"{each.language} {each.name} {iso}", each.write(date), iso, about=iso)
        for each in (kept if held_out else known)
        for date in _dates(f"{seed} {each.language} {each.name}")
        for iso in [date.isoformat()]
    ]


def held_out_formats() -> tuple[list[Format], list[Format]]:
    """The formats to train on, and one of most languages to keep from training.

    Every word that a format kept back can write is also written by one that is trained on, and the
    text of no format trained on is the same: who has seen "Fri, 3 Feb 2017" and "3 February 2017"
    is asked for "Friday, 3 February 2017".
    """
    formats = all_formats()
    # Days of one digit and of two, of all months and weekdays.
    days = [(month, day) for month in range(1, 13) for day in (1, 2, 3, 4, 5, 6, 7, 20)]
    examples = [datetime.date(2021, month, day) for month, day in days]
    texts = [{each.write(date) for date in examples} for each in formats]
    words = [{word for text in some for word in _WORD.findall(text)} for some in texts]
    writers = Counter(word for some in words for word in some)
    readings = Counter(text for some in texts for text in some)
    kept: dict[str, int] = {}
    order = sorted(range(len(formats)), key=lambda k: place(f"{formats[k]}"))
    for k in order:
        language = formats[k].language
        spare = all(writers[word] > 1 for word in words[k])
        if language not in kept and spare and all(readings[text] == 1 for text in texts[k]):
            kept[language] = k
            writers.subtract(words[k])
    chosen = set(kept.values())
    return (
        [each for k, each in enumerate(formats) if k not in chosen],
        [each for k, each in enumerate(formats) if k in chosen],
    )


def all_formats() -> list[Format]:
    """Each different format of each language whose texts mean one date alone."""
    babel = require("babel", "translation")
    found: dict[tuple[str, str], Format] = {}
    for language in LANGUAGES:
        locale = babel.Locale.parse(language)
        patterns = {**locale.date_formats, **locale.datetime_skeletons}
        for name in FORMATS:
            pattern = patterns[name].pattern
            numbers_alone = not _MONTH_NAME.search(pattern)
            if _YEAR_OF_FOUR.search(pattern) and not (numbers_alone and language in MONTH_FIRST):
                found.setdefault((language, pattern), Format(language, name, pattern))
    return list(found.values())


def _dates(key: str) -> Iterator[datetime.date]:
    days = (LAST - FIRST).days + 1
    for k in range(DATES):
        yield FIRST + datetime.timedelta(days=int(place(f"{key} {k}") * days))
