"""Several devices train the model that one would train."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import pipelines
from pipelines.devices import ManyDevices
from pipelines.errors import UserError
from pipelines.files import read_rows
from pipelines.run import Run, task_class
from pipelines.strategies import open_devices
from tests.pipelines.ports import free_ports

ROOT = Path(__file__).parents[2]

COMMAND = """
import sys
import pipelines
from tests.pipelines.toy import ROW
pipelines.TASKS["toy"] = ROW
from pipelines.cli import main
sys.exit(main())
"""
SETTINGS = {"epochs": 3, "dropout": 0.0, "clip_norm": 0.1}


def single(folder: Path, **settings) -> Run:
    silent = keras.callbacks.Callback()
    return pipelines.train("toy", run=folder, progress=silent, **{**SETTINGS, **settings})


def start(folder: Path, ports: list[int], others=None, **settings) -> list[subprocess.Popen]:
    """A process a worker, the chief first, each in a folder of its own; `others` are settings of
    those that are not the chief."""
    workers = []
    for index in range(len(ports)):
        words = ["train", "toy", "--strategy", "multiworker", "--wait", "120"]
        given = {**SETTINGS, **settings, **((others or {}) if index else {}), "run": folder}
        for name, value in given.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        place = folder.parent / f"worker {index}"
        place.mkdir(exist_ok=True)
        workers.append(
            subprocess.Popen(
                [sys.executable, "-c", COMMAND, *words],
                cwd=place,
                env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CONFIG": json.dumps(config)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return workers


def finish(workers: list[subprocess.Popen]) -> list[str]:
    """What each said on stderr, when all are done."""
    said = [worker.communicate()[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * len(workers), said
    return said


def assert_same(one: Run, other: Run) -> None:
    """But for rounding: the same weights, and the same numbers in every row."""
    for theirs, ours in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert len(one.history) == len(other.history)
    for theirs, ours in zip(one.history, other.history, strict=True):
        expected = {name: value for name, value in theirs.items() if name != "seconds"}
        assert {name: ours[name] for name in expected} == pytest.approx(expected, rel=1e-4)
    expected, found = (run.metrics["test"]["metrics"] for run in (one, other))
    assert found == pytest.approx(expected, rel=1e-4)


def test_two_workers_train_the_model_of_one(toy, tmp_path):
    """Padding, rows that only fill a batch, clipping: the steps of one device with the same
    batches. The chief alone writes."""
    said = finish(start(tmp_path / "run", free_ports(2)))
    assert_same(single(tmp_path / "single"), Run.load(tmp_path / "run"))
    assert "the chief holds the run" in said[1]
    assert [list((tmp_path / f"worker {index}").iterdir()) for index in (0, 1)] == [[], []]


@pytest.mark.prove
def test_a_killed_worker_loses_nothing(toy, tmp_path, record_property):
    """SIGKILL for a worker or the chief at random moments: the others end with one line that names
    it, and the same commands go on to the run of one device."""
    draw, kills, slowest = random.Random(0), 0, 0.0
    settings = {"epochs": 40, "patience": 40}
    run, ports = tmp_path / "run", free_ports(2)
    for victim, epoch in ((1, 5), (0, 12), (1, 20), (0, 30)):
        workers = start(run, ports, **settings)
        while len(read_rows(run / "metrics.csv")) < epoch:
            assert workers[0].poll() is None, workers[0].stderr.read()
            time.sleep(0.05)
        time.sleep(draw.uniform(0, 1))
        workers[victim].send_signal(signal.SIGKILL)
        began = time.monotonic()
        _, said = workers[1 - victim].communicate()
        slowest = max(slowest, time.monotonic() - began)
        workers[victim].communicate()
        assert workers[1 - victim].returncode == 2
        last = said.strip().splitlines()[-1]
        assert last.startswith(f"error: 127.0.0.1:{ports[victim]} left the training."), said
        kills += 1
    finish(start(run, ports, **settings))
    assert_same(single(tmp_path / "single", **settings), Run.load(run))
    record_property("kills", kills)
    record_property("seconds to the message at most", round(slowest))
    assert slowest < 60


@pytest.mark.prove
def test_a_worker_with_other_arguments_is_refused(toy, tmp_path):
    """It would train something else, or wait for what never comes."""
    chief, worker = start(tmp_path / "run", free_ports(2), others={"units": 5}, units=3)
    _, said = worker.communicate()
    assert worker.returncode == 2
    assert "expected the arguments of the chief on every worker: the run: was trained" in said
    assert "units 3. Received: units 5" in said
    _, said = chief.communicate()
    assert chief.returncode == 2
    assert said.strip().splitlines()[-1].startswith("error: 127.0.0.1:")


MIRRORED = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import pipelines
from pathlib import Path
from pipelines.strategies import open_devices
from tests import zoo
name, folder = sys.argv[1], Path(sys.argv[2])
sample = zoo.TASKS[name]
source = None if sample.write is None else str(sample.write(folder))
given = {**sample.settings, "dropout": 0.0, "batch_size": 8, "epochs": 2}
for run, devices in (("single", None), ("several", open_devices("mirrored"))):
    silent = keras.callbacks.Callback()
    pipelines.train(name, source, run=folder / run, devices=devices, progress=silent, **given)
"""


@pytest.mark.prove
@pytest.mark.parametrize("name", sorted(set(pipelines.TASKS) - {"charlm"}))
def test_every_task_trains_on_two_devices(name, tmp_path):
    """Every model and loss, as one device trains it, with no drop-out."""
    command = [sys.executable, "-c", MIRRORED, name, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    one, other = (read_rows(tmp_path / run / "metrics.csv") for run in ("single", "several"))
    for theirs, ours in zip(one, other, strict=True):
        for column in ("loss", "val_loss", task_class(name).selection):
            assert ours[column] == pytest.approx(theirs[column], rel=2e-3), column


def two_devices() -> ManyDevices:
    return ManyDevices(SimpleNamespace(num_replicas_in_sync=2))


def test_what_cannot_be_split_is_refused(toy):
    """A batch that leaves a device without its share; streams whose state stays in one place."""
    cls = task_class("toy")
    two_devices().check(cls(cls.Settings(batch_size=4)))
    with pytest.raises(UserError, match=r"a multiple of the 2 devices.* Received: 5\."):
        two_devices().check(cls(cls.Settings(batch_size=5)))
    cls = task_class("charlm")
    with pytest.raises(UserError, match="charlm carries its state from batch to batch"):
        two_devices().check(cls(cls.Settings()))


@pytest.mark.parametrize(
    ("strategy", "environment", "words"),
    [
        ("miror", {}, r"unknown strategy 'miror'\. Did you mean mirrored"),
        ("mirrored", {}, r"at least two GPUs\. Received: CPU:0 alone"),
        (
            "mirrored",
            {"KERAS_BACKEND": "jax"},
            r"Keras on TensorFlow\. Received: KERAS_BACKEND=jax",
        ),
        ("multiworker", {"TF_CONFIG": ""}, "expected the environment variable TF_CONFIG"),
    ],
)
def test_what_cannot_be_opened_is_one_line(monkeypatch, strategy, environment, words):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=words):
        open_devices(strategy)
