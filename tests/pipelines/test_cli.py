"""The command line by itself: options, answers, messages and exit statuses, with a made-up run."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from pipelines import TASKS
from pipelines.cli import main, quiet, runs
from pipelines.cli.flags import settings_class
from pipelines.errors import UserError
from pipelines.run import Run
from pipelines.task import Generative, Typed

SCRIPT = Path(sys.executable).with_name("rnnkit")


@pytest.fixture
def rnnkit(capsys, monkeypatch):
    """Runs a command; gives its exit status, stdout and the lines of stderr."""
    monkeypatch.setattr(quiet, "start_tensorflow", lambda: None)

    def run(*words: str) -> tuple[int, str, list[str]]:
        status = main(words)
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return run


class MadeUpRun:
    """Stands in for a trained run; what it computes prints to stdout, as libraries do."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.path = Path("runs/made-up")
        self.task = types.SimpleNamespace(name="made-up")
        self.error = error

    has_plots = False

    def evaluate(self, data, plots, beside):
        print("1/1 ━━━━ 0s a progress bar")
        self.beside = beside
        if self.error:
            raise self.error
        return {
            "task": "made-up",
            "run": "runs/made-up",
            "data": data,
            "part": "test",
            "metrics": {"nll": np.float32(0.5), "worst": math.inf},
            "floors": {"marginal": {"nll": 1.25}},
            "signatures": {"nll": "nats|version:1"},
            "beside": {other: {"nll": 0.75} for other in beside},
        }

    def predict(self, source):
        return [{"name": "[a]", "nll": 1.0}, {"name": "b", "nll": math.nan}]

    answers = Run.answers

    def export(self, **arguments):
        self.exported = arguments
        return Path("saved_models/made-up/1")


@pytest.fixture
def run(monkeypatch) -> MadeUpRun:
    made_up = MadeUpRun()
    monkeypatch.setattr(runs, "load", lambda path: made_up)
    return made_up


# --- answers ----------------------------------------------------------------------------------


def test_json_is_all_there_is_on_stdout(rnnkit, run):
    """A program that reads `--json` never meets a progress bar, NaN or Infinity."""
    status, out, err = rnnkit("evaluate", "x", "--json")
    assert status == 0
    answer = json.loads(out, parse_constant=pytest.fail)
    assert answer["metrics"] == {"nll": 0.5, "worst": None}
    assert err == ["1/1 ━━━━ 0s a progress bar"]


def test_scores_stand_beside_the_floors(rnnkit, run):
    status, out, _ = rnnkit("evaluate", "x", "--data", "d", "--beside", "y", "--beside", "z")
    assert (status, run.beside) == (0, ["y", "z"])
    assert "part test of d" in out
    row = next(line for line in out.splitlines() if "nll" in line)
    assert row.split() == ["nll", "0.5000", "0.7500", "0.7500", "1.2500"]
    assert "nll: nats|version:1" in out.splitlines()


def test_evaluate_says_where_the_pictures_are(rnnkit, run, monkeypatch):
    monkeypatch.setattr(MadeUpRun, "has_plots", True)
    _, _, err = rnnkit("evaluate", "x", "--plots", "some/folder")
    assert err[-1] == "pictures in some/folder"


def test_predict_writes_json_lines(rnnkit, run, tmp_path):
    status, out, _ = rnnkit("predict", "x", "--input", "i", "--json")
    assert status == 0
    assert [json.loads(line) for line in out.splitlines()] == [
        {"name": "[a]", "nll": 1.0},
        {"name": "b", "nll": None},
    ]
    status, printed, _ = rnnkit("predict", "x", "--input", "i", "--output", str(tmp_path / "o"))
    assert (status, printed) == (0, "")
    assert (tmp_path / "o").read_text() == out


def test_predict_takes_texts_where_the_task_reads_them(rnnkit, run):
    """`rnnkit predict RUN "a fine film"` needs no file; a task of files says so."""
    status, _, err = rnnkit("predict", "x", "a fine film")
    assert status == 2
    assert err == [
        "error: made-up reads files, not words. Use: rnnkit predict runs/made-up --input FILE"
    ]

    class Reviews(Typed):
        def typed(self, texts):
            return list(texts)

    run.task = Reviews()
    run.predict = lambda records: [{"text": text, "label": "good"} for text in records]
    status, out, _ = rnnkit("predict", "x", "a fine film", "-5", "--json")
    assert status == 2  # what begins with a dash needs -- before it
    status, out, _ = rnnkit("predict", "x", "--json", "--", "a fine film", "-5")
    assert status == 0
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["a fine film", "-5"]


def test_a_name_in_brackets_is_no_markup(rnnkit, run):
    """A file called [a].mid keeps its name in a table."""
    assert "[a]" in rnnkit("predict", "x", "--input", "i")[1]


def test_export_passes_its_options_on(rnnkit, run):
    status, out, _ = rnnkit("export", "x", "--name", "n", "--root", "r", "--force", "--onnx")
    assert (status, out) == (0, "saved_models/made-up/1\n")
    expected = {"name": "n", "root": "r", "force": True, "weights": "float32", "onnx": True}
    assert run.exported == expected


def test_the_table_of_tasks_is_that_of_the_package(rnnkit):
    rows = json.loads(rnnkit("tasks", "--json")[1])["tasks"]
    assert {row["task"]: row["metric"] for row in rows} == {
        name: row.metric for name, row in TASKS.items()
    }
    text = rnnkit("tasks")[1]
    assert all(name in text for name in TASKS)


# --- mistakes ---------------------------------------------------------------------------------

MISTAKES = {
    "trian": "unknown command 'trian'. Did you mean train?",
    "train musik": "unknown task 'musik'. Did you mean music?",
    "check musik": "unknown task 'musik'. Did you mean music?",
    "train music --unit 3": "unknown option --unit. Did you mean --units?",
    "evaluate x --jsn": "unknown option --jsn. Did you mean --json?",
    "train music --units many": "--units must be a valid integer. Received: many.",
    "train music --units 0": "--units must be at least 1. Received: 0.",
    "train music --dropout 1.5": "--dropout must be at most 0.95. Received: 1.5.",
    "train music --learning-rate 0": "--learning-rate must be above 0. Received: 0.0.",
    "train music --head nad": "--head must be one of nade, bernoulli. Received: nad.",
    "train music --cell elman": "unknown cell 'elman'. Did you mean vanilla?",
    "train music --cell simple_rnn": "unknown cell 'simple_rnn'. Did you mean vanilla?",
    "train music --cell lstmm": "unknown cell 'lstmm'. Did you mean lstm or min_lstm?",
    "train music --epochs": "Option '--epochs' requires an argument.",
    "evaluate": "Missing argument 'RUN'. See: rnnkit evaluate --help",
    "predict x": "expected either TEXT or --input FILE. Received: neither.",
    "predict x text --input i": "expected either TEXT or --input FILE. Received: both.",
    "generate x --count 1.5": "--count must be a valid integer. Received: 1.5.",
    "tasks --zzz": "unknown option --zzz. See: rnnkit tasks --help",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_gets_one_line_and_status_2(rnnkit, words: str):
    status, out, err = rnnkit(*words.split())
    assert (status, out, len(err)) == (2, "", 1)
    assert err[0].startswith(f"error: {MISTAKES[words]}")


@pytest.mark.parametrize("command", [["predict", "x"], ["generate", "x", "--primer"]])
def test_words_that_are_not_utf8_are_told(rnnkit, run, command):
    """Typed in a terminal of another encoding: no task could read them, and one says so."""
    status, out, err = rnnkit(*command, os.fsdecode(b"caf\xe9"))
    assert (status, out) == (2, "")
    (line,) = err
    assert line.startswith(r"error: expected words in UTF-8. Received: b'caf\xe9'. Set")


def test_debug_shows_where_a_mistake_was_noticed(rnnkit):
    """Without it never a traceback; with it, wherever it stands, the traceback and the line."""
    for words in (["--debug", "train", "musik"], ["train", "musik", "--debug"]):
        status, _, err = rnnkit(*words)
        assert status == 2
        assert err[0] == "Traceback (most recent call last):"
        assert err[-1].startswith("error: unknown task 'musik'. Did you mean music? Known: ")


FAILURES = {
    "a user's mistake": (
        UserError("x.mid: empty.\n Use\tanother."),
        2,
        "x.mid: empty. Use another.",
    ),
    "a full disk": (OSError(errno.ENOSPC, "No space left on device", "a/b"), 2, "a/b: no space"),
    "a full disk, by HDF5": (OSError("write failed: No space left on device"), 2, "no space left"),
    "no permission": (PermissionError(errno.EACCES, "Permission denied", "a"), 2, "a: no perm"),
    "a folder for a file": (IsADirectoryError(errno.EISDIR, "", "a"), 2, "a: expected a file."),
    "a file for a folder": (NotADirectoryError(errno.ENOTDIR, "", "a"), 2, "a: expected a folder"),
    "a bug": (KeyError("units"), 1, "unexpected KeyError: 'units' (the same command with --debug"),
    "a bug without words": (RuntimeError(), 1, "unexpected RuntimeError (the same command"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_whatever_goes_wrong_is_one_line(rnnkit, run, case: str):
    run.error, status, line = FAILURES[case]
    got, out, err = rnnkit("evaluate", "x")
    assert (got, out) == (status, "")
    assert err[1].startswith(f"error: {line}")
    assert len(err) == 2  # the first one is the progress bar


def test_ctrl_c_says_that_the_run_resumes(rnnkit, monkeypatch):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.training.train", interrupted)
    status, out, err = rnnkit("train", "music")
    assert (status, out) == (1, "")
    assert err == ["interrupted: the same command resumes the run"]


def test_a_task_that_makes_nothing_new_says_so(rnnkit, run):
    assert not isinstance(run.task, Generative)
    status, _, err = rnnkit("generate", "x")
    assert status == 2
    assert err == ["error: made-up makes no new sequences. Use: rnnkit predict x --input FILE"]


# --- options from settings --------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_help_shows_every_setting_with_its_default(rnnkit, monkeypatch, task: str):
    monkeypatch.setenv("COLUMNS", "400")
    status, out, _ = rnnkit("train", task, "--help")
    assert status == 0
    for field in dataclasses.fields(settings_class(task)):
        begins = re.compile(rf"\W*--{option(field.name)} ")
        (line,) = filter(begins.match, out.splitlines())
        assert field.metadata["help"] in line
        if field.default not in ("", None):
            default = field.default
            if isinstance(default, bool):  # told as the flag that gives it
                default = option(field.name) if default else f"no-{option(field.name)}"
            assert f"[default: {default}" in line


def option(name: str) -> str:
    return name.replace("_", "-")


def test_options_of_train_reach_it_with_their_types(rnnkit, monkeypatch):
    """`--units 7 --learning-rate 1` trains with 7 and 1.0, the rest with the task's defaults."""
    given = {}

    def train(task, data=None, **arguments):
        given.update(arguments, task=task, data=data)
        raise UserError("enough")

    monkeypatch.setattr("pipelines.training.train", train)
    words = "train music --data d --valid v --test t --run r --init i --units 7 --learning-rate 1"
    assert rnnkit(*words.split())[2] == ["error: enough"]
    defaults = settings_class("music")().to_dict()
    places = {"data": "d", "valid": "v", "test": "t", "run": "r", "init": "i", "devices": None}
    assert given == {**defaults, **places, "task": "music", "units": 7, "learning_rate": 1.0}
    assert isinstance(given["learning_rate"], float)


def test_a_yes_or_no_setting_has_both_flags(monkeypatch):
    """`--bidirectional` and `--no-bidirectional`, whatever the default."""
    import typer
    from typer.testing import CliRunner

    from pipelines.cli import flags
    from pipelines.settings import Settings, setting

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Made(Settings):
        bidirectional: bool = setting(True, "reads both ways")
        lines: bool = setting(False, "one record a line", reading=True)

    monkeypatch.setattr(flags, "settings_class", lambda task: Made)
    given = {}
    app = typer.Typer()
    app.command()(flags.with_settings(lambda **settings: given.update(settings), "made"))
    assert CliRunner().invoke(app, ["--no-bidirectional", "--lines"]).exit_code == 0
    assert (given["bidirectional"], given["lines"]) == (False, True)

    given.clear()
    app = typer.Typer()
    reading = flags.with_settings(lambda **settings: given.update(settings), "made", reading=True)
    app.command()(reading)
    assert CliRunner().invoke(app, ["--lines"]).exit_code == 0
    assert given == {"lines": True}  # `check` has only the options that decide how files are read


# --- as a process -----------------------------------------------------------------------------


def process(*words: str, **arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [SCRIPT, *words], capture_output=True, text=True, check=False, **arguments
    )


def test_somebody_elses_pipelines_folder_is_left_alone(tmp_path):
    """The command works in a folder that holds another `pipelines` package."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "__init__.py").write_text("raise SystemExit('the wrong pipelines')")
    done = process("tasks", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "music" in json.loads(done.stdout)["tasks"][0]["task"]


def test_a_reader_that_stops_early_is_no_error():
    """`rnnkit tasks | head -1` prints no complaint."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([SCRIPT, "tasks"], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert done.stderr == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_under_stdout_is_told():
    with open("/dev/full", "w") as full:
        done = subprocess.run([SCRIPT, "tasks"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: no space left on the disk.")
