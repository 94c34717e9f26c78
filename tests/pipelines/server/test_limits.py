"""What one client may spend: time, places in the queue, and patience."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest
from starlette.testclient import TestClient

from pipelines.server.limits import Limits
from pipelines.server.rest import application
from tests.pipelines.server.served import Client, running

LONG = {"signature_name": "slow", "inputs": [2**30]}
FREE = Limits(length=2**31, padded=2**31, seconds=1.0, workers=1, waiting=1)


def test_a_request_ends_at_its_time_and_the_server_goes_on(models):
    """The loop in the graph ends too: the only worker is free for the next."""
    client = TestClient(application(models, FREE))
    start = time.monotonic()
    answer = client.post("/v1/models/toy:predict", json=LONG)
    assert answer.status_code == 504
    assert answer.json() == {"error": "not done within 1 seconds."}
    assert time.monotonic() - start < 15
    question = {"signature_name": "slow", "inputs": [3, 4]}
    answer = client.post("/v1/models/toy:predict", json=question)
    assert answer.json() == {"outputs": [4, 4]}


def test_who_finds_the_queue_full_is_told_at_once(models):
    """One is computed, one waits until its time is over, the others go away with 503."""
    statuses = []
    with running(application(models, FREE)) as port:

        def ask():
            statuses.append(Client(port).ask("/v1/models/toy:predict", LONG))

        threads = [threading.Thread(target=ask) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        time.sleep(0.1)
        assert Client(port).ask("/v1/models/toy")[0] == 200
    assert sorted(status for status, _ in statuses) == [503, 503, 503, 504, 504]
    assert (503, {"error": "too many requests are waiting. Try again later."}) in statuses


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_sends_slowly_is_let_go(chunked, models):
    """It keeps neither a worker nor the others waiting."""
    length = "transfer-encoding: chunked" if chunked else "content-length: 100"
    with running(application(models, Limits(seconds=0.5))) as port:
        with socket.create_connection(("127.0.0.1", port), 30) as slow:
            head = f"POST /v1/models/toy:predict HTTP/1.1\r\nhost: x\r\n{length}\r\n\r\n"
            slow.sendall(head.encode() + (b"1\r\n{\r\n" if chunked else b"{"))
            question = {"signature_name": "double", "inputs": [1]}
            status, answer = Client(port).ask("/v1/models/toy:predict", question)
            assert (status, answer) == (200, {"outputs": [2.0]})
            received = b""
            while chunk := slow.recv(4096):
                received += chunk
        assert received.startswith(b"HTTP/1.1 408")
        assert received.endswith(b'{"error":"the request was not sent within 0.5 seconds."}')


def test_a_body_that_does_not_end_is_cut_off(models):
    """Its length was not declared, so that it is counted while it comes."""
    client = TestClient(application(models, Limits(body_bytes=1000)))
    answer = client.post("/v1/models/toy:predict", content=iter([b"x" * 600] * 2))
    assert (answer.status_code, answer.json()) == (
        413,
        {"error": "a request has at most 1000 bytes."},
    )


def test_a_client_that_hangs_up_harms_nobody(models, capfd):
    with running(application(models)) as port:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port), 30) as gone:
                gone.sendall(b"POST /v1/models/toy:predict HTTP/1.1\r\ncontent-length: 9\r\n\r\n{")
        body = json.dumps({"signature_name": "slow", "inputs": [1000]}).encode()
        with socket.create_connection(("127.0.0.1", port), 30) as gone:
            head = f"POST /v1/models/toy:predict HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}"
            gone.sendall(head.encode() + b"\r\n\r\n" + body)
        assert Client(port).ask("/v1/models/toy")[0] == 200
    assert "Traceback" not in capfd.readouterr().err
