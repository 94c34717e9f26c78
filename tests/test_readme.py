"""What README.md and docs/ show is true: code runs, commands exist, tables are the code's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pipelines import TASKS
from pipelines.cli import main
from tests import zoo

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """The code blocks of a language, each with the number of its first line."""
    text = page.read_text("utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, block.start(1)) + 1, block[1]) for block in found]


def commands() -> list[tuple[str, str]]:
    return [
        (f"{page.name}:{line + k}", words.partition("#")[0].strip())
        for page in PAGES
        for line, block in blocks(page, "bash")
        for k, words in enumerate(block.splitlines())
        if words.startswith(("rnnkit", "make"))
    ]


def table(heading: str) -> tuple[list[str], list[list[str]]]:
    """The first table after a heading: its header and its rows, without backticks."""
    after = README.read_text("utf-8").partition(f"### {heading}\n")[2]
    lines = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)
    assert lines, f"README.md has no table under {heading}"
    rows = [
        [cell.strip().strip("`") for cell in line.strip().strip("|").split(" | ")]
        for line in lines[0].splitlines()
    ]
    return rows[0], rows[2:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page: Path, tmp_path, monkeypatch):
    """A reader can paste the code of a page, from top to bottom, and it works."""
    monkeypatch.chdir(tmp_path)
    zoo.TASKS["music"].write(tmp_path).rename(tmp_path / "chorales.json")
    names: dict[str, object] = {"__name__": "page"}
    for line, code in blocks(page, "python"):
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)


@pytest.mark.parametrize(("place", "command"), commands())
def test_commands_exist(place: str, command: str, capsys):
    """Every command on a page is one of ours, with options that it has."""
    program, *words = shlex.split(command)
    if program == "make":
        targets = re.findall(r"^\.PHONY:(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words) <= set(" ".join(targets).split()), f"{place}: no such target: {command}"
    else:
        assert main([*words, "--help"]) == 0, f"{place}: {command}: {capsys.readouterr().err}"


def test_the_continuous_build_runs_the_test_command():
    assert "`make test`" in README.read_text("utf-8")
    assert "make test" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_table_of_tasks():
    """The table is TASKS, row by row."""
    _, rows = table("Tasks")
    assert rows == [
        [name, row.shape, row.input, row.output, row.metric, row.data]
        for name, row in TASKS.items()
    ]


def test_table_of_cells():
    """The table is what `rnnkit cells` measures, row by row."""
    from pipelines.cli.formulas import describe_cells

    _, rows = table("Cells")
    assert rows == [
        ["yes" if cell is True else "no" if cell is False else str(cell) for cell in row.values()]
        for row in describe_cells()
    ]


def test_parallel_in_time_are_the_cells_that_the_layer_runs_so():
    """An IndRNN's relu makes steps that do not compose: it waits for each one, like the rest."""
    from pipelines.cli.formulas import describe_cells

    parallel = {row["cell"] for row in describe_cells() if row["parallel"]}
    assert parallel == {"min_gru", "min_lstm"}
