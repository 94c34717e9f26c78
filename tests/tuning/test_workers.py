"""Jobs in another process: renewed, killed, orphaned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.errors import UserError
from tuning.workers import JobError, Worker

ROOT = Path(__file__).resolve().parents[2]


def nothing() -> None:
    """Begins without TensorFlow."""


def test_a_worker_is_renewed_and_replaced():
    """A training that runs out of memory costs its run, not the whole search."""
    with Worker(renewed_after=2, begin=nothing) as worker:
        first = worker.run(os.getpid)
        assert first != os.getpid()
        with pytest.raises(JobError, match="died with status 3"):
            worker.run(os._exit, 3)
        second = worker.run(os.getpid)
        with pytest.raises(JobError, match="ValueError: invalid literal"):
            worker.run(int, "x")
        assert worker.run(os.getpid) not in (first, second)  # renewed after two jobs


def test_the_users_mistake_stays_one():
    from pipelines.settings import Settings

    with (
        Worker(begin=nothing) as worker,
        pytest.raises(UserError, match=r"unknown setting 'x'\. Known:"),
    ):
        worker.run(Settings.from_dict, {"x": 1})


PARENT = """
import os, sys, time
sys.path.insert(0, {root!r})
from tests.tuning.test_workers import nothing
from tuning.workers import Worker
if __name__ == "__main__":
    worker = Worker(begin=nothing)
    print(worker.run(os.getpid), flush=True)
    worker.run(time.sleep, 600)
"""


def test_nothing_trains_on_when_the_command_is_killed(tmp_path):
    """After kill -9 the same command can go on at once: no orphan holds the run's folder."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(root=str(ROOT)))
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _runs(child):
        time.sleep(0.05)
    assert not _runs(child)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")  # a zombie that nobody has waited for runs no more
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
