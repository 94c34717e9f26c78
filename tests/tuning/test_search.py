"""`tune`: known functions, resuming, no configuration twice, failures, reports, bad input."""

from __future__ import annotations

import csv
import json
import math
import re

import numpy as np
import pytest

from pipelines.cli import main
from pipelines.errors import UserError, require
from pipelines.run import Run
from tests.pipelines.toy import ToyTask
from tuning import oracles, search, search_report, trial
from tuning.ledger import Ledger, Proposal
from tuning.workers import Here, JobError

SPACE = {
    "fix": ["layers=1", "dropout=0.1", "clip_norm=1", "cell=gru"],
    "ranges": ["learning_rate=1e-4:1e-1:log", "units=1:64"],
}
GRID = {**SPACE, "ranges": [], "choose": ["units=2,4,8", "learning_rate=0.01,0.001"]}


class Known:
    """Stands in for training: the score is a known function of the settings, lowest at 20 units
    and a step of 0.01."""

    def __init__(self, stop_after: int | None = None, fails=()) -> None:
        self.trained: list[str] = []
        self._stop_after, self._fails = stop_after, fails

    def run(self, function, *arguments):
        if function is trial.score_test:
            return {"valid": {"mse": 1.0}, "test": {"mse": 2.0}}
        given, row, path = arguments
        if self._stop_after == len(self.trained):
            raise KeyboardInterrupt
        self.trained.append(row["trial"])
        if row["trial"] in self._fails:
            return trial.failed(row, "it was too large", path)
        epochs = given.get("epochs", 3)
        score = (math.log10(given.get("learning_rate", 1)) + 2) ** 2
        score += math.log(given.get("units", 1) / 20) ** 2 + 1 / epochs
        row = {**row, "status": "done", "score": score, "best_epoch": 1, "epochs": epochs}
        row |= {"seconds": 1.0, "parameters": 5, "reason": ""}
        return trial._written(row, path)


def tune(folder, runner, method="random", trials=8, space=SPACE, **arguments):
    return search.tune(
        "toy", folder=folder, runner=runner, method=method, trials=trials, **space, **arguments
    )


METHODS = {"random": 8, "bayesian": 5, "hyperband": None, "grid": None}


@pytest.mark.parametrize("method", METHODS)
def test_stopped_and_resumed_it_is_the_same_search(toy, tmp_path, method):
    """Whatever kills a search, and however often: the same trials with the same scores."""
    assert set(METHODS) == set(oracles.METHODS)
    space = GRID if method == "grid" else SPACE
    space = {**space, "fix": [*space["fix"], "epochs=9"]}
    given = {"method": method, "trials": METHODS[method], "space": space}
    whole = tune(tmp_path / "whole", runner := Known(), **given)
    total = len(runner.trained)
    assert total == len(whole.rows) == whole.request.most > 5
    for steps in (1, 2, 2):  # of one kill after another
        with pytest.raises(KeyboardInterrupt):
            tune(tmp_path / "killed", Known(stop_after=steps), **given)
    resumed = tune(tmp_path / "killed", last := Known(), **given)
    assert len(last.trained) == total - 5
    assert resumed.rows == whole.rows
    again = tune(tmp_path / "killed", idle := Known(), **given)
    assert (again.rows, idle.trained) == (whole.rows, [])


@pytest.mark.parametrize("method", ["random", "bayesian", "grid"])
def test_no_configuration_is_tried_twice(toy, tmp_path, method):
    """In a space of six, a search of ten trials ends after six."""
    found = tune(tmp_path / "s", Known(), method, trials=10, space=GRID)
    tried = [json.dumps(row["settings"]) for row in found.rows[1:]]
    assert len(tried) == len(set(tried)) == 6


@pytest.mark.parametrize("method", ["random", "grid"])
def test_the_tasks_own_settings_are_tried_once(toy, tmp_path, method):
    """Each trial may take an hour; a grid begins with just these. The method is told their score
    all the same, whoever of several workers trains them, and however late."""
    own = ["units=3,4,8", "learning_rate=0.03,0.01"]
    space = {**GRID, "fix": [*GRID["fix"][:3], "cell=lstm"], "choose": own}
    found = tune(tmp_path / "s", runner := Known(), method, trials=20, space=space)
    full = [json.dumps(search_report.full_settings(found, row)) for row in found.rows]
    assert len(full) == len(set(full)) == len(runner.trained) == 6
    assert tune(tmp_path / "s", idle := Known(), method, trials=20, space=space).rows == found.rows
    assert idle.trained == []
    asked = search.request("toy", folder=tmp_path / "t", method=method, trials=20, **space)
    (scratch := tmp_path / "scratch").mkdir()
    ledger = Ledger(asked, str(scratch), lambda row: None)
    while hands := list(iter(ledger.next, None)):  # all that there are before the first one ends
        for each in hands:
            Known().run(None, each.arguments(asked), {**vars(each)}, str(each.row_path(asked)))
        for each in reversed(hands):
            assert not ledger.finished
            ledger.end(each.trial)
    assert ledger.finished
    assert len(ledger.rows) == 6


def test_a_grid_has_at_most_ten_values_of_a_range(toy, tmp_path):
    """As the table in docs/tuning.md says; each more would multiply the hours."""
    ranges = {"units=1:64": 11, "learning_rate=1e-4:1e-1:log": 11}  # and the task's own settings
    ranges |= {"units=2:5": 4, "dropout=0:0.9": 10}  # which are among these
    for each, count in ranges.items():
        name, low, high = re.match(r"(\w+)=([^:]+):([^:]+)", each).groups()
        all_but = {"units": "units=3", "dropout": "dropout=0.9", "learning_rate": "learning_rate=1"}
        fix = ["layers=1", "clip_norm=1", "cell=gru", *(all_but[k] for k in all_but if k != name)]
        asked = {"fix": fix, "ranges": [each]}
        found = tune(tmp_path / each, Known(), "grid", trials=None, space=asked)
        tried = sorted(row["settings"][name] for row in found.rows if row["settings"])
        assert len(found.rows) == found.request.most == count
        assert (tried[0], tried[-1]) == (float(low), pytest.approx(float(high)))
        if each.endswith("log"):
            assert np.diff(np.log(tried)) == pytest.approx(np.log(1e3) / 9)


def test_a_search_finds_the_optimum(toy, tmp_path):
    """Lowest is 1/3, at 20 units and 0.01; the task's own settings (3 units, 0.03) are far off."""
    default, *_ = tune(tmp_path / "r", Known(), trials=1).rows
    assert default["trial"] == "default"
    assert tune(tmp_path / "a", Known(), "random", trials=60).best["score"] < 0.45
    space = {"fix": [*SPACE["fix"], "units=20"], "ranges": SPACE["ranges"][:1]}
    found = tune(tmp_path / "b", Known(), "bayesian", trials=7, space=space)
    assert found.best["score"] < 0.4


def test_hyperband_goes_on_with_the_best(toy, tmp_path):
    """A trial that goes on is the same run with more epochs, not a new one from the start."""
    space = {**SPACE, "fix": [*SPACE["fix"], "epochs=9"]}
    found = tune(tmp_path / "h", Known(), "hyperband", trials=None, space=space)
    later = [row for row in found.rows[1:] if row["run"] != row["trial"]]
    rows = {row["trial"]: row for row in found.rows}
    assert later
    for row in later:
        assert rows[row["run"]]["settings"] == row["settings"]
        assert row["limit"] > rows[row["run"]]["limit"]


def test_failures_are_kept_with_their_reason(toy, tmp_path):
    """One configuration too large for memory does not end the search, and is not tried again."""
    found = tune(tmp_path / "f", Known(fails=("0001", "0003")))
    failed = [row for row in found.rows if row["status"] == "failed"]
    assert [(row["trial"], row["reason"]) for row in failed] == [
        ("0001", "it was too large"),
        ("0003", "it was too large"),
    ]
    assert any("2 of 9 trials failed" in line for line in search_report.remarks(found))
    assert tune(tmp_path / "f", again := Known()).rows == found.rows
    assert again.trained == []
    always = [f"{k:04d}" for k in range(9)]
    with pytest.raises(UserError, match=r"5 trials in a row failed.*it was too large"):
        tune(tmp_path / "g", Known(fails=always))


def test_data_out_of_reach_are_no_fault_of_a_trial(toy, tmp_path, monkeypatch):
    """Five trials that fail end a search for good: a mount that is lost for a minute must not be
    written down as five bad configurations, but data that one configuration cannot read must."""
    read = ToyTask.read

    def refuse(task, source, units):
        if task.settings.units in units:
            raise UserError("waves.json: expected a file. Received: none.")
        return read(task, source)

    def outcome(*units, monkeypatch=monkeypatch):
        monkeypatch.setattr(ToyTask, "read", lambda task, source: refuse(task, source, units))
        asked = search.request("toy", folder=tmp_path, fix=["epochs=1"], choose=["units=2,3"])
        row = {"trial": "0001", "settings": {"units": 2}}
        run = tmp_path / str(units)
        return trial.run_trial(asked.arguments(row["settings"], run), row, f"{run}.json")

    with pytest.raises(UserError, match="Received: none"):
        outcome(2, 3)
    assert not (tmp_path / "(2, 3).json").exists()
    assert outcome(2)["reason"] == "waves.json: expected a file. Received: none."
    with monkeypatch.context() as patch:  # installed on the others
        patch.setattr(ToyTask, "model", lambda task: require("a_module_of_the_extra", "dna"))
        with pytest.raises(UserError, match=r"pip install 'rnnkit\[dna\]'"):
            outcome(4)


def test_a_killed_worker_goes_on_once(toy, tmp_path):
    class Killed:
        def __init__(self, times):
            self.times = times

        def run(self, function, *arguments):
            self.times -= 1
            if self.times >= 0:
                raise JobError("its process died with status -9: killed, or out of memory")
            return "row"

    request = search.request("toy", folder=tmp_path)
    proposed = Proposal("0001", {}, None, "0001")
    assert search.carry_out_trial(request, proposed, Killed(1)) == "row"
    row = search.carry_out_trial(request, proposed, Killed(2))
    assert row["reason"].startswith("its process died")


def test_trials_are_runs_and_the_test_part_waits(toy, tmp_path, capsys):
    """Of 2 trials none has seen the test part; the best is scored on it once, or trained anew."""
    space = {**GRID, "fix": [*GRID["fix"], "epochs=2"]}
    found = tune(tmp_path / "s", Here(), trials=1, space=space)
    for row in found.rows:
        run = Run.load(tmp_path / "s" / "trials" / row["run"])
        assert row["score"] == min(run.scores)
        assert set(run.metrics) & {"valid", "test"} == {"valid"}
        assert {**run.settings.to_dict(), **row["settings"]} == run.settings.to_dict()
    assert set(found.metrics) == {"valid", "test"}
    paths = search_report.write(found)
    assert all(path.stat().st_size for path in paths)
    with (tmp_path / "s" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == ["default", "0000"]
    assert float(rows[1]["score"]) == found.rows[1]["score"]
    trained = tune(tmp_path / "s", Here(), trials=1, space=space, train_best=True)
    assert (found.run, trained.run) == (None, tmp_path / "s" / f"best-{found.best['trial']}")
    best = Run.load(trained.run)
    assert search_report.next_commands(trained)[0] == f"rnnkit evaluate {trained.run}"
    assert min(best.scores) == found.best["score"]
    assert trained.metrics["test"] == best.metrics["test"]["metrics"] == found.metrics["test"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "bayes"}, r"unknown method 'bayes'\. Did you mean bayesian"),
        ({"trials": 0}, "--trials must be at least 1"),
        ({"fix": ["unit=3"]}, r"unknown hyper-parameter 'unit'\. Did you mean units"),
        ({"fix": ["units"]}, r"--fix units: expected name=value\. Example: --fix units=128"),
        ({"fix": ["units=many"]}, r"--fix units=many: expected a whole number\. Received: many"),
        ({"fix": ["units=0"]}, "--fix units=0: --units must be at least 1"),
        (
            {"choose": ["cell=gru,ltsm"]},
            r"unknown cell 'ltsm'\. Did you mean lstm.*\? Known: vanilla, .*, gru, ",
        ),
        ({"choose": ["cell=,"]}, "expected values with commas between"),
        ({"ranges": ["units=9:9"]}, "an empty range, expected low < high"),
        ({"ranges": ["units=9"]}, "expected low:high or low:high:log"),
        ({"ranges": ["cell=1:2"]}, r"cell is no number\. Use --choose cell="),
        ({"ranges": ["dropout=0:0.5:log"]}, "log needs low above 0"),
        ({"ranges": ["learning_rate=0:1"]}, "--learning-rate must be above 0"),
        ({"ranges": ["learning_rate=1e-3:inf"]}, "two finite numbers"),
        ({"fix": ["units=3"], "choose": ["units=3,4"]}, "units is named twice"),
        ({"fix": ["seed=3"]}, "Use --seed N"),
        ({"data": "nowhere.json"}, "nowhere.json: "),
        ({"method": "grid"}, r"--method grid: [\d,]+ trials.*with --trials"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_folder(toy, tmp_path, arguments, words):
    with pytest.raises(UserError, match=words) as raised:
        search.tune("toy", folder=tmp_path / "s", runner=Known(), **arguments)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "s").exists()


def test_everything_fixed_leaves_nothing_to_search(toy, tmp_path):
    fixed = ["cell=gru", "units=3", "layers=1", "dropout=0", "learning_rate=0.1", "clip_norm=1"]
    with pytest.raises(UserError, match="nothing is left to search"):
        search.tune("toy", folder=tmp_path / "s", runner=Known(), fix=fixed)


def test_the_folder_of_another_search_is_refused(toy, tmp_path):
    tune(tmp_path / "s", Known(), trials=1)
    with pytest.raises(UserError, match=r"with method random\. Received: method grid"):
        tune(tmp_path / "s", Known(), "grid", trials=1)
    with pytest.raises(UserError, match=r"with task toy\. Received: task adding"):
        search.tune("adding", folder=tmp_path / "s", runner=Known(), trials=1)
    plan = json.loads((tmp_path / "s" / "plan.json").read_text())
    (tmp_path / "s" / "plan.json").write_text(json.dumps({**plan, "kind": "comparison"}))
    with pytest.raises(UserError, match=r"a search of format 1\. Received: a comparison"):
        tune(tmp_path / "s", Known(), trials=1)


def test_changed_data_are_refused(toy, tmp_path):
    """Else the best of old and new rows would be chosen by scores on unequal validation parts."""
    data = tmp_path / "waves.json"
    data.write_text(json.dumps([[0.1 * k, 0.5, 0.2] for k in range(30)]))
    whole = tune(tmp_path / "s", Known(), trials=2, data=data)
    assert tune(tmp_path / "s", Known(), trials=2, data=data).rows == whole.rows
    data.write_text(json.dumps([[0.1 * k, 0.5, 0.3] for k in range(30)]))
    with pytest.raises(UserError, match=r"s: holds a search on other data.*--folder NEW"):
        tune(tmp_path / "s", Known(), trials=4, data=data)


def test_a_damaged_file_is_named_and_can_be_done_again(toy, tmp_path):
    """Of a disk that lost something: one line, and without the file the search goes on."""
    whole = tune(tmp_path / "s", Known(), trials=3)
    for name in ("order.json", "trials/0001.json", "best.json"):
        (tmp_path / "s" / name).write_text('{"tri')
        with pytest.raises(UserError, match=f"{name}: damaged. Delete it"):
            tune(tmp_path / "s", Known(), trials=3)
        (tmp_path / "s" / name).unlink()
        assert tune(tmp_path / "s", Known(), trials=3).rows == whole.rows


@pytest.mark.prove
def test_kill_9_and_resume_on_the_command_line(tmp_path, record_property):
    """Killed with SIGKILL at random moments, the command line ends with the same trials.csv."""
    import random
    import subprocess
    import sys
    import time

    words = "tune adding --trials 4 --fix length=5 --fix train_size=128 --fix valid_size=32 "
    words += "--fix test_size=32 --fix epochs=4 --range units=2:9 --fix layers=1 --folder "
    program = "import sys; from pipelines.cli import main; sys.exit(main())"

    def start(folder):
        command = [sys.executable, "-c", program, *words.split(), str(tmp_path / folder)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    assert start("whole").wait() == 0
    draw, kills = random.Random(0), 0
    while kills < 6:
        process = start("killed")
        time.sleep(draw.uniform(5, 40))
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        kills += 1
    assert start("killed").wait() == 0
    record_property("kills", kills)
    tables = []
    for folder in ("whole", "killed"):
        with (tmp_path / folder / "trials.csv").open() as file:
            tables.append([{**row, "seconds": ""} for row in csv.DictReader(file)])
    assert tables[0] == tables[1]


@pytest.mark.prove
def test_the_command_line_searches_and_compares(tmp_path, capsys):
    """Both commands from the shell, in processes of their own, as JSON and as tables."""
    small = ["length=5", "train_size=64", "valid_size=16", "test_size=16", "epochs=1"]
    fixed = [word for each in small for word in ("--fix", each)]
    folder = ["--folder", str(tmp_path / "t")]
    command = ["tune", "adding", "--trials", "1", *fixed, "--range", "units=2:9", *folder]
    assert main([*command, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["trials"]) == 2
    assert answer["best"]["metrics"]["test"]["mse"] > 0
    flags = [f"--{each.replace('_', '-')}" for each in small]
    command = ["compare", "adding", "--cells", "vanilla,gru", "--repeats", "2", *flags]
    command += ["--parameters", "300", "--folder", str(tmp_path / "c")]
    assert main([*command, "--json"]) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert [abs(cell["parameters"] - 300) < 40 for cell in answer["cells"]] == [True, True]
    assert all(cell["gradient_first_step"] > 0 for cell in answer["cells"])
    assert main(command) == 0
    assert "cannot be told from noise" in capsys.readouterr().out
