"""The toy task stands in the table of tasks while a test runs."""

from __future__ import annotations

import pytest


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    import pipelines
    from tests.pipelines.toy import ROW

    monkeypatch.setitem(pipelines.TASKS, "toy", ROW)
