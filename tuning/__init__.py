"""Which architecture, which settings: honest comparison and search, over the tasks of pipelines."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuning.results import Comparison
    from tuning.search_results import Search


def compare(
    task: str, cells: list[str], data: str | PathLike[str] | None = None, **arguments: Any
) -> Comparison:
    """Trains cells on equal terms, and says what differs: `tuning.comparison.compare`."""
    from pipelines.quiet import start_tensorflow

    start_tensorflow()
    from tuning.comparison import compare

    return compare(task, cells, data, **arguments)


def tune(task: str, data: str | PathLike[str] | None = None, **arguments: Any) -> Search:
    """Looks for the settings with which a task does best: `tuning.search.tune`."""
    from pipelines.quiet import start_tensorflow

    start_tensorflow()
    from tuning.search import tune

    return tune(task, data, **arguments)
