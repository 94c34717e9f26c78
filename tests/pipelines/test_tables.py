"""Answers as files."""

import csv

import numpy as np
import pytest

from pipelines.errors import UserError
from pipelines.tables import WRITERS


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_a_table_is_read_back_as_it_was(tmp_path, suffix, delimiter):
    path = tmp_path / f"answers{suffix}"
    answers = [{"name": "a\tb,c", "p": np.float32(0.5), "ranks": [1, 2]}, {"name": 'so "it" is'}]
    WRITERS[suffix](answers, path)
    with path.open(newline="") as file:
        first, second = csv.DictReader(file, delimiter=delimiter)
    assert first == {"name": "a\tb,c", "p": "0.5", "ranks": "[1, 2]"}
    assert second == {"name": 'so "it" is', "p": "", "ranks": ""}


def test_a_key_that_has_no_column_is_told(tmp_path):
    """A row of a table that is longer than the first one: nothing of it may be lost in silence."""
    path = tmp_path / "answers.csv"
    with pytest.raises(UserError, match=r"answers.csv: answer 2 has more, .*\.jsonl"):
        WRITERS[".csv"]([{"name": "a"}, {"name": "b", "more": "c"}], path)
    WRITERS[".jsonl"]([{"name": "a"}, {"name": "b", "more": "c"}], tmp_path / "answers.jsonl")
