"""A folder with one model, served without a socket."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="package")
def root(tmp_path_factory):
    from tests.pipelines.server.served import write

    root = tmp_path_factory.mktemp("models")
    (root / "toy").mkdir()
    write(root / "toy", 3)
    return root


@pytest.fixture(scope="package")
def models(root):
    from pipelines.server.models import Models

    models = Models(root, say=print)
    models.look()
    return models


@pytest.fixture(scope="package")
def client(models):
    from starlette.testclient import TestClient

    from pipelines.server.rest import application

    with TestClient(application(models)) as client:
        yield client


@pytest.fixture(scope="package")
def ask(client):
    """Posts a question to the toy; gives status and JSON."""

    def ask(question, path="/v1/models/toy:predict"):
        content = {"content": question} if isinstance(question, bytes) else {"json": question}
        answer = client.post(path, **content)
        return answer.status_code, answer.json()

    return ask
