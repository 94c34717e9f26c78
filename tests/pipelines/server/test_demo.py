"""The page to try models: whole in itself, filled with real requests, safe whatever they hold."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from starlette.testclient import TestClient

from pipelines import warmup
from pipelines.server.demo import script
from pipelines.server.models import Models
from pipelines.server.rest import application
from tests.pipelines.server.served import SPEC

EVIL = "</script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "shout <b>" / "4"
    module = tf.Module()
    module.shout = tf.function(
        lambda text, times: {"text": tf.strings.upper(text)},
        input_signature=[SPEC([None], tf.string, "text"), SPEC([None], tf.int32, "times")],
    )
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.shout})
    row = {"text": np.array([EVIL], object), "times": np.array([2], np.int32)}
    warmup.write(folder, "shout", {"serving_default": row})
    (folder / "signature.json").write_text(json.dumps({"labels": ["a", EVIL]}))
    models = Models(folder.parents[1], print)
    models.look()
    return TestClient(application(models, demo=True))


def test_each_model_has_a_form_with_a_real_request(client):
    answer = client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    data = re.search(r'<script type="application/json" id="models">(.*?)</script>', answer.text)
    (model,) = json.loads(data[1])
    assert (model["name"], model["version"], model["labels"]) == ("shout <b>", 4, ["a", EVIL])
    assert model["inputs"] == {
        "text": {"dtype": "string", "shape": [None], "value": EVIL},
        "times": {"dtype": "int32", "shape": [None], "value": 2},
    }
    row = {name: kind["value"] for name, kind in model["inputs"].items()}
    asked = client.post("/v1/models/shout <b>:predict", json={"instances": [row]})
    assert asked.json() == {"predictions": [EVIL.upper()]}


def test_the_page_loads_nothing_and_nothing_becomes_part_of_it(client):
    answer = client.get("/")
    assert answer.text.count("<script") == 2  # what a model holds ends no element
    assert "innerHTML" not in answer.text
    assert not re.search(r'(?:src|href)="', answer.text)
    assert "default-src 'none'; connect-src 'self'" in answer.headers["content-security-policy"]


def test_without_being_asked_for_there_is_no_page(models):
    assert TestClient(application(models)).get("/").status_code == 404


NODE = shutil.which("node")
CHECKS = """
const same = (a, b) => { if (JSON.stringify(a) !== JSON.stringify(b))
  throw new Error(JSON.stringify(a) + " is not " + JSON.stringify(b)); };
same(parts({label: "y", labels: ["x", "y"], probabilities: [0.2, 0.8], probability: 0.8}, null),
  [{kind: "bars", bars: [["x", 0.2], ["y", 0.8]]}]);
same(parts({label: "y", probabilities: [0.2, 0.8], valid: false}, ["x", "y"]),
  [{kind: "bars", bars: [["x", 0.2], ["y", 0.8]]}, {kind: "note", text: "valid: false"}]);
same(likeliest([{probabilities: [0.2, 0.8]}, {label: "x", probability: 1}], ["x", "y"]),
  [["y", 0.8], ["x", 1]]);
same(likeliest([{probabilities: [0.2, 0.8]}, {text: "x"}], ["x", "y"]), null);
same(parts({tokens: ["Ada", "went", ""], tags: ["B-PER", "O", ""], start: [], end: []}, ["O"]),
  [{kind: "tokens", tokens: [["Ada", "B-PER"], ["went", "O"]]}]);
same(parts({text: "grown"}, null), [{kind: "text", text: "grown"}]);
same(parts({translation: "a", translations: ["a", "b"], score: 1, scores: [1, 2]}, null),
  [{kind: "text", text: "a"}, {kind: "note", text: "b (2.00)"}]);
same(parts({answer: [1, 2]}, null), [{kind: "note", text: "answer: [1,2]"}]);
const roll = [0, 1, 2, 3].map(() => Array(88).fill(0));
same(parts({roll}, null).map((part) => part.kind), ["roll"]);
same(sequences(">a b\\r\\nACG\\r\\nTT\\r\\n>c\\r\\nGG"), [["a b", "ACGTT"], ["c", "GG"]]);
same(sequences("a > b"), [["", "a > b"]]);
same(pieces("to be").map(([, without]) => without), [" be", null, "to "]);
same(pieces("ACGTACGT")[1], ["C", "ANGTACGT"]);
same(information(["AC", "AG"]).map((column) => column.map(([letter]) => letter)),
  [["A"], ["C", "G"]]);
same(information(["AAAC", "AAAG"])[0][0][1].toFixed(3), Math.log2(3).toFixed(3));
same(parts({labels: ["x", "y"], probabilities: [[1, 0], [0, 1]], label: ["x", "y"]}, null),
  [{kind: "curves", names: ["x", "y"], rows: [[1, 0], [0, 1]]}]);
same(parts({labels: ["x", "y"], probabilities: [0, 1], over_time: [[1, 0], [0, 1]]}, null)
  .map((part) => part.kind), ["bars", "curves"]);
same(picture({data: new Uint8Array([9, 9, 9, 255, 0, 0, 255, 255])}, 1, 1), [[[9]], [[29]]]);
same(mostFrames({shape: [null, null, 2, 3, 3]}, 1000), 10);
same(read("x", {dtype: "int32", shape: [null]}, "3"), 3);
"""


@pytest.mark.skipif(NODE is None, reason="there is no JavaScript outside of a browser")
def test_answers_become_what_tells_most(tmp_path):
    """Tags on words, bars of labels, a roll that is played, text as text."""
    (tmp_path / "page.js").write_text(script() + CHECKS)
    subprocess.run([NODE, str(tmp_path / "page.js")], check=True, timeout=60)
