"""Training from the outside: what may change in a run, what is refused, what is left behind."""

from __future__ import annotations

import json
import math
import resource

import keras
import numpy as np
import pytest

import pipelines
from pipelines import training
from pipelines.errors import UserError
from pipelines.files import locked, write_rows
from tests.pipelines.states import state
from tests.pipelines.toy import ROW, ToyTask

pytestmark = pytest.mark.usefixtures("toy")
SILENT = keras.callbacks.Callback()
BUMPY = {"epochs": 50, "learning_rate": 0.5, "patience": 3}


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """TensorBoard has a test of its own."""
    monkeypatch.setattr(training, "_tensorboard", lambda folder: [])


def train(folder, data=None, **settings):
    return pipelines.train("toy", data, run=folder, progress=SILENT, **settings)


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """A run of four epochs that nothing disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(pipelines.TASKS, "toy", ROW)
        return train(tmp_path_factory.mktemp("runs") / "four", epochs=4)


def test_a_run_folder_is_complete(four):
    names = {str(path.relative_to(four.path)) for path in four.path.rglob("*") if path.is_file()}
    assert names >= {
        "README.md",
        "checkpoint/last.weights.h5",
        "config.json",
        "floors.npz",
        "metrics.csv",
        "metrics.json",
        "model.keras",
        "plots/learning_curve.png",
        "requests.npz",
    }
    assert not [name for name in names if "writing-" in name]


def test_raised_epochs_go_on_as_if_never_stopped(four, tmp_path):
    """A run of 2 epochs, raised to 4, equals the run of 4."""
    assert train(tmp_path, epochs=2).stopped == "epochs"
    raised = train(tmp_path, epochs=4)
    assert [row["epoch"] for row in raised.history] == [1, 2, 3, 4]
    assert state(tmp_path) == state(four.path)


def test_ctrl_c_leaves_a_run_that_resumes(four, tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if self.model.optimizer.iterations.numpy() == 9:  # in the middle of an epoch
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipelines.train("toy", run=tmp_path, progress=Interrupt(), epochs=4)
    assert 0 < len(pipelines.load_run(tmp_path).history) < 4
    train(tmp_path, epochs=4)
    assert state(tmp_path) == state(four.path)


@pytest.fixture(scope="module")
def bumpy(tmp_path_factory):
    """A run with steps so large that its score soon rises again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(pipelines.TASKS, "toy", ROW)
        return train(tmp_path_factory.mktemp("runs") / "bumpy", **BUMPY)


def test_the_best_epoch_is_kept_not_the_last(bumpy):
    """Scores of the saved model are those of the best row of metrics.csv."""
    scores = [row["val_mse"] for row in bumpy.history]
    assert bumpy.metrics["best_epoch"] == 1 + int(np.argmin(scores)) < len(scores)
    assert bumpy.metrics["valid"]["metrics"]["mse"] == pytest.approx(min(scores), rel=1e-5)


def test_a_wrong_cell_leaves_no_folder(tmp_path):
    """The call with the right name would meet a run that was trained with the wrong one."""
    with pytest.raises(UserError, match=r"unknown cell 'gruu'\. Did you mean gru\?"):
        pipelines.train("toy", run=tmp_path / "run", cell="gruu")
    assert not (tmp_path / "run").exists()


def test_a_run_without_patience_left_stays_finished(bumpy, capsys):
    assert bumpy.stopped == "patience"
    assert len(bumpy.history) == bumpy.metrics["best_epoch"] + 3
    again = pipelines.train("toy", run=bumpy.path, **{**BUMPY, "epochs": 99})
    assert again.history == bumpy.history
    assert "is finished. Its validation score was no better" in capsys.readouterr().err


def test_learning_rate_falls_on_a_plateau(bumpy):
    rates = [row["learning_rate"] for row in bumpy.history]
    assert rates[0] == BUMPY["learning_rate"]
    assert rates[-1] < rates[0]


def test_other_settings_or_data_are_refused(four, tmp_path):
    data = tmp_path / "waves.json"
    data.write_text(json.dumps([[0.1 * i, 0.2, 0.3, 0.4] for i in range(9)]))
    with pytest.raises(UserError, match=r"trained with units 3. Received: units 5.*--run NEW"):
        train(four.path, units=5, epochs=4)
    with pytest.raises(UserError, match=r"other data.*waves\.json.*--run NEW"):
        train(four.path, data, epochs=4)
    with pytest.raises(UserError, match=r"4 epochs already.*Received: 3"):
        train(four.path, epochs=3)


def test_settings_and_data_name_the_folder(tmp_path, monkeypatch):
    """Two experiments never share a folder; the same one, with more epochs, does."""
    monkeypatch.chdir(tmp_path)
    for untested in ("_fit", "_finish"):
        monkeypatch.setattr(training, untested, lambda *_: None)
    first = pipelines.train("toy", progress=SILENT, epochs=1)
    more = pipelines.train("toy", progress=SILENT, epochs=2)
    other = pipelines.train("toy", progress=SILENT, epochs=1, seed=1)
    assert first.path.parent.name == "runs"
    assert first.path.name.startswith("toy-lstm-")
    assert more.path == first.path != other.path
    assert more.config["command"] == "rnnkit train toy --epochs 2"


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"expected a run or an empty folder"):
        train(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "run").write_text("")
    for folder in (tmp_path / "run", tmp_path / "run" / "deeper"):
        with pytest.raises(UserError, match=r"Received: a file|cannot be written"):
            train(folder)


def test_two_processes_do_not_train_one_run(four):
    with locked(four.path), pytest.raises(UserError, match=r"another process"):
        train(four.path, epochs=4)


def test_init_starts_from_the_weights_of_another_run(four, tmp_path):
    """And from what it had learnt of its data: here the mean, elsewhere the vocabulary."""
    data = tmp_path / "waves.json"
    data.write_text(json.dumps([[0.1 * i, 0.2, 0.3, 0.4] for i in range(9)]))

    class First(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.weights = self.model.get_weights()

    seen = First()
    run = pipelines.train(
        "toy", data, run=tmp_path / "tuned", init=four.path, progress=seen, epochs=1
    )
    assert all(map(np.array_equal, seen.weights, four.model.get_weights()))
    assert run.task.learnt == four.task.learnt
    with pytest.raises(UserError, match=r"same cell, units and layers"):
        pipelines.train("toy", run=tmp_path / "other", init=four.path, progress=SILENT, units=7)


@pytest.mark.parametrize("tensorboard", [False, True])
def test_a_full_disk_loses_nothing(four, tmp_path, monkeypatch, tensorboard):
    """The limit on a file's size stands for the disk: the system refuses the write itself."""

    room = 100 if tensorboard else 2000  # bytes

    class Fill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

    if tensorboard:
        pytest.importorskip("tensorboard")
        monkeypatch.undo()
        monkeypatch.setitem(pipelines.TASKS, "toy", ROW)
    try:
        with pytest.raises(UserError, match=r"cannot be written \(file too large\)"):
            pipelines.train("toy", run=tmp_path, progress=Fill(), epochs=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    assert not list(tmp_path.rglob("writing-*"))
    assert pipelines.load_run(tmp_path).evaluate()["metrics"]
    train(tmp_path, epochs=4)
    assert state(tmp_path) == state(four.path)


def test_a_score_that_is_no_number_ends_training(tmp_path, monkeypatch):
    """The epochs before it are kept."""
    rates = iter([0.03, 0.03, math.inf])
    monkeypatch.setattr(training.schedule, "learning_rate", lambda *_: next(rates))
    run = train(tmp_path, epochs=9)
    assert (run.stopped, len(run.history), run.metrics["best_epoch"]) == ("diverged", 3, 2)


def test_without_any_finite_score_the_way_out_is_named(tmp_path, monkeypatch):
    rows = [{"epoch": 1, "val_mse": math.nan, "seconds": 1.0}]
    monkeypatch.setattr(
        training, "_fit", lambda run, *_: write_rows(tmp_path / "metrics.csv", rows)
    )
    with pytest.raises(UserError, match=r"diverged in its first epoch.*--learning-rate"):
        train(tmp_path)


def test_wrong_names_and_empty_parts(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"unknown task 'musik'. Did you mean music\?"):
        pipelines.train("musik")
    with pytest.raises(UserError, match=r"unknown setting 'unit'"):
        train(tmp_path, unit=3)
    read = ToyTask.read

    def emptied(self, source):
        reading = read(self, source)
        reading.parts["valid"] = []
        return reading

    monkeypatch.setattr(ToyTask, "read", emptied)
    with pytest.raises(UserError, match=r"the valid part is empty"):
        train(tmp_path)


def test_progress_tells_the_score_and_what_is_left(tmp_path, monkeypatch, capfd):
    """A line an epoch where stderr is no terminal, nothing on stdout; TensorBoard's log beside."""
    monkeypatch.undo()
    monkeypatch.setitem(pipelines.TASKS, "toy", ROW)
    pipelines.train("toy", run=tmp_path, epochs=2)
    out, err = capfd.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("epoch")]
    assert out == ""
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]
    assert all("val_mse" in line and "at most" in line for line in lines)
    pytest.importorskip("tensorboard")
    assert list((tmp_path / "tensorboard").rglob("events.*"))
