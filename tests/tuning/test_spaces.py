"""Every space holds settings that its task has, within their limits."""

from __future__ import annotations

import dataclasses

import pytest

from pipelines import TASKS
from pipelines.cells import cell_class
from pipelines.cli.flags import settings_class
from tuning.spaces import CELLS, SPACES, space_of


@pytest.mark.parametrize("task", TASKS)
def test_a_space_is_made_of_the_tasks_settings(task: str):
    """A name that is mistyped would fail every trial of a search, after hours."""
    cls = settings_class(task)
    defaults = cls()
    space = space_of(task, defaults)
    fields = {field.name for field in dataclasses.fields(cls)}
    assert {"cell", "units", "learning_rate"} <= {hp.name for hp in space.space} <= fields
    for draw in range(20):
        values = {hp.name: hp.random_sample(draw) for hp in space.space}
        cls(**values)
    for hp in space.space:
        default = getattr(defaults, hp.name)
        assert default is None or hp.default == default, hp.name
        if hasattr(hp, "min_value"):
            assert hp.min_value <= hp.default <= hp.max_value, hp.name


def test_spaces_belong_to_tasks():
    assert set(SPACES) <= set(TASKS)
    assert all(cell_class(cell) for cell in CELLS)
