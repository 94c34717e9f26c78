"""Pieces and the grid: what the model sees of a file, and what a listener hears of a roll."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipelines.music.grid import to_notes, to_roll
from pipelines.music.pieces import HELD, KEYS, LOWEST, OFF, STRUCK, Piece

GRIDS = st.sampled_from([1, 2, 3, 4, 6, 8, 12, 24])


def piece(melody: list[int], *, beat: int = 1, below: int | None = None) -> Piece:
    """A melody of one note a beat, over a held bass note."""
    roll = np.zeros((len(melody) * beat, KEYS), np.uint8)
    for step, pitch in enumerate(melody):
        roll[step * beat : (step + 1) * beat, pitch - LOWEST] = HELD
        roll[step * beat, pitch - LOWEST] = STRUCK
    if below is not None:
        roll[:, below - LOWEST] = HELD
    return Piece("melody", roll, steps_per_beat=beat)


def a_roll(values: np.ndarray) -> np.ndarray:
    """Any values as a roll that could be of notes: nothing is held that was not struck, and the
    last step sounds."""
    roll = values.copy()
    roll[-1, 0] = STRUCK
    for step in range(len(roll)):
        silent_before = roll[step - 1] == OFF if step else np.full(KEYS, True)
        roll[step][silent_before & (roll[step] == HELD)] = STRUCK
    return roll


ROLLS = arrays(np.uint8, st.tuples(st.integers(1, 12), st.just(KEYS)), elements=st.integers(0, 2))


def check_round_trip(values: np.ndarray, steps_per_beat: int) -> None:
    roll = a_roll(values)
    again = to_roll(to_notes(roll, steps_per_beat), steps_per_beat)
    np.testing.assert_array_equal(again.roll, roll)
    assert again.moved == 0
    assert again.outside == 0


@settings(max_examples=50, deadline=None)
@given(ROLLS, GRIDS)
def test_a_roll_is_the_roll_of_its_notes(values: np.ndarray, steps_per_beat: int):
    """A generated piece, written as notes, would be another piece."""
    check_round_trip(values, steps_per_beat)


@pytest.mark.prove
def test_every_roll_is_the_roll_of_its_notes(record_property):
    """Rolls of any values, on eight grids, are again what they were after a detour over notes."""
    record_property("rolls", 3000)
    settings(max_examples=3000, deadline=None)(given(ROLLS, GRIDS)(check_round_trip))()


def slow_roll(notes: list[tuple[float, float, int]], steps_per_beat: int) -> np.ndarray:
    """Each key and step by itself, from the definition."""
    begins = [int(np.floor(a * steps_per_beat + 0.5)) for a, _, _ in notes]
    ends = [int(np.floor(b * steps_per_beat + 0.5)) for _, b, _ in notes]
    ends = [max(a + 1, b) for a, b in zip(begins, ends, strict=True)]
    roll = np.zeros((max(ends), KEYS), np.uint8)
    for step in range(len(roll)):
        for key in range(KEYS):
            mine = [k for k, note in enumerate(notes) if note[2] == key + LOWEST]
            if any(begins[k] == step for k in mine):
                roll[step, key] = 2
            elif any(begins[k] < step < ends[k] for k in mine):
                roll[step, key] = 1
    return roll


NOTE = st.tuples(
    st.floats(0, 4), st.floats(0, 2), st.sampled_from([LOWEST, 60, 61, LOWEST + KEYS - 1])
).map(lambda note: (note[0], note[0] + note[1], note[2]))


@settings(max_examples=40, deadline=None)
@given(st.lists(NOTE, min_size=1, max_size=6), GRIDS)
def test_notes_are_struck_where_they_start_and_held_to_their_end(notes, steps_per_beat):
    """The model would learn another rhythm than the file's, also where notes share a key."""
    expected = slow_roll(notes, steps_per_beat)
    np.testing.assert_array_equal(to_roll(np.array(notes), steps_per_beat).roll, expected)


def test_the_grid_says_what_it_changed():
    """`check` would not tell that a grid is too coarse, or that notes were lost."""
    notes = np.array(
        [[0, 1, 60], [1.01, 2, 62], [1 / 3, 1, 64], [0.7, 0.71, 65], [0, 1, 20], [0, 1, 109]]
    )
    grid = to_roll(notes, 4)
    assert (grid.notes, grid.moved, grid.outside) == (6, 2, 2)
    assert grid.roll[3, 65 - LOWEST] == STRUCK, "a note shorter than a step still sounds"
    assert (grid.roll > 0)[:, [0, KEYS - 1]].sum() == 0
    assert to_roll(notes, 12).moved == 1, "thirds of a beat lie on a grid of twelve"


def test_rolls_without_strikes_give_a_note_a_run():
    """A piano-roll data set could not be heard."""
    roll = np.zeros((5, KEYS), np.uint8)
    roll[[0, 1, 3, 4], 40] = HELD
    np.testing.assert_array_equal(to_notes(roll, 1), [[0, 2, 61], [3, 5, 61]])


TUNE = [67, 67, 69, 71, 67, 71, 69, 62, 67, 69, 71, 72, 71, 67]


@pytest.mark.parametrize(
    "other",
    [
        piece([pitch + 5 for pitch in TUNE]),
        piece(TUNE, beat=4),
        piece(TUNE, below=40),
        piece([*TUNE, 60, 62]),
    ],
    ids=["another key", "a finer grid", "another harmony", "another ending"],
)
def test_settings_of_one_tune_are_one_group(other: Piece):
    """The same hymn would stand in train and test, and the test score would be too good."""
    assert other.group == piece(TUNE).group


def test_passing_notes_do_not_make_another_tune():
    """An ornamented setting of a hymn would stand in test, the plain one in train."""
    plain = piece(TUNE, beat=2)
    roll = plain.roll.copy()
    roll[5] = 0
    roll[5, 70 - LOWEST] = STRUCK
    assert Piece("ornamented", roll, 2).group == plain.group


def test_different_tunes_are_different_groups():
    """The split would put half of the data into one part."""
    assert piece(TUNE[::-1]).group != piece(TUNE).group
    assert piece([60]).group == piece([72]).group == ""


@settings(max_examples=30, deadline=None)
@given(ROLLS, st.sampled_from([0, 1, 4]))
def test_equal_rolls_have_equal_groups_and_digests(values: np.ndarray, steps_per_beat: int):
    """A duplicate under another name would leak from train into test."""
    first = Piece("a", a_roll(values), steps_per_beat)
    second = Piece("b", np.asfortranarray(first.roll.copy()), steps_per_beat, tempo=60.0)
    assert first.group == second.group
    assert first.digest() == second.digest()
    changed = first.roll.copy()
    changed[0, 0] = (changed[0, 0] + 1) % 3
    assert Piece("c", changed, steps_per_beat).digest() != first.digest()


def test_a_piece_refuses_another_shape():
    """A wrong roll would fail much later, inside the model."""
    with pytest.raises(ValueError, match=r"roll must be a uint8 array.*Received: float64"):
        Piece("a", np.zeros((3, KEYS)), 4)
