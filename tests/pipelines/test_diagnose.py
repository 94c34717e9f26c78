"""`rnnkit diagnose`: pictures of gradients and gates, with and without a trained run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.cli import main
from tests import zoo

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def rnnkit(capsys, tmp_path, monkeypatch):
    """Runs a command in an empty folder: (status, stdout, lines on stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str | Path) -> tuple[int, str, list[str]]:
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return run


@pytest.fixture(scope="module")
def music(tmp_path_factory) -> tuple[Path, Path]:
    """Tiny music and a run trained on it."""
    folder = tmp_path_factory.mktemp("music")
    source = zoo.TASKS["music"].write(folder)
    words = ["--data", str(source), "--run", str(folder / "run"), "--units", "4", "--epochs", "1"]
    assert main(["train", "music", *words, "--head", "bernoulli"]) == 0
    return source, folder / "run"


def pictures(out: str) -> dict[str, Path]:
    """What the last lines of the answer name, all of them PNG files of some size."""
    paths = [Path(line) for line in out.splitlines() if line.endswith(".png")]
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(PNG)
        assert len(content) > 5000
    return {path.name: path for path in paths}


def test_a_run_before_and_after_its_training(rnnkit, music):
    """Pictures go into the run, beside those of its training."""
    _, run = music
    status, out, err = rnnkit("diagnose", run)
    assert status == 0, err
    found = pictures(out)
    assert set(found) == {"gradients.png", "reach.png", "gates.png", "spectra.png"}
    assert {path.parent for path in found.values()} == {run / "plots"}
    assert "before training" in out
    assert "after training" in out


def test_a_task_without_training(rnnkit, music, tmp_path, monkeypatch):
    """Any cell will do; sequences shorter than --length are said to be."""
    monkeypatch.setattr("pipelines.diagnosis.SCALES", {"as initialised": 1.0})  # it is faster
    source, _ = music
    words = ("--cells", "keras_lstm", "--data", source, "--length", 50, "--out", "here")
    status, out, err = rnnkit("diagnose", "music", *words)
    assert status == 0, err
    assert set(pictures(out)) == {"gradients.png", "reach.png", "gates.png", "spectra.png"}
    assert (tmp_path / "here" / "gradients.png").exists()
    assert "note: the longest sequences have 12 steps, not 50" in err
    assert "keras_lstm" in out


def test_the_length_of_a_task_that_draws_its_sequences():
    """`rnnkit diagnose adding --length 20` is about sequences of 20 steps: the lesson."""
    from pipelines.diagnosis import diagnose_task

    found = diagnose_task("adding", ["vanilla"], length=20)
    half, own, double = (
        flows["vanilla"].layers[0].maps["h"][-1] for flows in found.columns.values()
    )
    assert len(own) == 20
    assert half[0] / half[-1] < 1e-5  # vanishes
    assert double[0] / double[-1] > 10  # explodes
    flow = found.columns["recurrent weights x 2"]["vanilla"]
    assert flow.clipped(found.clip_norm) == pytest.approx(found.clip_norm / flow.norm)


def test_the_batch_has_no_padding():
    """A loss at a padded step would have no gradient: rows are cut to the shortest of them."""
    from pipelines.diagnosis import first_batch
    from tests.pipelines import toy

    task = toy.ToyTask(toy.ToySettings())
    records = toy.waves(13, seed=1)
    task.learn(records)
    (x, y, weight), steps = first_batch(task, records, None)
    longest = sorted((len(record.values) for record in records), reverse=True)[:4]
    assert steps == longest[-1] - 1
    assert x.shape == (4, steps, 1)
    assert y.shape == (4, steps, 1)
    assert np.all(weight == 1)
    (x, _, _), steps = first_batch(task, records, 6)
    assert steps == x.shape[1] == 6


def test_a_run_on_a_given_sequence(music, tmp_path):
    """One piece is enough, nothing of it is split off, and the picture says whose gates it has."""
    from pipelines.diagnosis import diagnose_run
    from pipelines.music.midi import write_midi
    from pipelines.run import Run

    piece = tmp_path / "mine.mid"
    write_midi(piece, np.array([[0, 0.5, 60], [0.5, 1.5, 64]]), tempo=120)
    found = diagnose_run(Run.load(music[1]), str(piece), length=9)
    (flow,) = found.details.values()
    assert flow.layers[0].real.shape == (1, 6)
    assert found.drawn == "mine.mid"
    assert found.remark == "mine.mid: 6 steps, not 9"


def test_the_first_sequence_of_given_data_is_the_one_drawn():
    """Whole, and in the first row, which the picture of the gates shows, however short it is."""
    from pipelines.diagnosis import first_batch
    from tests.pipelines import toy

    task = toy.ToyTask(toy.ToySettings())
    long, longer, longest = sorted(toy.waves(13, seed=1), key=lambda w: len(w.values))[-3:]
    records = [toy.Wave("given", (0.5, 0.25, 0.125, 0)), longest, long, longer]
    task.learn(records)
    (x, _, _), steps = first_batch(task, records, None, with_first=True)
    assert steps == 3
    np.testing.assert_allclose(x[0, :, 0] + task.learnt["mean"], [0.5, 0.25, 0.125])
    (x, _, _), steps = first_batch(task, [long, *records], 6, with_first=True)
    assert steps == 6
    np.testing.assert_allclose(
        x[0, :, 0] + task.learnt["mean"], np.float32(long.values[:6]), atol=1e-6
    )


@pytest.mark.parametrize("count", [1, 7, 16, 40])
def test_a_given_text_of_any_length(count):
    """A text shorter than the window, or than four, is not filled up with what nobody wrote."""
    from pipelines.charlm.settings import CharLMSettings
    from pipelines.charlm.task import CharLMTask
    from pipelines.charlm.texts import Text
    from pipelines.diagnosis import first_batch

    task = CharLMTask(CharLMSettings(window=16))
    records = [Text("given", ("to be or not " * 4)[:count])]
    task.learn(records)
    (x, y, weight), steps = first_batch(task, records, None, with_first=True)
    assert steps == min(count, 16)
    assert x["ids"].shape == y.shape == weight.shape == (max(1, count // 16), steps)
    assert np.all(weight == 1)
    assert np.array_equal(y[0], task._ids(records)[:steps])


DOORS = {
    "diagnose musik": "unknown run or task 'musik'. Did you mean music",
    "diagnose {tmp}/none": "{tmp}/none: expected the folder of a run",
    "diagnose music --cells lstn": "unknown cell 'lstn'. Did you mean",
    "diagnose music --cells ,": "--cells must name cells. Received: ','",
    "diagnose {run} --cells lstm": "--cells goes with a task",
    "diagnose music --length 1": "--length must be at least 2. Received: 1",
    "diagnose music --data {tmp}/none": "{tmp}/none: ",
    "diagnose {run} --data {tmp}/none": "{tmp}/none: ",
    "diagnose {run} --out {rolls}": "{rolls}",
}


@pytest.mark.parametrize("door", DOORS)
def test_bad_input_gets_one_line_and_status_2(rnnkit, music, tmp_path, door):
    """Whatever is mistyped, the answer is one line that says what was expected."""
    places = {"tmp": tmp_path, "run": music[1], "rolls": music[0]}
    status, out, err = rnnkit(*(word.format(**places) for word in door.split()))
    errors = [line for line in err if line.startswith("error: ")]
    assert (status, out) == (2, ""), err
    assert errors == err[-1:]
    assert errors[0].removeprefix("error: ").startswith(DOORS[door].format(**places))


def test_a_model_without_recurrence(rnnkit, toy):
    """A task whose model has no recurrent layer is told so."""
    status, _, err = rnnkit("diagnose", "toy")
    assert status == 2
    assert "has no recurrent layers to diagnose" in err[-1]
