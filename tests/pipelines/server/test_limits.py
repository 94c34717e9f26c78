"""What one client may spend: time, places in the queue, and patience."""

from __future__ import annotations

import contextlib
import json
import select
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


def everything(connection):
    received = b""
    while chunk := connection.recv(4096):
        received += chunk
    return received


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
    with running(models, FREE) as port:

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
    with running(models, Limits(seconds=0.5)) as port:
        with socket.create_connection(("127.0.0.1", port), 30) as slow:
            head = f"POST /v1/models/toy:predict HTTP/1.1\r\nhost: x\r\n{length}\r\n\r\n"
            slow.sendall(head.encode() + (b"1\r\n{\r\n" if chunked else b"{"))
            question = {"signature_name": "double", "inputs": [1]}
            status, answer = Client(port).ask("/v1/models/toy:predict", question)
            assert (status, answer) == (200, {"outputs": [2.0]})
            received = everything(slow)
        assert received.startswith(b"HTTP/1.1 408")
        assert received.endswith(b'{"error":"the request was not sent within 0.5 seconds."}')


@pytest.mark.parametrize("before", [False, True], ids=["the first request", "a later one"])
def test_a_client_that_sends_its_headers_slowly_is_let_go(before, models):
    """A byte now and then would keep a connection for ever; each byte must not start the clock
    anew. Whole requests on kept connections are not cut, however long the pause between them."""
    with running(models, Limits(seconds=0.6)) as port:
        patient = Client(port)
        assert patient.ask("/v1/models/toy")[0] == 200
        with socket.create_connection(("127.0.0.1", port), 30) as slow:
            if before:
                slow.sendall(b"GET /v1/models/toy HTTP/1.1\r\nhost: x\r\n\r\n")
                assert slow.recv(4096).startswith(b"HTTP/1.1 200")
            start = time.monotonic()
            with contextlib.suppress(ConnectionError):
                for byte in b"GET /v1/models/toy HTTP/1.1\r\nx: " + b"y" * 1000:
                    slow.sendall(bytes([byte]))
                    time.sleep(0.05)
                    if time.monotonic() - start > 10:
                        break
                    if select.select([slow], [], [], 0)[0]:
                        break
            seconds, received = time.monotonic() - start, everything(slow)
        assert seconds < 5
        assert b"HTTP/1.1 408" in received
        assert b"the headers were not sent within 0.6 seconds." in received
        assert patient.ask("/v1/models/toy")[0] == 200


def test_there_are_only_so_many_connections(models):
    """More would take the server's files and memory; who comes later is told so."""
    with running(models, Limits(connections=2)) as port:
        first = Client(port)
        assert first.ask("/v1/models/toy")[0] == 200
        with socket.create_connection(("127.0.0.1", port), 30) as idle:
            assert first.ask("/v1/models/toy")[0] == 200
            with socket.create_connection(("127.0.0.1", port), 30) as third:
                received = everything(third)
            assert received.startswith(b"HTTP/1.1 503")
            assert b"too many connections" in received
            assert first.ask("/v1/models/toy")[0] == 200
            idle.close()
            time.sleep(0.2)
            assert Client(port).ask("/v1/models/toy")[0] == 200


def test_a_body_that_does_not_end_is_cut_off(models):
    """Its length was not declared, so that it is counted while it comes."""
    client = TestClient(application(models, Limits(body_bytes=1000)))
    answer = client.post("/v1/models/toy:predict", content=iter([b"x" * 600] * 2))
    assert (answer.status_code, answer.json()) == (
        413,
        {"error": "a request has at most 1000 bytes."},
    )


def test_a_client_that_hangs_up_harms_nobody(models, capfd):
    with running(models) as port:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port), 30) as gone:
                gone.sendall(b"POST /v1/models/toy:predict HTTP/1.1\r\ncontent-length: 9\r\n\r\n{")
        body = json.dumps({"signature_name": "slow", "inputs": [1000]}).encode()
        with socket.create_connection(("127.0.0.1", port), 30) as gone:
            head = f"POST /v1/models/toy:predict HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}"
            gone.sendall(head.encode() + b"\r\n\r\n" + body)
        assert Client(port).ask("/v1/models/toy")[0] == 200
    assert "Traceback" not in capfd.readouterr().err
