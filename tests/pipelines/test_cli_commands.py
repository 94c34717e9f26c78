"""Every command of the contract on real files, and bad input at every door."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipelines import TASKS
from pipelines.cli import main
from pipelines.run import task_class
from pipelines.task import Contiguous
from tests import zoo


class Answer:
    """What a command gave."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err.splitlines()

    @property
    def json(self) -> dict:
        """The one JSON object on stdout."""
        assert self.status == 0, self.err
        assert self.out.count("\n") == 1
        return json.loads(self.out, parse_constant=pytest.fail)


@pytest.fixture
def rnnkit(capsys):
    def run(*words: str | Path) -> Answer:
        status = main([str(word) for word in words])
        return Answer(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="module", params=TASKS)
def trained(request, tmp_path_factory) -> tuple[str, Path | None, Path]:
    """A task, its tiny data (None where it draws its own), and a run trained on them from the
    command line."""
    folder = tmp_path_factory.mktemp(request.param)
    sample = zoo.TASKS[request.param]
    source = None if sample.write is None else sample.write(folder)
    words = [*given(source), *options(request.param)]
    command = ["train", request.param, "--run", str(folder / "run"), *words]
    assert main(command) == 0
    return request.param, source, folder / "run"


def given(source: Path | None) -> list[str]:
    return [] if source is None else ["--data", str(source)]


def options(task: str) -> list[str]:
    """The settings of the sample, as they are typed."""
    return [f"--{key.replace('_', '-')}={value}" for key, value in zoo.TASKS[task].settings.items()]


def test_check_counts_the_records(rnnkit, trained):
    task, source, _ = trained
    answer = rnnkit("check", task, *given(source), "--json").json
    assert set(answer["parts"]) == {"train", "valid", "test"}
    assert all(part["records"] > 0 for part in answer["parts"].values())
    assert str(answer["parts"]["train"]["records"]) in rnnkit("check", task, *given(source)).out


def test_train_again_says_that_it_is_finished(rnnkit, trained):
    """The next three commands are printed, and each is one that exists."""
    task, source, run = trained
    answer = rnnkit("train", task, "--run", run, *given(source), *options(task))
    assert answer.status == 0
    assert any("is finished" in line for line in answer.err)
    following = [line.split() for line in answer.out.splitlines() if line.startswith("  rnnkit")]
    assert len(following) == 3
    for _, *words in following:
        assert rnnkit(*words, "--help").status == 0


def test_evaluate_is_the_contract(rnnkit, trained):
    task, source, run = trained
    own = rnnkit("evaluate", run, "--json").json
    keys = ["task", "run", "data", "part", "metrics", "floors"]
    assert list(own) == keys + ["signatures"] * (task == "translation")
    assert (own["task"], own["part"]) == (task, "test")
    assert next(iter(own["metrics"])) == TASKS[task].metric.split()[0]
    assert all(own["floors"].values())
    if source is not None:
        whole = rnnkit("evaluate", run, "--data", source, "--json").json
        assert whole["part"] == "all"


def test_predict_answers_every_record(rnnkit, trained):
    task, source, run = trained
    if source is None:
        pytest.skip("there is no file to predict; its records are typed")
    counted = rnnkit("check", task, "--data", source, "--json").json["parts"].values()
    answer = rnnkit("predict", run, "--input", source, "--json")
    stream = issubclass(task_class(task), Contiguous)  # one record, which was cut into parts
    assert len([json.loads(line) for line in answer.out.splitlines()]) == (
        1 if stream else sum(part["records"] for part in counted)
    )
    assert rnnkit("predict", run, "--input", source).status == 0  # and as a table


def test_export_and_inspect(rnnkit, trained, tmp_path):
    """The export, which checks itself in a process without our code, tells what it is."""
    _, _, run = trained
    answer = rnnkit("export", run, "--root", tmp_path, "--name", "model")
    assert answer.status == 0, answer.err
    assert Path(answer.out.strip()) == tmp_path / "model" / "1"
    found = rnnkit("inspect", tmp_path / "model", "--json").json
    assert {"signatures", "size_bytes", "parameters", "operations", "latency"} <= set(found)
    assert "serving_default" in found["signatures"]
    assert "serving_default" in rnnkit("inspect", tmp_path / "model" / "1").out


def test_train_says_what_the_data_are(rnnkit, trained):
    """A newcomer compares with a table in a paper what was trained on other data."""
    task, source, run = trained
    config = json.loads((run / "config.json").read_text())
    answer = rnnkit("train", task, "--run", run, *given(source), *options(task))
    assert answer.out.splitlines()[0] == config["data"]["description"]
    assert answer.err[0] == config["data"]["description"]


# --- music only -------------------------------------------------------------------------------


@pytest.fixture
def music(trained) -> Path:
    if trained[0] != "music":
        pytest.skip("about music")
    return trained[2]


def test_generate_writes_files_one_can_hear(rnnkit, music, tmp_path):
    out = tmp_path / "new" / "piece.mid"  # the folder is made
    answer = rnnkit("generate", music, "--length", 8, "--count", 2, "--seed", 3, "--out", out)
    assert answer.status == 0, answer.err
    paths = [Path(line) for line in answer.out.splitlines()]
    assert {path.suffix for path in paths} == {".mid", ".wav", ".png"}
    assert all(path.stat().st_size for path in paths)
    primed = rnnkit("generate", music, "--primer", paths[0], "--length", 16, "--out", out)
    assert primed.status == 0, primed.err


def write(folder: Path, name: str, content: str = "") -> Path:
    (folder / name).write_text(content)
    return folder / name


def test_what_is_left_out_is_named(rnnkit, music, tmp_path):
    """An answer about fewer files than were given, without a word, would be taken for all."""
    made = rnnkit("generate", music, "--length", 8, "--count", 2, "--out", tmp_path / "piece")
    assert made.status == 0
    empty = write(tmp_path, "empty.mid")
    line = f"left out: {empty}: empty file"
    for words in (("predict", music, "--input"), ("evaluate", music, "--data")):
        answer = rnnkit(*words, tmp_path, "--json")
        assert answer.status == 0
        assert answer.err == [line]
        assert all(json.loads(row) for row in answer.out.splitlines())


DOORS = {
    # words with {run} the trained run, {tmp} an empty folder, {junk} a corrupt MIDI file
    "train music --data {tmp}/none --run {tmp}/r": "{tmp}/none: ",
    "train music --data {tmp} --run {tmp}/r": "{tmp}: no music found",
    "train music --data {junk} --run {tmp}/r": "",
    "train music --data {rolls} --run {junk}": "{junk}: expected a folder. Received: a file.",
    "train music --data {rolls} --run {tmp}/r --seed 4294967296": "--seed must be at most",
    "train music --data {rolls} --run {run} --units 9": "{run}: was trained with units 8",
    "train music --data {rolls} --run {tmp}/r --init {tmp}": "{tmp}: expected the folder of a run",
    "check music --data {junk}": "",
    "check music --data {json}": "{json}: ",
    "check music --data tfds:none": "tfds:none: ",
    "evaluate {tmp}": "{tmp}: expected the folder of a run",
    "evaluate {junk}": "{junk}: expected the folder of a run",
    "evaluate {run} --data {tmp}/none": "{tmp}/none: ",
    "predict {run} --input {tmp}/none": "{tmp}/none: ",
    "predict {run} --input {rolls} --output {tmp}": "{tmp}: expected a file",
    "generate {run} --temperature 0": "--temperature must be above 0. Received: 0",
    "generate {run} --temperature nan": "--temperature must be",
    "generate {run} --length 0": "--length must be at least 1 and at most",
    "generate {run} --count 0": "--count must be at least 1 and at most",
    "generate {run} --tempo 0": "--tempo must be from 10 to 1000",
    "generate {run} --primer {tmp}/none.mid": "{tmp}/none.mid: ",
    "generate {run} --primer {rolls} --length 3": "{rolls}: the primer has ",
    "generate {run} --melody {junk}": "",
    "generate {run} --length 4 --out {tmp}": "{tmp}: expected a file name. Received: a folder",
    "export {run} --root {junk}": "{junk}",
    "export {run} --root {tmp} --name a/b": "",
    "export {run} --weights half": "--weights must be one of 'float32', 'float16'. Received: half.",
    "inspect {tmp}": "{tmp}: expected a SavedModel",
    "inspect {tmp}/none": "{tmp}/none: expected a SavedModel",
    "inspect {junk}": "{junk}: expected a SavedModel",
}


@pytest.mark.parametrize("door", DOORS)
def test_bad_input_gets_one_line_and_status_2(rnnkit, trained, music, tmp_path, monkeypatch, door):
    """Nobody who mistypes a path or a number meets a traceback, or has to guess what is wrong."""
    monkeypatch.chdir(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    places = {
        "run": str(music),
        "rolls": str(trained[1]),
        "tmp": str(empty),
        "junk": str(write(tmp_path, "junk.mid", "no music")),
        "json": str(write(tmp_path, "keys.json", '{"train": [[[5, 300]]]}')),
    }
    answer = rnnkit(*(word.format(**places) for word in door.split()))
    errors = [line for line in answer.err if line.startswith("error: ")]
    assert answer.status == 2, answer.err
    assert answer.out == ""
    assert len(errors) == 1
    assert answer.err[-1] == errors[0]
    assert errors[0].removeprefix("error: ").startswith(DOORS[door].format(**places))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_is_told(rnnkit, trained, music, tmp_path):
    tmp_path.chmod(0o500)
    answer = rnnkit("predict", music, "--input", trained[1], "--output", tmp_path / "o")
    assert answer.status == 2
    assert "no permission" in answer.err[-1]
