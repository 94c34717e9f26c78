"""SIGKILL at any moment loses nothing and changes nothing."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

import pipelines
from pipelines import files, training
from tests.pipelines.states import state

ROOT = Path(__file__).parents[2]


def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Copies of a run's folder before each file takes its place, the new one beside it whole or
    half written: what a kill can leave behind."""
    run, left = tmp_path / "run", []
    replace = os.replace

    def photographed(source: Path, target: Path) -> None:
        left.append(tmp_path / f"{len(left)} without {target.name}")
        shutil.copytree(run, left[-1])
        if len(left) % 2:
            half = left[-1] / source.relative_to(run)
            half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", photographed)
        train_two(run)
    return left


def train_two(folder: Path) -> None:
    pipelines.train("toy", run=folder, epochs=2, progress=keras.callbacks.Callback())


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param((0, 3, 7, 8, 9, 12), id="some"),
        pytest.param(range(13), id="all", marks=pytest.mark.prove),
    ],
)
def test_every_state_of_the_disk_resumes_to_the_same_run(
    tmp_path, monkeypatch, toy, chosen, record_property
):
    """Whatever file was being written when the process died, the run that comes out is the same."""
    monkeypatch.setattr(training, "_tensorboard", lambda folder: [])
    left = photographs(tmp_path, monkeypatch)
    assert [folder.name.split()[-1] for folder in left] == [
        "config.json",
        "floors.npz",
        "requests.npz",
        "last.weights.h5",
        *("metrics.csv", "model.keras", "last.weights.h5") * 2,
        "learning_curve.png",
        "README.md",
        "metrics.json",
    ]
    for number in chosen:
        train_two(left[number])
        assert state(left[number]) == state(tmp_path / "run"), f"{left[number].name}: differs"
    record_property("states", len(chosen))


CHILD = """
import json, sys
from pipelines.quiet import start_tensorflow
start_tensorflow()
import keras
import pipelines, pipelines.training
from tests.pipelines.toy import ROW
pipelines.TASKS["toy"] = ROW
arguments = json.loads(sys.argv[1])
print("ready", flush=True)
pipelines.train(**arguments, progress=keras.callbacks.Callback())
"""


def start(arguments: dict) -> subprocess.Popen:
    """A process that trains; it returns when the imports are done."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, json.dumps(arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "ready\n", child.stderr.read()
    return child


def kill_and_compare(tmp_path: Path, kills: int, epochs: int, **arguments) -> list[int]:
    """Kills trainings at random moments, up to five times each, and compares what they end with.

    A moment is a random while after a random epoch, 0 and the last among them: a process spends
    most of its life on imports and tracing, where a random second would nearly always fall.

    Returns:
        How many epochs were done at each kill.
    """

    def train(folder: Path) -> None:
        silent = keras.callbacks.Callback()
        pipelines.train(**arguments, epochs=epochs, run=folder, progress=silent)

    def done(folder: Path) -> int:
        return len(files.read_rows(folder / "metrics.csv"))

    began = time.monotonic()
    train(tmp_path / "whole")
    an_epoch = (time.monotonic() - began) / epochs
    draw, moments = random.Random(0), []
    while len(moments) < kills:
        folder = tmp_path / f"killed {len(moments)}"
        for epoch in sorted(draw.choices(range(epochs + 1), k=min(5, kills - len(moments)))):
            child = start({**arguments, "epochs": epochs, "run": str(folder)})
            while child.poll() is None and done(folder) < epoch:
                time.sleep(0.01)
            time.sleep(draw.uniform(0, an_epoch))
            child.kill()
            child.communicate()
            if child.returncode == -signal.SIGKILL:
                moments.append(done(folder))
        train(folder)
        assert state(folder) == state(tmp_path / "whole"), f"killed after epochs {moments}: differs"
    return moments


def test_three_kills_change_nothing(tmp_path, toy):
    """Weights, optimizer, metrics.csv and metrics.json of a run that was killed three times."""
    moments = kill_and_compare(tmp_path, kills=3, task="toy", epochs=12)
    assert len(moments) == 3


@pytest.mark.prove
def test_twenty_kills_change_nothing(tmp_path, record_property):
    """SIGKILL at random moments of training music leaves weights and metrics equal bit for bit."""
    draw = np.random.default_rng(0)
    pieces = {
        part: [
            [sorted(draw.choice(np.arange(50, 80), 3, replace=False).tolist()) for _ in range(n)]
            for n in draw.integers(8, 30, count).tolist()
        ]
        for part, count in (("train", 40), ("valid", 8), ("test", 8))
    }
    source = tmp_path / "pieces.json"
    source.write_text(json.dumps(pieces))
    moments = kill_and_compare(
        tmp_path,
        kills=20,
        task="music",
        data=str(source),
        units=16,
        head_units=16,
        batch_size=8,
        epochs=15,
    )
    record_property("kills", len(moments))
    assert len(moments) == 20
