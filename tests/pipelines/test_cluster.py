"""TF_CONFIG, and meeting those it names."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from pipelines.cluster import Cluster, from_environment, meet
from pipelines.errors import UserError
from tests.pipelines.ports import free_ports

TWO = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}


def test_the_chief_comes_first(monkeypatch):
    """Whether it is called so or is the first worker: the one that keeps the run."""
    monkeypatch.setenv("TF_CONFIG", json.dumps(TWO))
    found = from_environment()
    assert (found.addresses, found.own, found.peers, found.chief) == (
        ("a:1", "b:2"),
        "b:2",
        ["a:1"],
        False,
    )
    named = {"cluster": {"worker": ["b:2"], "chief": ["a:1"]}}
    monkeypatch.setenv("TF_CONFIG", json.dumps({**named, "task": {"type": "chief", "index": 0}}))
    found = from_environment()
    assert (found.addresses, found.own, found.chief) == (("a:1", "b:2"), "a:1", True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"variable TF_CONFIG, .* Received: none\. Example: TF_CONFIG="),
        ("{", "expected JSON .* Received: {"),
        ("[]", "expected JSON"),
        ("7", "expected JSON"),
        (json.dumps({"cluster": TWO["cluster"]}), "KeyError: 'task'"),
        (json.dumps({**TWO, "task": {"type": "worker", "index": 2}}), "IndexError"),
        (json.dumps({**TWO, "task": {"type": "worker", "index": -1}}), "expected JSON"),
        (json.dumps({**TWO, "task": {"type": "ps", "index": 0}}), "KeyError: 'ps'"),
        (json.dumps({**TWO, "cluster": {**TWO["cluster"], "ps": ["c:3"]}}), "expected JSON"),
        (json.dumps({**TWO, "cluster": {"worker": ["a:1", "b"]}}), "'b', which is no host:port"),
        (json.dumps({**TWO, "cluster": {"worker": ["a:1", "b:0"]}}), "'b:0', which is no"),
        (json.dumps({**TWO, "cluster": {"worker": ["a:1", 7]}}), "which is no host:port"),
        (json.dumps({**TWO, "cluster": {"worker": ["a:1", "a:1"]}}), "the same address twice"),
        (
            json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}),
            "one worker alone",
        ),
    ],
)
def test_a_malformed_tf_config_is_one_line(monkeypatch, text, words):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=words) as raised:
        from_environment()
    assert "\n" not in str(raised.value)


def test_workers_that_start_apart_meet(capsys):
    """Nobody starts two machines in the same second. Who has met the others stops listening, and
    TensorFlow listens in its place."""
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(2))
    met, all_met = [], threading.Event()

    def worker(index):
        meet(Cluster(addresses, index), 10)
        with socket.create_server(("", int(addresses[index].rpartition(":")[2]))):
            met.append(index)
            all_met.wait(10)

    threads = [threading.Thread(target=worker, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
        time.sleep(0.3)
    while len(met) < 2 and any(thread.is_alive() for thread in threads):
        time.sleep(0.01)
    all_met.set()
    assert sorted(met) == [0, 1]
    assert capsys.readouterr().err == f"waiting for {addresses[1]}\n"


def test_a_missing_worker_is_named_in_seconds():
    """Not the hour that TensorFlow would wait."""
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(2))
    began = time.monotonic()
    with pytest.raises(UserError, match=f"{addresses[1]} does not answer for 0.5 s"):
        meet(Cluster(addresses, 0), 0.5)
    assert time.monotonic() - began < 5


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("", 0)) as other:
        own = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(UserError, match=f"{own}: cannot listen there .*address already in use"):
            meet(Cluster((own, "127.0.0.1:1"), 0), 0.5)
