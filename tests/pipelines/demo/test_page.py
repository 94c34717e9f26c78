"""The page over HTTP: what it sends, what it refuses, and that the interface beside it is whole."""

from __future__ import annotations

import json
import random

import pytest
from starlette.testclient import TestClient

from pipelines.server.limits import Limits
from pipelines.server.rest import application

pytest.importorskip("gradio", reason="the extra demo is not installed")

LOCAL = "http://127.0.0.1:8501"
JOIN, DATA, UPLOAD = ("/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/upload")


@pytest.fixture(scope="module")
def client(models):
    limits = Limits(body_bytes=100_000)
    with TestClient(application(models, limits, demo=True), base_url=LOCAL) as client:
        yield client


class Visitor:
    """Someone who loaded the page, and calls what stands behind its components."""

    def __init__(self, client):
        self.client, self.session = client, f"{random.random()}"
        self.client.post(JOIN, json=self.question(0, []))
        rendered = next(each["output"] for each in self.answers() if "output" in each)
        self.config = rendered["render_config"]

    def question(self, function, data):
        return {"data": data, "fn_index": function, "session_hash": self.session}

    def answers(self):
        path = f"{DATA}?session_hash={self.session}"
        with self.client.stream("GET", path) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line[5:])
                    if '"process_completed"' in line or '"close_stream"' in line:
                        return

    def of_files(self):
        """What reads an uploaded file into a box."""
        kinds = {each["id"]: each["type"] for each in self.config["components"]}
        return next(
            each["id"]
            for each in self.config["dependencies"]
            if [kinds[number] for number in each["inputs"]] == ["file"]
        )

    def ask(self, function, data):
        """Status and text of all that comes back."""
        answer = self.client.post(JOIN, json=self.question(function, data))
        if answer.status_code != 200:
            return answer.status_code, answer.text
        return 200, json.dumps(list(self.answers()))


def file(path):
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


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
    """Neither by its path, nor as the value of a component that takes a file."""
    secret = tmp_path / "secret.txt"
    secret.write_text("what is mine")
    for path in (f"/gradio_api/file={secret}", "/gradio_api/file=../../pyproject.toml"):
        answer = client.get(path)
        assert answer.status_code in (403, 404), path
        assert "mine" not in answer.text
    visitor = Visitor(client)
    _, told = visitor.ask(visitor.of_files(), [file(secret)])
    assert "what is mine" not in told
    assert '"success": false' in told


def test_an_uploaded_file_is_read(client):
    """What the test above forbids is not the way of everybody."""
    visitor = Visitor(client)
    (path,) = client.post(UPLOAD, files={"files": ("a.txt", b"lovely")}).json()
    assert "lovely" in visitor.ask(visitor.of_files(), [file(path)])[1]


def test_nothing_is_fetched_from_elsewhere(client):
    """The server is no way to what a client cannot reach by itself."""
    assert client.get("/gradio_api/file=https://example.com/a").status_code == 404
    assert client.get("/gradio_api/proxy=https://example.com/a").status_code == 404
    visitor = Visitor(client)
    status, _ = visitor.ask(visitor.of_files(), [file("https://example.com/a.txt")])
    assert status == 403


def test_a_name_of_somebody_else_does_not_lead_here(client):
    """A foreign site can make its name an address of this machine."""
    for host, status in (("evil.example", 403), ("localhost:8501", 200), ("[::1]:8501", 200)):
        assert client.get("/config", headers={"host": host}).status_code == status, host


def test_what_is_too_large_is_refused(client):
    files = {"files": ("long.fa", b"A" * 300_000)}
    assert client.post(UPLOAD, files=files).status_code == 413
    assert client.post(JOIN, content=b" " * 300_000).status_code == 413


def bodies(count):
    """Requests as a page would send them, with one thing wrong or more."""
    draw = random.Random(0)
    values = [
        None,
        True,
        -1,
        2**70,
        1e999,
        "\ud800",
        "x" * 5000,
        [],
        {},
        [[]],
        file("/etc/hostname"),
    ]
    for _ in range(count):
        body = {
            "data": draw.choices(values, k=draw.randrange(6)),
            "fn_index": draw.choice([*range(12), -1, 10**9, "1", None]),
            "session_hash": draw.choice(["a", "", None, 3, "x" * 1000]),
        }
        for key in draw.sample(list(body), draw.randrange(2)):
            body.pop(key)
        text = json.dumps(body)
        yield text[: draw.randrange(len(text))] if draw.random() < 0.2 else text
    yield "[" * 50_000


def test_whatever_is_sent_the_page_goes_on(models):
    """Every answer has a status, and afterwards a visitor is served as ever."""
    server = application(models, Limits(body_bytes=100_000), demo=True)
    with TestClient(server, base_url=LOCAL, raise_server_exceptions=False) as client:
        kind = {"content-type": "application/json"}
        told = {client.post(JOIN, content=text, headers=kind).status_code for text in bodies(60)}
        assert 422 in told
        assert not told - {200, 400, 422, 500}  # 500 is Gradio's word for an unknown function
        visitor = Visitor(client)
        names = [each["props"].get("label") for each in visitor.config["components"]]
        assert "verdict" in names


def test_visits_leave_nothing_behind(models):
    """What is kept of visitors is bounded."""
    server = application(models, demo=True)
    mounted = next(route.app for route in server.routes if hasattr(route.app, "get_blocks"))
    assert mounted.get_blocks().state_session_capacity <= 100


def test_without_being_asked_for_there_is_no_page(models):
    assert TestClient(application(models)).get("/").status_code == 404
