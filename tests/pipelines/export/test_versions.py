"""A version of an export is whole or not there, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipelines import export as export_module
from pipelines import saved_graph, warmup
from pipelines.errors import UserError
from pipelines.export import export
from pipelines.versions import versions
from tests.pipelines.served_toy import CARD, ROWS, THREE, one, requests, toy


def test_a_second_export_is_version_2_and_another_signature_needs_force(
    version, unchecked, tmp_path, monkeypatch
):
    """A client of the last version goes on working, unless its owner says otherwise."""
    shutil.copytree(version, tmp_path / "toy" / "9")

    def go(units, rate=None, **more):
        served = toy(units, rate=rate)
        return export(served, requests(), root=tmp_path, name="toy", card=CARD, **more)

    assert go(5).name == "10"
    with pytest.raises(UserError, match=r"toy/10: .*was float32 \(\?, 5\).*\(\?, 6\).*--force"):
        go(6)
    with pytest.raises(UserError, match=r"the labels: was None, would be \['a', 'b'\].*--force"):
        go(5, labels=["a", "b"])
    with pytest.raises(UserError, match=r"steps a second: was absent, would be 12.5;.*--force"):
        go(5, rate=12.5)
    assert versions(tmp_path / "toy") == [9, 10]
    assert go(6, labels=["a", "b"], force=True).name == "11"
    assert sorted(each.name for each in (tmp_path / "toy").iterdir()) == ["10", "11", "9"]


def test_a_model_of_somebody_else_is_not_followed(unchecked, tmp_path):
    (tmp_path / "toy" / "1").mkdir(parents=True)
    with pytest.raises(UserError, match="was not exported by rnnkit"):
        export(toy(), requests(), root=tmp_path, name="toy", card=CARD)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, MemoryError])
def test_an_export_that_is_interrupted_leaves_nothing(fault, monkeypatch, tmp_path):
    def fail(*_):
        raise fault

    monkeypatch.setattr(export_module, "check_answers", fail)
    with pytest.raises(fault):
        export(one(lambda x: {"y": x}, x=ROWS), THREE, root=tmp_path / "a", name="b", card="")
    assert not (tmp_path / "a" / "b").exists()


KILLED = """
import os, signal, sys
import tensorflow as tf
from pipelines import export as module
from tests.pipelines.served_toy import CARD, requests, toy

module.check_answers = lambda *_: None
if "at the end" in sys.argv:
    module.publish = lambda place: os.kill(os.getpid(), signal.SIGKILL)
served = toy()
print("ready", flush=True)
while True:
    module.export(served, requests(), root=sys.argv[1], name="toy", card=CARD)
"""


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, *map(str, arguments)],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )


def test_killed_before_the_last_instant_there_is_no_version(tmp_path, unchecked):
    """The whole draft lies there; no server looks at it, and a later export clears it away."""
    assert start(tmp_path, "at the end").wait() == -signal.SIGKILL
    (draft,) = (tmp_path / "toy").iterdir()
    assert versions(tmp_path / "toy") == []
    assert (draft / "saved_model.pb").exists()
    os.utime(draft, (0, 0))
    assert export(toy(), requests(), root=tmp_path, name="toy", card=CARD).name == "1"
    assert not draft.exists()


@pytest.mark.prove
def test_killed_at_any_moment_every_version_is_whole(tmp_path, record_property):
    """SIGKILL at random moments of exports in a row, with a watcher that opens each version the
    instant it appears."""
    folder, random, seen = tmp_path / "toy", np.random.default_rng(0), {}

    def watch(until):
        while not until():
            for number in set(versions(folder)) - set(seen):
                path = folder / str(number)
                saved_graph.read(path)
                assert len(warmup.read(path)) == 3
                seen[number] = sorted(each.relative_to(path) for each in path.rglob("*"))

    kills, seconds = 50, 0.0
    for kill in range(kills):
        process = start(tmp_path)
        process.stdout.readline()
        began = time.monotonic()
        if kill == 0:  # learns how long two exports take here
            watch(lambda: len(seen) == 2)
            seconds = time.monotonic() - began
        end = began + random.uniform(0, seconds)
        watch(lambda end=end: time.monotonic() > end)
        process.kill()
        process.wait()
        process.stdout.close()
    watch(lambda: set(versions(folder)) == set(seen))
    assert all(files == seen[1] for files in seen.values())
    record_property("kills", kills)
    record_property("versions", len(seen))


# --- the place -----------------------------------------------------------------------------------


def test_a_target_that_is_a_file_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    for root, name in [("file", "toy"), (".", "file")]:
        with pytest.raises(UserError, match=r"cannot write the export: .*--root") as caught:
            export(toy(), requests(), root=tmp_path / root, name=name, card=CARD)
        assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_no_permission_is_one_clear_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot write the export: Permission denied"):
        export(toy(), requests(), root=tmp_path, name="toy", card=CARD)


def test_a_full_disk_is_one_clear_line(tmp_path, unchecked):
    """A limit on the size of files stands in for the end of the disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        with pytest.raises(UserError, match="cannot write the export: File too large") as caught:
            export(toy(), requests(), root=tmp_path / "a", name="toy", card=CARD)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a" / "toy").exists()


def test_no_space_for_what_stands_beside_the_model(tmp_path, unchecked, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(warmup, "write", full)
    with pytest.raises(UserError, match="cannot write the export: No space left on device"):
        export(one(lambda x: {"y": x}, x=ROWS), THREE, root=tmp_path, name="toy", card=CARD)
    assert not (tmp_path / "toy").exists()


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden"])
def test_a_name_is_no_path(name, tmp_path):
    with pytest.raises(UserError, match="--name must be"):
        export(toy(), requests(), root=tmp_path, name=name, card=CARD)
