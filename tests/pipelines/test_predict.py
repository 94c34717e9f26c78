"""`rnnkit predict`: options of the task's own, answers in a stream, files by their names."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import pipelines
from pipelines.cli import main, runs
from pipelines.run import Run
from pipelines.settings import Options, setting
from pipelines.task import Answering


@dataclass(frozen=True, kw_only=True)
class CountOptions(Options):
    upto: int = setting(3, "the last number", minimum=1)


class Counting(Answering):
    """Counts for each text; notes when it was asked, and prints as libraries do."""

    name = "counting"
    Options = CountOptions

    def __init__(self):
        self.made = 0

    def answers(self, model, texts, input, options):
        for text in texts:
            for number in range(1, options.upto + 1):
                print("1/1 a progress bar")
                self.made += 1
                yield {"text": text, "number": number, "parts": [number, None]}

    def show(self, answers):
        return (f"[b]{answer['number']}[/b] after {self.made}" for answer in answers)

    @property
    def writers(self):
        return {".dots": lambda answers, path: path.write_text("." * len(list(answers)))}


class CountingRun:
    path = Path("runs/counting")
    model = None
    answers = Run.answers

    def __init__(self):
        self.task = Counting()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """What the command line takes for the folder of a run of `counting`."""
    monkeypatch.setitem(sys.modules, "tests.counting", sys.modules[__name__])
    row = pipelines.TaskRow(*["x"] * 7, options="tests.counting:CountOptions")
    monkeypatch.setitem(pipelines.TASKS, "counting", row)
    monkeypatch.setattr(runs, "load", lambda path: CountingRun())
    (tmp_path / "config.json").write_text('{"task": "counting"}')
    return tmp_path


@pytest.fixture
def rnnkit(capsys):
    def run(*words: str | Path) -> tuple[int, str, list[str]]:
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return run


def test_a_task_has_options_of_its_own(folder, rnnkit):
    """They work, stand in the help of its runs, and are checked like all settings."""
    status, out, err = rnnkit("predict", folder, "a", "--upto", "2", "--json")
    assert status == 0, err
    assert [json.loads(line)["number"] for line in out.splitlines()] == [1, 2]
    assert "--upto" in rnnkit("predict", folder, "--help")[1]
    assert "--upto" not in rnnkit("predict", "--help")[1]
    assert rnnkit("predict", folder, "a", "--upto", "0") == (
        2,
        "",
        ["error: --upto must be at least 1. Received: 0."],
    )


def test_answers_are_shown_as_they_come(folder, rnnkit):
    """A long file need not fit into memory, and its first answer is there at once."""
    status, out, err = rnnkit("predict", folder, "a")
    assert status == 0
    assert out.splitlines() == ["1 after 1", "2 after 2", "3 after 3"]
    assert set(err) == {"1/1 a progress bar"}


def test_a_table_of_many_answers_comes_in_pieces(folder, rnnkit, monkeypatch):
    """A scan of a chromosome has millions of answers."""
    monkeypatch.setattr(sys.modules["pipelines.cli.predict"], "ROWS", 2)
    monkeypatch.setattr(Counting, "show", Answering.show)
    status, out, _ = rnnkit("predict", folder, "a", "--upto", "5")
    assert status == 0
    assert out.split().count("number") == 3
    assert [word for word in out.split() if word in "12345"][::2] == list("12345")


def test_the_name_of_the_file_decides_its_form(folder, rnnkit):
    for name in ("a.jsonl", "a.csv", "a.tsv", "a.dots"):
        status, out, err = rnnkit("predict", folder, "x, y", "--output", folder / name)
        assert (status, out, err[-1]) == (0, "", f"3 answers in {folder / name}")
    lines = [json.loads(line) for line in (folder / "a.jsonl").read_text().splitlines()]
    assert lines[2] == {"text": "x, y", "number": 3, "parts": [3, None]}
    for name, delimiter in (("a.csv", ","), ("a.tsv", "\t")):
        with (folder / name).open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter=delimiter))
        assert rows[2] == {"text": "x, y", "number": "3", "parts": "[3, null]"}
    assert (folder / "a.dots").read_text() == "..."


def test_an_unknown_form_is_refused_before_the_work(folder, rnnkit):
    status, _, err = rnnkit("predict", folder, "a", "--output", folder / "a.xls")
    assert status == 2
    assert err == [
        f"error: {folder / 'a.xls'}: expected a file name that ends in .jsonl, .csv, .tsv, .dots. "
        "Received: .xls"
    ]


def test_from_python_the_options_are_keywords():
    assert [answer["number"] for answer in CountingRun().answers(["a"], upto=2)] == [1, 2]
