"""A search on several machines: chief and workers over gRPC, killed and started again."""

from __future__ import annotations

import contextlib
import csv
import json
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipelines.cluster import await_all
from pipelines.errors import UserError
from tests.pipelines.ports import free_ports
from tests.tuning.test_search import GRID, METHODS, SPACE, Known
from tuning import search, trial
from tuning.chief import Chief
from tuning.follower import follow
from tuning.ledger import LOST_TWICE, Ledger
from tuning.seats import HOST, NAME, PORT, Seat, seat

ROOT = Path(__file__).parents[2]


def request(folder, method="random", **asked):
    space = GRID if method == "grid" else SPACE
    asked = {"trials": METHODS[method], **space, "fix": [*space["fix"], "epochs=9"], **asked}
    return search.request("toy", folder=folder, method=method, **asked)


@contextlib.contextmanager
def chief(asked, lease=60.0):
    """A chief in a thread: its address, and a list that has the search, or its error, at the
    end."""
    address, found = f"127.0.0.1:{free_ports(1)[0]}", []

    def lead():
        try:
            found.append(
                search.carry_out(asked, Known(), search.Silent(), False, Chief(address, lease))
            )
        except UserError as error:
            found.append(error)

    thread = threading.Thread(target=lead, daemon=True)
    thread.start()
    assert not await_all([address], 60)
    yield address, found
    thread.join()


def work(asked, address, name, runner):
    return follow(asked, Seat("worker", address, name), runner, search.Silent(), wait=20)


@pytest.mark.parametrize("method", ["random", "grid"])
def test_two_workers_find_what_one_process_finds(toy, tmp_path, method):
    """Where proposals do not depend on scores, the same trials; and each is trained once."""
    alone = search.carry_out(request(tmp_path / "a", method), Known(), search.Silent(), False, None)
    asked, workers = request(tmp_path / "b", method), [Known(), Known()]
    with chief(asked) as (address, found):
        threads = [
            threading.Thread(target=work, args=(asked, address, f"worker {k}", runner))
            for k, runner in enumerate(workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    trained = workers[0].trained + workers[1].trained
    assert sorted(trained) == sorted(row["trial"] for row in alone.rows)
    key = lambda row: json.dumps(row["settings"], sort_keys=True)
    assert sorted(map(key, found[0].rows)) == sorted(map(key, alone.rows))
    assert found[0].best["score"] == alone.best["score"]


class Hangs:
    """A runner whose first trial never ends."""

    def __init__(self, begun: Path) -> None:
        self._begun = begun

    def run(self, function, *arguments):
        self._begun.touch()
        time.sleep(600)


def hang(folder, address, begun):
    """A worker process that will be killed."""
    import pipelines
    from tests.pipelines.toy import ROW

    pipelines.TASKS["toy"] = ROW
    work(request(folder), address, "hangs", Hangs(begun))


def test_a_killed_worker_loses_no_trial(toy, tmp_path):
    """SIGKILL in the middle of a trial: another worker goes on with it, and the search ends with
    as many trials as were asked for."""
    asked, begun = request(tmp_path / "s"), tmp_path / "begun"
    with chief(asked, lease=2.5) as (address, found):
        spawn = multiprocessing.get_context("spawn")
        doomed = spawn.Process(target=hang, args=(tmp_path / "s", address, begun))
        doomed.start()
        while not begun.exists():
            assert doomed.is_alive()
            time.sleep(0.05)
        os.kill(doomed.pid, signal.SIGKILL)
        doomed.join()
        runner = Known()
        assert work(asked, address, "lives", runner) == 9
    names = ["default", *(f"{k:04d}" for k in range(8))]
    assert (sorted(runner.trained), runner.trained[0]) == (sorted(names), "0000")
    assert [row["trial"] for row in found[0].rows] == names
    assert [row["status"] for row in found[0].rows] == ["done"] * 9


@pytest.mark.parametrize("method", METHODS)
def test_a_chief_that_is_started_again_goes_on(toy, tmp_path, method):
    """With trials in the hands of several workers, whatever the method had been told by then."""
    ended = []

    def ledger(folder):
        (scratch := tmp_path / f"scratch {len(list(tmp_path.iterdir()))}").mkdir()
        return Ledger(request(tmp_path / folder, method), str(scratch), ended.append)

    def train(which, proposed, asked):
        Known().run(
            trial.run_trial,
            proposed.arguments(asked),
            {**vars(proposed)},
            str(proposed.row_path(asked)),
        )
        assert which.end(proposed.trial)

    def life(folder, deaths):
        """Three trials at a time, the second of them ending first."""
        which, hands, asked = ledger(folder), [], request(tmp_path / folder, method)
        for step in range(200):
            while len(hands) < 3 and (proposed := which.next()) is not None:
                hands.append(proposed)
            if not hands:
                assert which.finished
                return which.rows
            train(which, hands.pop(min(1, len(hands) - 1)), asked)
            if step in deaths:
                which, waiting = ledger(folder), [proposed.trial for proposed in hands]
                assert sorted(which.waiting) == sorted(waiting)
                for name in waiting:
                    which.take(name)
        raise AssertionError("it never ends")

    whole = life("whole", ())
    deaths = (3,) if method == "bayesian" else (0, 3, 4)  # its proposals take a second each
    assert life("killed", deaths) == whole
    assert len(whole) > 5


def test_a_trial_that_takes_its_workers_along_fails(toy, tmp_path):
    """What brings two machines down is not given to a third."""
    (tmp_path / "scratch").mkdir()
    asked = request(tmp_path / "s", trials=1)
    which = Ledger(asked, str(tmp_path / "scratch"), lambda row: None)
    for _ in range(2):
        assert which.next().trial == "default"
        which.give_back("default")
    assert which.next().trial == "0000"
    assert [row["reason"] for row in which.rows] == [LOST_TWICE]


def test_failures_in_a_row_end_the_search_for_all(toy, tmp_path):
    """The chief says so, and its workers go home."""
    asked = request(tmp_path / "s")
    with chief(asked) as (address, found):
        work(asked, address, "worker", Known(fails=[f"{k:04d}" for k in range(9)]))
    assert "5 trials in a row failed" in str(found[0])


def test_another_search_is_refused(toy, tmp_path):
    """A worker that trains another space, or into another folder, spoils both searches."""
    asked = request(tmp_path / "s", trials=1)
    with chief(asked) as (address, _):
        with pytest.raises(UserError, match=r"the folder of the search that the chief at .* leads"):
            work(request(tmp_path / "other"), address, "worker", Known())
        with pytest.raises(UserError, match=r"with seed 0\. Received: seed 1"):
            work(request(tmp_path / "s", seed=1), address, "worker", Known())
        assert work(asked, address, "worker", Known()) == 2


def test_a_worker_without_the_data_of_the_others_is_refused(toy, tmp_path):
    """A mount that is missing on one machine would count as the fault of five configurations."""
    data = tmp_path / "waves.json"
    data.write_text(json.dumps([[0.1 * k, 0.5, 0.2] for k in range(30)]))
    asked = request(tmp_path / "s", trials=1, data=data)
    with chief(asked) as (address, _):
        content = data.read_text()
        data.unlink()
        with pytest.raises(UserError, match=r"waves.json: cannot be read"):
            work(asked, address, "worker", Known())
        data.write_text(content.replace("0.2", "0.3"))
        with pytest.raises(UserError, match="on other data"):
            work(asked, address, "worker", Known())
        data.write_text(content)
        assert work(asked, address, "worker", Known()) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "host..lab"])
def test_an_unreachable_chief_is_named_in_seconds(toy, tmp_path, host):
    """Not the hour that keras-tuner would wait, nor an error of a name's encoding."""
    address, began = f"{host}:{free_ports(1)[0]}", time.monotonic()
    with pytest.raises(UserError, match=f"the chief at {address} does not answer for 0.5 s"):
        follow(request(tmp_path), Seat("worker", address, "w"), Known(), search.Silent(), 0.5)
    assert time.monotonic() - began < 5


def test_another_program_on_the_port_is_told_from_a_chief(toy, tmp_path):
    """It is no use to start the chief again, as is said of one that is gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UserError, match=f"expected the chief of a search at {address}"):
            follow(request(tmp_path), Seat("worker", address, "w"), Known(), search.Silent(), 1)


def test_an_address_that_is_taken_is_named(toy, tmp_path):
    with chief(asked := request(tmp_path / "a", trials=1)) as (address, _):
        with pytest.raises(UserError, match=f"cannot listen at {address}"):
            search.carry_out(
                request(tmp_path / "b"), Known(), search.Silent(), False, Chief(address)
            )
        work(asked, address, "worker", Known())


@pytest.mark.parametrize(
    ("role", "address", "environment", "expected"),
    [
        (None, None, {}, None),
        ("chief", "a:1", {}, ("chief", "a:1")),
        (None, None, {NAME: "chief", HOST: "a", PORT: "1"}, ("chief", "a:1")),
        (None, None, {NAME: "tuner7", HOST: "a", PORT: "1"}, ("worker", "a:1")),
        (None, "b:2", {NAME: "tuner7", HOST: "a", PORT: "1"}, ("worker", "b:2")),
        (None, "a:1", {}, "expected --distributed chief or worker"),
        (None, None, {HOST: "a"}, "expected --distributed chief or worker"),
        ("worker", None, {HOST: "a"}, "expected the address of the chief, by --at"),
        ("worker", "a", {}, r"as HOST:PORT\. Received: a\."),
        ("worker", "a:b", {}, r"as HOST:PORT\. Received: a:b\."),
        ("cheif", "a:1", {}, r"unknown part in a search 'cheif'\. Did you mean chief"),
    ],
)
def test_a_seat_comes_from_options_or_the_environment(
    monkeypatch, role, address, environment, expected
):
    for name in (HOST, PORT, NAME):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            seat(role, address)
    else:
        found = seat(role, address)
        assert found == expected or (found.role, found.address) == expected


@contextlib.contextmanager
def commands(words, logs):
    """Starts `rnnkit` with some words and more; none outlives the test."""
    program = "import sys; from pipelines.cli import main; sys.exit(main())"
    with contextlib.ExitStack() as stack:

        def start(name, *more):
            log = stack.enter_context((logs / f"{name}.log").open("w"))
            command = [sys.executable, "-c", program, *words.split(), *more]
            started = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
            stack.callback(started.wait)
            stack.callback(started.kill)
            return started

        yield start


def await_files(folder, pattern, count, lead, seconds=300):
    """Until so many are there, while the chief lives."""
    deadline = time.monotonic() + seconds
    while len(list(folder.glob(pattern))) < count:
        assert lead.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.prove
def test_killed_workers_and_a_killed_chief_change_nothing(tmp_path, record_property):
    """SIGKILL for a worker, then for the chief: trials and scores of a search by one process."""
    words = "tune adding --trials 6 --fix length=5 --fix train_size=1024 --fix valid_size=32 "
    words += "--fix test_size=32 --fix epochs=30 --range units=2:9 --fix layers=1 --wait 90"
    address, draw = f"127.0.0.1:{free_ports(1)[0]}", random.Random(0)
    whole, folder = tmp_path / "whole", tmp_path / "s"
    chief = ("--folder", str(folder), "--distributed", "chief", "--at", address)
    worker = ("--folder", str(folder), "--distributed", "worker", "--at", address)
    (logs := tmp_path / "logs").mkdir()
    with commands(words, logs) as start:
        assert start("whole", "--folder", str(whole)).wait(600) == 0
        lead = start("chief", *chief)
        doomed, spared = (start(name, *worker) for name in ("doomed", "spared"))
        await_files(folder, "trials/*/metrics.csv", 2, lead)
        time.sleep(draw.uniform(0, 2))
        doomed.kill()
        await_files(folder, "trials/*.json", 3, lead)
        time.sleep(draw.uniform(0, 2))
        lead.kill()
        again = start("again", *chief)
        assert again.wait(600) == 0, (logs / "again.log").read_text()
        assert spared.wait(60) == 0, (logs / "spared.log").read_text()
    tables = []
    for path in (whole, folder):
        with (path / "trials.csv").open() as file:
            tables.append([{**row, "seconds": ""} for row in csv.DictReader(file)])
    assert tables[0] == tables[1]
    best = [json.loads((path / "best.json").read_text()) for path in (whole, folder)]
    assert best[0] == best[1]
    record_property("kills", 2)
    record_property("trials", len(tables[0]))
