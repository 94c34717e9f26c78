"""New versions take over without a lost request; broken ones change nothing."""

from __future__ import annotations

import gc
import resource
import shutil
import threading
import weakref

import pytest

from pipelines.server.errors import RequestError
from pipelines.server.models import Models
from tests.pipelines.server.served import Client, running, write

WHICH = {"signature_name": "which", "inputs": [0, 0]}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Versions 1 and 2 of a model that tells which it is."""
    folder = tmp_path_factory.mktemp("saved") / "toy"
    folder.mkdir()
    return [write(folder, number, ["which"]) for number in (1, 2)]


@pytest.fixture
def folder(tmp_path, saved):
    (tmp_path / "toy").mkdir()
    shutil.copytree(saved[0], tmp_path / "toy" / "1")
    return tmp_path / "toy"


@pytest.fixture
def said():
    return []


@pytest.fixture
def models(folder, said):
    models = Models(folder.parent, said.append)
    models.look()
    return models


def states(models):
    return {each["version"]: each["state"] for each in models.status("toy")}


def test_the_newest_version_is_served_and_the_last_one_has_ended(models, folder, saved, said):
    assert models.find("toy").number == 1
    shutil.copytree(saved[1], folder / ".draft-x")
    models.look()
    assert models.find("toy").number == 1  # a draft is none
    (folder / ".draft-x").rename(folder / "10")
    models.look()
    assert models.find("toy").number == 10
    assert states(models) == {"10": "AVAILABLE", "1": "END"}
    assert said == ["toy: version 1 is served", "toy: version 10 is served"]
    with pytest.raises(RequestError, match=r"Specific\(toy, 1\)"):
        models.find("toy", 1)


@pytest.mark.parametrize("fault", ["no graph", "half a graph", "lost weights", "warm-up", "words"])
def test_a_broken_version_leaves_the_old_one_serving_until_it_is_mended(
    fault, models, folder, saved, said
):
    broken = folder / ".draft"
    shutil.copytree(saved[1], broken)
    if fault == "no graph":
        (broken / "saved_model.pb").unlink()
    elif fault == "half a graph":
        graph = (broken / "saved_model.pb").read_bytes()
        (broken / "saved_model.pb").write_bytes(graph[: len(graph) // 2])
    elif fault == "lost weights":
        shutil.rmtree(broken / "variables")
    else:
        (broken / "assets.extra").mkdir(exist_ok=True)
        content = b"\xff" * 200 if fault == "warm-up" else b"no records at all"
        (broken / "assets.extra" / "tf_serving_warmup_requests").write_bytes(content)
    broken.rename(folder / "2")
    models.look()
    models.look()  # it is not tried again
    assert models.find("toy").number == 1
    assert states(models) == {"2": "END", "1": "AVAILABLE"}
    (status,) = models.status("toy", 2)
    assert status["status"]["error_code"] == "UNKNOWN"
    assert status["status"]["error_message"]
    assert len(said) == 2
    assert said[1].startswith("toy: version 2 does not load; version 1 goes on: ")
    shutil.rmtree(folder / "2")
    shutil.copytree(saved[1], folder / "2")
    models.look()
    assert models.find("toy").number == 2


def test_a_deleted_version_gives_way_to_the_one_before(models, folder, saved):
    shutil.copytree(saved[1], folder / "2")
    models.look()
    assert models.find("toy").number == 2
    shutil.rmtree(folder / "2")
    models.look()
    assert models.find("toy").number == 1
    assert states(models) == {"1": "AVAILABLE"}
    gone = weakref.ref(models.find("toy"))
    shutil.rmtree(folder / "1")
    models.look()
    with pytest.raises(RequestError, match=r"Servable not found for request: Latest\(toy\)"):
        models.find("toy")
    gc.collect()
    assert gone() is None  # its memory is free


def test_a_new_model_is_found(models, folder, saved):
    shutil.copytree(saved[0], folder.parent / "other" / "7")
    (folder.parent / "notes.txt").write_text("no model")
    (folder.parent / "empty").mkdir()
    models.look()
    assert {name: version.number for name, version in models.served.items()} == {
        "toy": 1,
        "other": 7,
    }


def test_the_same_number_with_other_files_is_loaded_again(models, folder, saved):
    """Somebody threw the folder away and exported again."""
    before = models.find("toy")
    shutil.rmtree(folder / "1")
    shutil.copytree(saved[1], folder / "1")
    models.look()
    assert models.find("toy") is not before
    assert models.find("toy").run("which", {"x": [5]})["version"] == [2]


def test_a_folder_that_is_gone_for_a_while_is_told_once(models, folder, said):
    """A disk that is unplugged; what is loaded goes on answering."""
    folder.parent.rename(folder.parent.with_name("away"))
    thread = models.watch(seconds=0.01)
    thread.join(0.5)
    models.stop()
    thread.join(10)
    assert models.find("toy").number == 1
    assert len(said) == 2
    assert said[1].startswith(f"cannot look at {folder.parent}: ")


def change_under_load(folder, saved, changes):
    """Publishes versions while clients ask; gives what they got, an answer a request."""
    models = Models(folder.parent, lambda line: None)
    models.look()
    answers, done = [], threading.Event()

    def keep_asking(port):
        client = Client(port)
        while not done.is_set():
            answers.append(client.ask("/v1/models/toy:predict", WHICH))

    with running(models) as port:
        threads = [threading.Thread(target=keep_asking, args=(port,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(2, 2 + changes):
            beside = folder / ".draft-next"
            shutil.copytree(saved[number % 2], beside)
            beside.rename(folder / str(number))
            shutil.rmtree(folder / str(number - 1))
            models.look()
        done.set()
        for thread in threads:
            thread.join(60)
    assert models.find("toy").number == 1 + changes
    return answers


def check_answers(answers):
    versions = set()
    for status, answer in answers:
        assert status == 200, answer
        found = set(answer["outputs"]["version"])
        assert len(found) == 1
        versions |= found
    assert versions == {1, 2}


def test_no_request_is_lost_while_versions_change(folder, saved):
    check_answers(change_under_load(folder, saved, 4))


@pytest.mark.prove
def test_no_request_is_lost_in_200_changes_and_no_memory(folder, saved, record_property):
    """Versions come and go under load: every answer is whole, and memory stays."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answers = change_under_load(folder, saved, 200)
    check_answers(answers)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 300
    record_property("changes", 200)
    record_property("requests", len(answers))
    record_property("MB grown", round(grown))
