"""The page over HTTP: what it sends, what it refuses, and that the interface beside it is whole."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from pipelines.server.limits import Limits
from pipelines.server.rest import application

pytest.importorskip("gradio", reason="the extra demo is not installed")


@pytest.fixture(scope="module")
def client(models):
    with TestClient(application(models, Limits(body_bytes=100_000), demo=True)) as client:
        yield client


def test_the_page_speaks_to_nobody_but_its_server(client):
    answer = client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"].startswith("default-src 'self' ")


def test_the_interface_beside_it_answers_as_ever(client):
    answer = client.post("/v1/models/verdict:predict", json={"instances": ["lovely"]})
    assert answer.json()["predictions"][0]["labels"] == ["bad", "good"]
    assert client.get("/v1/models/verdict").json()["model_version_status"][0]["version"] == "1"
    assert client.get("/v1/nothing").status_code == 400


def test_no_file_of_the_server_can_be_read(client, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("mine")
    for path in (f"/gradio_api/file={secret}", "/gradio_api/file=../../pyproject.toml"):
        answer = client.get(path)
        assert answer.status_code in (403, 404), path
        assert "mine" not in answer.text


def test_what_is_too_large_is_refused(client):
    files = {"files": ("long.fa", b"A" * 300_000)}
    assert client.post("/gradio_api/upload", files=files).status_code == 413
    assert client.post("/gradio_api/queue/join", content=b" " * 300_000).status_code == 413


def test_without_being_asked_for_there_is_no_page(models):
    assert TestClient(application(models)).get("/").status_code == 404
