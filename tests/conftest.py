"""What every test relies on; and `--proofs FILE`, which writes what the long proofs did."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same random weights whatever ran before; no import for tests that need none."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Decoded clips of tests stay out of the user's cache."""
    os.environ["RNNKIT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long proofs run only when asked for: `pytest -m prove`."""
    if not config.option.markexpr:
        proofs = [item for item in items if item.get_closest_marker("prove")]
        config.hook.pytest_deselected(items=proofs)
        items[:] = [item for item in items if item not in proofs]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--proofs", metavar="FILE", help="write a Markdown table of the proofs run")


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> None:
    lines = (getattr(item.function, "__doc__", None) or "").strip().splitlines()
    if call.when == "setup" and lines:
        item.user_properties.append(("says", lines[0]))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    path = config.getoption("--proofs")
    if path is None:
        return
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if report.when == "call"
    ]
    rows = [_row(report) for report in sorted(reports, key=lambda report: report.nodeid)]
    Path(path).write_text("\n".join([*_heading(), *rows]) + "\n", "utf-8")


def _heading() -> list[str]:
    return [
        "# Proofs",
        "",
        "Written by `make prove`: the tests that are too long for `make test`, at full counts.",
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}.",
        "",
        "| proof | what it shows | count | seconds | result |",
        "| --- | --- | --- | --- | --- |",
    ]


def _row(report: pytest.TestReport) -> str:
    """A test tells its counts with `record_property("kills", 20)`."""
    properties = dict(report.user_properties)
    says = str(properties.pop("says", "")).replace("|", "\\|")
    counts = ", ".join(f"{value} {name}" for name, value in properties.items())
    name = report.nodeid.removeprefix("tests/").replace("|", "\\|")
    return f"| `{name}` | {says} | {counts} | {report.duration:.0f} | {report.outcome} |"
