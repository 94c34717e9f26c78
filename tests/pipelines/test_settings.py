"""Settings given from Python, where no command line has checked them."""

from __future__ import annotations

import pytest

from pipelines.errors import UserError
from pipelines.music.settings import MusicSettings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"units": "128"}, "--units must be of type int. Received: '128'."),
        ({"epochs": 2.5}, "--epochs must be of type int. Received: 2.5."),
        ({"layers": True}, "--layers must be of type int. Received: True."),
        ({"cell": None}, "--cell must be of type str. Received: None."),
        ({"dropout": float("nan")}, "--dropout must be at least 0. Received: nan."),
        ({"unit": 3}, "unknown setting 'unit'. Did you mean units? Known: batch_size, "),
    ],
)
def test_a_wrong_value_is_one_clear_line(settings, message: str):
    """In a notebook it would be a TypeError after minutes of reading data."""
    with pytest.raises(UserError) as caught:
        MusicSettings.from_dict(settings)
    assert str(caught.value).startswith(message)


def test_a_whole_number_is_a_float_too():
    assert MusicSettings.from_dict({"learning_rate": 1}).learning_rate == 1
