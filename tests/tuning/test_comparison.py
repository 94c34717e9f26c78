"""`compare`: equal terms, ordinary runs, resuming, reports, bad input."""

from __future__ import annotations

import csv
import json
import math
import types

import numpy as np
import pytest

from pipelines.cli import main
from pipelines.errors import UserError
from pipelines.run import Run
from tests import zoo
from tuning import comparison, comparison_report, comparison_run
from tuning.comparison_plots import on_one_grid
from tuning.results import Comparison, Contender
from tuning.studies import STUDIES
from tuning.workers import Here, JobError

CELLS = ["lstm", "gru"]


def quiet(line: str) -> None:
    """Says nothing."""


def compare(folder, cells=CELLS, **arguments):
    settings = {"repeats": 2, "epochs": 2, "runner": Here(), "say": quiet, **arguments}
    return comparison.compare("toy", cells, folder=folder, **settings)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A comparison of two cells that are one and the same in the toy, whose net has none."""
    from tests.pipelines.toy import ROW

    with pytest.MonkeyPatch.context() as patch:
        import pipelines

        patch.setitem(pipelines.TASKS, "toy", ROW)
        found = compare(tmp_path_factory.mktemp("compared") / "comparison", parameters=40)
        comparison_report.write(found)
        yield found


def test_runs_are_ordinary_ones(compared):
    """Every tool for a run works on those of a comparison; settings, seeds and data are equal."""
    runs = [Run.load(compared.folder / cell / f"seed-{s}") for cell in CELLS for s in (0, 1)]
    assert all(run.stopped == "epochs" and "test" in run.metrics for run in runs)
    assert [run.settings.seed for run in runs] == [0, 1, 0, 1]
    assert len({run.config["data"]["fingerprint"] for run in runs}) == 1
    assert len({tuple(run.config["boundaries"]) for run in runs}) == 1
    others = [{**run.settings.to_dict(), "seed": 0, "cell": ""} for run in runs]
    assert all(settings == others[0] for settings in others)


def test_the_numbers_are_those_of_the_runs(compared):
    """Means over seeds of the best validation score, and of the test score of that epoch."""
    answer = compared.to_json()
    assert [cell["cell"] for cell in answer["cells"]] == CELLS
    for cell in answer["cells"]:
        runs = [Run.load(compared.folder / cell["cell"] / f"seed-{s}") for s in (0, 1)]
        best = [min(row["val_mse"] for row in run.history) for run in runs]
        assert cell["mean"] == pytest.approx(np.mean(best))
        assert cell["std"] == pytest.approx(np.std(best, ddof=1))
        assert cell["best"] == min(best)
        tested = [run.metrics["test"]["metrics"]["mse"] for run in runs]
        assert cell["test"]["mse"]["mean"] == pytest.approx(np.mean(tested))
        assert cell["parameters"] == runs[0].metrics["parameters"]
        assert cell["epochs_to_best"] == np.mean([run.metrics["best_epoch"] for run in runs])
        assert cell["gradient_first_step"] is None  # the toy has no recurrent layer
    (test,) = answer["tests"]
    assert test["p_holm"] == 1
    assert not test["significant"]
    assert "cannot be told from noise" in test["verdict"]


def test_the_report_is_complete(compared):
    text = (compared.folder / "README.md").read_text()
    assert "| lstm |" in text
    assert "cannot be told from noise" in text
    assert "two runs a cell: two differences that happen to be alike look certain" in text
    assert "Settings besides the task's own: epochs = 2." in text
    with (compared.folder / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["cell"], row["seed"]) for row in rows] == [(c, s) for c in CELLS for s in "01"]
    assert all(float(row["test.mse"]) > 0 for row in rows)
    assert (compared.folder / "curves.png").stat().st_size > 5000
    assert json.loads((compared.folder / "comparison.json").read_text())["cells"]


def test_finished_runs_are_taken_as_they_are(compared, monkeypatch):
    """The same command again trains nothing, and more repeats train those alone."""
    trained = []
    train = comparison_run.train
    monkeypatch.setattr(
        comparison_run,
        "train",
        lambda *a, **k: trained.append((k["cell"], k["seed"])) or train(*a, **k),
    )
    again = compare(compared.folder, parameters=40)
    assert trained == []
    assert again.to_json() == compared.to_json()
    more = compare(compared.folder, parameters=40, repeats=3)
    assert trained == [("lstm", 2), ("gru", 2)]
    assert [len(line.rows) for line in more.lines] == [3, 3]


def test_a_stopped_comparison_goes_on(compared, toy, tmp_path, monkeypatch):
    """Stopped in the middle and started again, it ends with the numbers of one that was not."""
    train, calls = comparison_run.train, []

    def stopping(*arguments, **settings):
        calls.append(settings)
        if len(calls) == 1:
            train(*arguments, **{**settings, "epochs": 1})  # it got as far as this
            raise KeyboardInterrupt
        return train(*arguments, **settings)

    monkeypatch.setattr(comparison_run, "train", stopping)
    (whole,) = [line for line in compared.lines if line.contender.name == "lstm"]
    asked = {"repeats": 1, "units": whole.contender.units}
    with pytest.raises(KeyboardInterrupt):
        compare(tmp_path / "a", ["lstm"], **asked)
    resumed = compare(tmp_path / "a", ["lstm"], **asked)
    assert resumed.lines[0].scores == {0: whole.scores[0]}


def test_a_run_that_diverges_is_left_out_and_told(toy, tmp_path):
    """A cell that blows up is not ranked by the seeds that happened to survive, in silence."""
    found = compare(tmp_path / "c", ["lstm"], learning_rate=1e38, repeats=1, clip_norm=1e30)
    assert found.lines[0].rows == []
    assert any("diverged" in remark for remark in found.remarks)
    assert comparison_report.write(found)
    assert found.to_json()["cells"][0]["mean"] is None


def test_a_run_that_is_killed_goes_on_once(toy, tmp_path):
    """One cell that is too large for memory would end the comparison each time it is resumed."""

    class Killed:
        def __init__(self, times):
            self.times = times

        def run(self, function, arguments, *rest):
            self.times -= arguments["cell"] == "lstm"
            if arguments["cell"] == "lstm" and self.times >= 0:
                raise JobError("its process died with status -9: killed, or out of memory")
            return {"seed": 0, "failed": "it ran"}

    for times, reason in ((1, "it ran"), (2, "its process died with status -9: killed, or")):
        folder = tmp_path / str(times)
        found = compare(folder, repeats=1, runner=Killed(times))
        assert found.rows["lstm"][0]["failed"].startswith(reason)
        assert found.rows["gru"] == [{"seed": 0, "failed": "it ran"}]
    assert compare(folder, repeats=1, runner=Killed(0)).rows["lstm"] == found.rows["lstm"]
    with pytest.raises(UserError, match="lstm: its epochs cannot be timed: its process died"):
        compare(tmp_path / "timed", repeats=1, runner=Killed(9), seconds=9.0)


def test_equal_seconds(monkeypatch):
    """The epochs that fit are measured once, and kept: a slower hour later changes nothing."""
    settings = types.SimpleNamespace(cell="lstm")
    history = [{"seconds": 5.0}, {"seconds": 2.0}]
    run = types.SimpleNamespace(history=history, settings=settings)
    monkeypatch.setattr(comparison_run, "train", lambda epochs, progress: run)
    assert comparison_run.epochs_within({}, 14.0) == 5  # 5 + 4 times 2
    with pytest.raises(UserError, match="two epochs of lstm take 7"):
        comparison_run.epochs_within({}, 6.0)


def test_equal_seconds_end_to_end(toy, tmp_path):
    """Measured on the run itself, whose first two epochs are those that were timed."""
    given = {"repeats": 1, "seconds": 30.0, "patience": 1, "learning_rate": 1.0}
    found = compare(tmp_path / "c", ["lstm"], **given)
    first, second, *_ = (row["seconds"] for row in found.curves("lstm")[0])
    epochs = found.contenders[0].epochs
    assert epochs == 2 + math.floor((30 - first - second) / max(second, 1e-3))
    assert found.rows["lstm"][0]["epochs"] == len(found.curves("lstm")[0]) <= epochs
    assert compare(tmp_path / "c", ["lstm"], **given).contenders == found.contenders


def test_one_direction_or_two(tmp_path):
    """The question of every lecture, at equal sizes: cells and directions are contenders alike,
    and each pair is tested."""
    sample, given = zoo.TASKS["sentiment"], []

    class Trains:
        def run(self, function, arguments, path):
            given.append(arguments)
            score = arguments["bidirectional"] + 0.01 * arguments["seed"] ** 2
            row = {"seed": arguments["seed"], "score": score, "gradient_first_step": None}
            return row | {"best_epoch": 1, "epochs": 1, "seconds": 1.0}

    found = comparison.compare(
        "sentiment",
        ["gru", "vanilla"],
        sample.write(tmp_path),
        directions=["one", "both"],
        parameters=4000,
        parameters_of="recurrent",
        folder=tmp_path / "c",
        runner=Trains(),
        say=quiet,
        baseline="gru-one",
        repeats=2,
        **{k: v for k, v in sample.settings.items() if k not in ("cell", "units")},
    )
    names = ["gru-one", "gru-both", "vanilla-one", "vanilla-both"]
    assert [each.name for each in found.contenders] == names
    assert [(row["cell"], row["bidirectional"]) for row in given[:4]] == [
        *(("gru", False), ("gru", True)),
        *(("vanilla", False), ("vanilla", True)),
    ]
    assert all(abs(each.recurrent_parameters - 4000) < 300 for each in found.contenders)
    assert found.contenders[0].units > 1.2 * found.contenders[1].units
    assert {frozenset((test.a, test.b)) for test in found.tests} == {
        frozenset(("gru-one", name)) for name in names[1:]
    }


def test_curves_are_the_best_so_far():
    """A run that stopped early keeps its score; the mean never jumps when one ends."""
    grid, values = on_one_grid(
        [
            (np.array([1, 2, 3]), np.array([3.0, np.nan, 2.0])),
            (np.array([2, 4, 9]), np.array([5.0, 6.0, 1.0])),
        ]
    )
    assert (grid[0], grid[-1]) == (2, 9)
    assert (values[0][0], values[0][-1]) == (3.0, 2.0)
    assert (values[1][0], values[1][-1]) == (5.0, 1.0)
    assert (np.diff(values) <= 0).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"cells": ["ltsm"]}, r"unknown cell 'ltsm'\. Did you mean lstm"),
        ({"cells": [" "]}, "--cells must name cells"),
        ({"parameters": 3}, "--parameters 3: the smallest net"),
        ({"parameters_of": "recurrent"}, "expected --parameters N, too"),
        ({"parameters": 10**11}, "--parameters must be from 1 to 100,000,000"),
        ({"parameters": 40, "units": 3}, "either --parameters or --units"),
        ({"repeats": 0}, "--repeats must be from 1"),
        ({"seconds": -1.0}, "--seconds must be above 0"),
        ({"baseline": "vanila"}, "unknown baseline 'vanila'"),
        ({"unitz": 3}, "unknown setting 'unitz'"),
        ({"directions": ["two"]}, r"unknown direction 'two'\. .*Known: one, both"),
        ({"directions": ["both"]}, "--directions: the nets of toy read in the direction"),
        ({"data": "nowhere.json"}, "nowhere.json: "),
        ({"units": 0}, "--units must be at least 1"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_folder(toy, tmp_path, arguments, words):
    cells = arguments.pop("cells", CELLS)
    with pytest.raises(UserError, match=words):
        compare(tmp_path / "c", cells, **arguments)
    assert not (tmp_path / "c").exists()


def test_a_study_on_other_data_says_why_nothing_is_published(tmp_path):
    """An empty column beside the embedded chorales would look like a paper without figures."""
    names = STUDIES["chung2014"].entries
    ours = {"contenders": [Contender(name, "gru", 1, 1, 1) for name in names], "budget": "none"}
    ours |= {"rows": {name: [] for name in names}, "task": "music", "study": "chung2014"}
    ours |= {"selection": "val_nll", "folder": tmp_path, "settings": {}}
    (remark,) = [each for each in Comparison(data="x", **ours).remarks if "published" in each]
    assert "are of other data than x" in remark
    assert remark.endswith("--data JSB_Chorales.mat")
    same = Comparison(data="my/jsb_chorales.mat", **ours)
    assert not any("published" in each for each in same.remarks)
    assert same.published("GRU")[0].value == 8.54


def test_changed_data_are_refused(toy, tmp_path):
    """Else a mean would be of runs on different data, without a word."""
    data, folder = tmp_path / "waves.json", tmp_path / "c"
    data.write_text(json.dumps([[0.1 * k, 0.5, 0.2] for k in range(30)]))
    runner = types.SimpleNamespace(run=lambda *_: {"seed": 0, "failed": "it diverged"})
    compare(folder, ["lstm"], data=data, runner=runner)
    compare(folder, ["lstm"], data=data, runner=runner)
    data.write_text(json.dumps([[0.1 * k, 0.5, 0.3] for k in range(30)]))
    with pytest.raises(UserError, match=r"c: holds a comparison on other data.*--folder NEW"):
        compare(folder, ["lstm"], data=data, runner=runner)


def test_another_comparison_in_the_folder_is_refused(compared, tmp_path):
    with pytest.raises(UserError, match="holds a comparison with parameters 40"):
        compare(compared.folder, parameters=50)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="a folder with other files"):
        compare(tmp_path, ["lstm"])


@pytest.mark.prove
def test_gated_cells_are_better_where_memory_is_needed(tmp_path, capsys, record_property):
    """Planted truth: on copy, ten repeats say with p < 0.01 that gated cells are ahead.

    Nets of equal size have 400 updates to get below the loss of a net without memory.
    """
    memoryless = 10 * np.log(8) / 40
    words = "compare copy --cells vanilla,lstm,gru --repeats 10 --length 20 --parameters 10000"
    words += " --train-size 3200 --valid-size 256 --test-size 256 --batch-size 32"
    words += f" --learning-rate 0.01 --epochs 4 --json --folder {tmp_path / 'c'}"
    assert main(words.split()) == 0
    answer = json.loads(capsys.readouterr().out)
    means = {cell["cell"]: cell["mean"] for cell in answer["cells"]}
    assert means["vanilla"] > 0.98 * memoryless
    assert max(means["lstm"], means["gru"]) < 0.95 * memoryless
    for gated in ("lstm", "gru"):
        (test,) = [t for t in answer["tests"] if {t["a"], t["b"]} == {"vanilla", gated}]
        assert test["p_holm"] < 0.01
        record_property(f"is p of {gated}", f"{test['p_holm']:.1g}")
    record_property("repeats", 10)
