"""The toy task stands in the table of tasks while a test runs."""

from __future__ import annotations

from tests.pipelines.conftest import toy

__all__ = ["toy"]
