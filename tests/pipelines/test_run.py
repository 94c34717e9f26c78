"""A run, opened again: it answers from its folder alone and says when it cannot."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import pipelines
from pipelines import opening, report
from pipelines.errors import UserError
from pipelines.files import write_json
from pipelines.task import Comparable
from tests.pipelines.toy import ROW

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on a file of its own, which tests may move and change."""
    path = tmp_path_factory.mktemp("run")
    values = np.sin(np.arange(30 * 12).reshape(30, 12)).round(4)
    (path / "waves.json").write_text(json.dumps(values.tolist()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(pipelines.TASKS, "toy", ROW)
        silent = keras.callbacks.Callback()
        pipelines.train("toy", path / "waves.json", run=path / "run", epochs=1, progress=silent)
    return path


@pytest.fixture
def run(folder, toy):
    return pipelines.load_run(folder / "run")


def test_evaluate_gives_the_contract(run, folder):
    answer = run.evaluate()
    assert list(answer) == ["task", "run", "data", "part", "metrics", "floors"]
    assert (answer["task"], answer["part"]) == ("toy", "test")
    assert json.loads(json.dumps(answer)) == answer
    assert {name: answer[name] for name in ("metrics", "floors")} == run.metrics["test"]


def test_evaluate_on_other_data_scores_all_of_it(run, folder):
    """Two records of other lengths, against the error computed by hand."""
    (folder / "other.json").write_text("[[0.5, 0.4, 0.3], [0.1, 0.2, 0.3, 0.4, 0.5]]")
    answer = run.evaluate(folder / "other.json")
    mean, errors = run.task.learnt["mean"], []
    for values in ([0.5, 0.4, 0.3], [0.1, 0.2, 0.3, 0.4, 0.5]):
        x = np.array(values, np.float32)[None, :, None] - mean
        errors.append(np.square(x[:, 1:] - run.model(x[:, :-1])).ravel())
    assert answer["part"] == "all"
    assert answer["metrics"]["mse"] == pytest.approx(np.concatenate(errors).mean(), rel=1e-5)


def test_evaluate_draws_the_pictures_of_the_task(run, folder, monkeypatch):
    """Those of the records that were scored; a task without pictures leaves no empty folder."""
    run.evaluate(plots=folder / "none")
    assert not (folder / "none").exists()

    def plots(self, model, records, folder):
        (Path(folder) / "records.txt").write_text(",".join(record.name for record in records))

    monkeypatch.setattr(type(run.task), "plots", plots)
    run.evaluate(plots=folder / "drawn" / "test")
    names = [record.name for record in run.data().parts["test"]]
    assert (folder / "drawn" / "test" / "records.txt").read_text() == ",".join(names)


def test_a_run_beside_is_scored_on_the_same_records(run, tmp_path):
    """But not on a test part that it may have been trained on, nor one of another task."""

    class Drawn(type(run.task), Comparable):
        def plots(self, model, records, folder):
            (Path(folder) / "drawn.txt").write_text("one")

        def plot_beside(self, runs, records, folder):
            (Path(folder) / "drawn.txt").write_text(",".join(runs))

    other = shutil.copytree(run.path, tmp_path / "other")
    run.task = Drawn(run.settings, run.task.learnt)
    answer = run.evaluate(beside=[other], plots=tmp_path / "plots")
    assert answer["beside"] == {str(other): answer["metrics"]}
    assert (tmp_path / "plots" / "drawn.txt").read_text() == f"{run.path},{other}"
    config = run.config
    write_json(other / "config.json", {**config, "data": {**config["data"], "fingerprint": "x"}})
    with pytest.raises(UserError, match=r"trained on other data than .*--data D"):
        run.evaluate(beside=[other])
    write_json(other / "config.json", {**config, "task": "adding", "settings": {}})
    with pytest.raises(UserError, match=r"expected a run of the task toy.* Received: adding"):
        run.evaluate(beside=[other])


def test_evaluate_knows_its_parts(run):
    with pytest.raises(UserError, match=r"unknown part 'tset'. Did you mean test\?"):
        run.evaluate(part="tset")


def test_changed_or_moved_data_are_named(run, folder):
    """Silently scoring other records would be a wrong number in somebody's table."""
    data = folder / "waves.json"
    before = data.read_text()
    try:
        data.write_text(before.replace("0.8415", "0.8416"))
        with pytest.raises(UserError, match=r"waves\.json: changed since"):
            run.evaluate()
        data.unlink()
        with pytest.raises(UserError, match=r"waves\.json: the data of .* no longer there"):
            run.evaluate()
    finally:
        data.write_text(before)


def test_data_known_by_a_name_are_no_path(tmp_path, monkeypatch):
    """A run of `--data dates:held-out` can be evaluated; a file stays a file, colon or not."""
    monkeypatch.chdir(tmp_path)
    for name in ("tfds:glue", "dates:held-out"):
        assert opening._absolute(name) == name
    (tmp_path / "a:b.txt").touch()
    for name in ("a:b.txt", "b.txt"):
        assert opening._absolute(name) == str(tmp_path / name)


def test_predict_reads_a_source_or_takes_records(run, folder):
    records = run.data().parts["test"]
    assert len(run.predict(records)) == len(records)
    assert len(run.predict(folder / "waves.json")) == 30
    assert run.predict(records)[0] in run.predict(folder / "waves.json")


def test_a_task_that_does_not_generate_says_so(run):
    with pytest.raises(UserError, match="does not generate"):
        run.generate(count=2)


def test_history_has_numbers(run):
    assert [row["epoch"] for row in run.history] == [1]
    assert {"learning_rate", "loss", "mse", "val_loss", "val_mse", "seconds"} <= set(run.history[0])


def test_the_model_card_names_scores_floors_data_and_command(run, folder):
    card = (run.path / "README.md").read_text()
    score = f"{run.metrics['test']['metrics']['mse']:.4g}"
    floor = f"{run.metrics['test']['floors']['mean']['mse']:.4g}"
    for words in (score, floor, "Sines.", f"rnnkit evaluate {run.path}", "30" and "waves.json"):
        assert words in card
    command = next(line.strip() for line in card.splitlines() if "rnnkit train" in line)
    assert command == f"rnnkit train toy --data {folder / 'waves.json'} --run {run.path} --epochs 1"


def test_signatures_of_metrics_stand_in_the_model_card(run):
    """Whoever reads the card can compare its figures with those of others."""
    metrics = run.metrics
    metrics["test"]["signatures"] = {"mse": "nrefs:1"}
    assert "mse: `nrefs:1`" in report._scores(run, metrics)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "Received: a folder without it"),
        ("{", "cannot be read"),
        ('{"format": 99}', "expected a run of format 1. Received: format 99"),
        ("[]", "Received: format None"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=re.escape(message)):
        pipelines.load_run(tmp_path)


def test_no_folder_and_no_epoch_yet(run, tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        pipelines.load_run(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text(json.dumps(run.config))
    fresh = pipelines.load_run(tmp_path)
    assert (fresh.history, fresh.metrics, fresh.stopped) == ([], {}, None)
    with pytest.raises(UserError, match="no finished epoch yet"):
        fresh.evaluate()
