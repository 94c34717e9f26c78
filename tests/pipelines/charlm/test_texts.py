"""Texts are cut by position, and the windows of a batch go on where the batch before ended."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.charlm import texts
from pipelines.charlm.texts import Text


def test_ids_are_places_in_the_vocabulary():
    """Characters of any plane, and those that the vocabulary lacks, in plain Python."""
    vocabulary = sorted("aé語😀\n")
    characters = "a語😀\r\né?\U0010ffffa\x00"
    wanted = [vocabulary.index(c) + 1 if c in vocabulary else 0 for c in characters]
    assert texts.to_ids(characters, vocabulary).tolist() == wanted


def test_the_last_tenth_is_the_test_part_and_the_tenth_before_it_validates():
    """Scores of others are of the last tenth by position: ours must be of the same characters."""
    whole = "".join(chr(65 + k % 26) for k in range(1003))
    parts = texts.cut([Text("t", whole)], ("valid", "test"))
    held = {name: part[0].characters for name, part in parts.items()}
    assert held["train"] + held["valid"] + held["test"] == whole
    assert len(held["train"]) == int(1003 * 0.8)
    assert held["test"] == whole[int(1003 * 0.9) :]
    alone = texts.cut([Text("t", whole)], ("valid",))
    assert list(alone) == ["train", "valid"]
    assert alone["valid"][0].characters == whole[int(1003 * 0.9) :]


@pytest.mark.parametrize(
    ("count", "streams", "steps"), [(97, 4, 5), (100, 4, 5), (7, 4, 5), (3, 2, 5)]
)
def test_windows_follow_one_another(count, streams, steps):
    """A row goes on in the same row of the next batch, and the rows end to end are the text: so the
    state that is carried is that of the character before."""
    ids = np.arange(1, count + 1, dtype=np.int32)
    made = list(texts.windows(ids, streams=streams, steps=steps))
    assert len(made) % streams == 0
    found = []
    for row in range(streams):
        stretch = made[row::streams]
        assert [window["first"] for window in stretch] == [True] + [False] * (len(stretch) - 1)
        following = np.concatenate([w["next"][: w["counted"]] for w in stretch])
        before = np.concatenate([w["ids"][: w["counted"]] for w in stretch])
        assert all(
            w["counted"] == steps for w in stretch[:-1] if len(following) >= count // streams
        )
        if len(following):
            assert before.tolist() == [0, *following[:-1]]
        found += following.tolist()
    assert found == ids.tolist()


def test_a_short_text_is_not_torn_into_rows_shorter_than_a_window():
    """Every stretch begins without a past: many short ones would be judged by their beginnings."""
    made = list(texts.windows(np.ones(12, np.int32), streams=8, steps=5))
    assert [int(window["counted"]) for window in made] == [5, 5, 0, 0, 0, 0, 0, 0, 1, 1] + [0] * 6
