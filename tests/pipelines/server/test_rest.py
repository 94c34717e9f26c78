"""A client of TensorFlow Serving's REST interface gets here what it gets there."""

from __future__ import annotations

import base64
import json
import math

import numpy as np
import pytest
import tensorflow as tf

RANDOM = np.random.default_rng(5)


@pytest.fixture(scope="module")
def direct(root):
    """The signatures called as TensorFlow calls them."""
    model = tf.saved_model.load(str(root / "toy" / "3"))

    def direct(signature, **inputs):
        answer = model.signatures[signature](**{k: tf.constant(v) for k, v in inputs.items()})
        return {name: value.numpy() for name, value in answer.items()}

    direct.model = model
    return direct


def batch(rows):
    return {
        "x": RANDOM.normal(size=(rows, 5, 2)).astype("float32"),
        "length": RANDOM.integers(1, 6, rows).astype("int32"),
    }


# --- predict -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 32])
def test_rows_and_columns_are_the_direct_call(rows, ask, direct):
    inputs = batch(rows)
    expected = direct("serving_default", **inputs)
    plain = {name: value.tolist() for name, value in inputs.items()}
    status, columns = ask({"inputs": plain})
    assert (status, set(columns), set(columns["outputs"])) == (200, {"outputs"}, {"score", "best"})
    np.testing.assert_allclose(columns["outputs"]["score"], expected["score"], rtol=1e-5)
    assert columns["outputs"]["best"] == expected["best"].tolist()
    instances = [{name: plain[name][row] for name in plain} for row in range(rows)]
    status, answer = ask({"instances": instances, "signature_name": "serving_default"})
    assert (status, set(answer), len(answer["predictions"])) == (200, {"predictions"}, rows)
    for row, prediction in enumerate(answer["predictions"]):
        assert prediction == {name: columns["outputs"][name][row] for name in ("score", "best")}


def test_a_row_alone_gets_what_it_gets_beside_others(ask):
    inputs = {name: value.tolist() for name, value in batch(7).items()}
    together = ask({"inputs": inputs})[1]["outputs"]["score"]
    for row in range(7):
        alone = ask({"inputs": {name: value[row : row + 1] for name, value in inputs.items()}})
        np.testing.assert_allclose(alone[1]["outputs"]["score"][0], together[row], rtol=1e-5)


def test_a_single_input_and_a_single_output_go_without_names(ask):
    asked = {"signature_name": "words"}
    assert ask({**asked, "instances": ["ab", "é"]}) == (200, {"predictions": ["AB", "É"]})
    assert ask({**asked, "inputs": ["ab", "é"]}) == (200, {"outputs": ["AB", "É"]})
    assert ask({**asked, "inputs": {"text": ["ab"]}}) == (200, {"outputs": ["AB"]})
    assert ask({**asked, "instances": [{"text": "ab"}]}) == (200, {"predictions": ["AB"]})


def test_bytes_travel_as_base64_both_ways(ask):
    content = bytes(range(256))
    text = base64.b64encode(content).decode()
    asked = {"signature_name": "pixels"}
    expected = {"same_bytes": {"b64": text}, "size": 256}
    assert ask({**asked, "instances": [{"b64": text}]}) == (200, {"predictions": [expected]})
    assert ask({**asked, "instances": [{"image_bytes": {"b64": text}}]})[1] == {
        "predictions": [expected]
    }
    answer = ask({**asked, "inputs": {"image_bytes": [{"b64": text}, "a"]}})[1]["outputs"]
    assert answer == {"same_bytes": [{"b64": text}, {"b64": "YQ=="}], "size": [256, 1]}


def test_every_type_keeps_its_values(ask):
    asked = {
        "flag": [True, False],
        "small": [[0, 255], [1, 2]],
        "large": [-(2**63), 2**63 - 1],
        "wide": [0.1, -1e300],
    }
    status, answer = ask({"signature_name": "kinds", "inputs": asked})
    assert (status, answer["outputs"]) == (200, {**asked, "flag": [False, True]})


def test_floats_are_written_as_short_as_they_are(client):
    answer = client.post(
        "/v1/models/toy:predict", json={"signature_name": "double", "instances": [0.1, 2]}
    )
    assert answer.text == '{"predictions":[0.2,4.0]}'
    assert answer.headers["content-type"] == "application/json"


def test_nan_and_infinity_are_numbers(ask):
    status, answer = ask(b'{"signature_name": "double", "inputs": [NaN, Infinity, -Infinity, 1]}')
    assert status == 200
    assert math.isnan(answer["outputs"][0])
    assert answer["outputs"][1:] == [math.inf, -math.inf, 2]


def test_more_names_than_needed_are_passed_over_in_columns_alone(ask):
    """TensorFlow Serving does so; a row must name its inputs exactly."""
    asked = {"signature_name": "double"}
    assert ask({**asked, "inputs": {"x": [1], "z": "?"}}) == (200, {"outputs": [2.0]})
    status, answer = ask({**asked, "instances": [{"x": 1, "z": "?"}]})
    assert status == 400
    assert "expected an object of x. Received: x, z" in answer["error"]


# --- status and metadata -------------------------------------------------------------------------


def test_status(client):
    served = {"version": "3", "state": "AVAILABLE"}
    served["status"] = {"error_code": "OK", "error_message": ""}
    for path in ("/v1/models/toy", "/v1/models/toy/versions/3", "/V1/MODELS/toy"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"model_version_status": [served]})


def test_metadata_is_that_of_the_saved_model(client):
    for path in ("/v1/models/toy/metadata", "/v1/models/toy/versions/3/metadata"):
        answer = client.get(path).json()
        spec = {"name": "toy", "signature_name": "", "version": "3"}
        assert answer["model_spec"] == spec
        signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
        assert signature["method_name"] == "tensorflow/serving/predict"
        sizes = [{"size": size, "name": ""} for size in ("-1", "-1", "2")]
        assert signature["inputs"]["x"] == {
            "name": "serving_default_x:0",
            "dtype": "DT_FLOAT",
            "tensor_shape": {"dim": sizes, "unknown_rank": False},
        }


def test_a_version_may_be_asked_for(ask):
    question = {"signature_name": "which", "inputs": [0]}
    expected = (200, {"outputs": {"version": [3], "x": [0]}})
    assert ask(question, "/v1/models/toy/versions/3:predict") == expected
    status, answer = ask(question, "/v1/models/toy/versions/2:predict")
    assert (status, answer) == (404, {"error": "Servable not found for request: Specific(toy, 2)"})


# --- what is refused -----------------------------------------------------------------------------

ONE = [[0.0, 0.0]]
REFUSED = [
    (b"", 400, "JSON Parse error"),
    (b'{"inputs": [1', 400, "JSON Parse error"),
    (b"\xff\xfe", 400, "JSON Parse error"),
    (b"[" * 100_000, 400, "JSON Parse error: too many lists"),
    (b'{"inputs": ' + b"9" * 5000 + b"}", 400, "error"),
    (b"[]", 400, "expected a JSON object. Received: a list"),
    ({}, 400, "Missing 'inputs' or 'instances' key"),
    ({"inputs": {}, "instances": []}, 400, "either 'instances' or 'inputs'"),
    ({"instances": []}, 400, "a list of rows. Received: an empty one"),
    ({"instances": {"x": ONE}}, 400, "a list of rows. Received: an object"),
    ({"instances": [1]}, 400, "instance 0: expected an object of length, x. Received: a whole"),
    ({"instances": [{"x": ONE}]}, 400, "instance 0: expected an object of length, x. Received: x."),
    ({"instances": [{}]}, 400, "Received: an empty object"),
    ({"inputs": [1]}, 400, "'inputs' must be an object of length, x. Received: a list"),
    ({"inputs": {"x": [ONE], "lenght": [1]}}, 400, "Missing named input: length"),
    ({"inputs": {"x": [], "length": []}}, 400, "'x': expected shape (?, ?, 2). Received: (0)"),
    ({"inputs": {"x": [[["a", 1]]], "length": [1]}}, 400, 'expected float32. Received: "a", a str'),
    ({"inputs": {"x": [[[True, 1]]], "length": [1]}}, 400, "expected float32. Received: true"),
    ({"inputs": {"x": [[[None, 1]]], "length": [1]}}, 400, "Received: null, null"),
    ({"inputs": {"x": [ONE], "length": [1.5]}}, 400, "expected int32. Received: 1.5, a number"),
    ({"inputs": {"x": [ONE], "length": [2**40]}}, 400, "a number is too large for int32"),
    ({"inputs": {"x": [[[1e39, 0]]], "length": [1]}}, 400, "a number is too large for float32"),
    ({"inputs": {"x": [[[2**24, 0]]], "length": [1]}}, 400, "a number is too large for float32"),
    ({"inputs": {"x": ONE, "length": [1]}}, 400, "expected shape (?, ?, 2). Received: (1, 2)"),
    ({"inputs": {"x": [[[1.0]]], "length": [1]}}, 400, "(?, ?, 2). Received: (1, 1, 1)"),
    ({"inputs": {"x": [ONE, ONE * 2], "length": [1, 2]}}, 400, "lists of different lengths, 1 and"),
    ({"inputs": {"x": [ONE, 1], "length": [1, 2]}}, 400, "'x'"),
    ({"inputs": {"x": [ONE], "length": [10**6]}}, 400, "at most 100000 steps"),
    ({"inputs": {"x": [ONE, ONE], "length": [1, 1, 1]}}, 400, "ncompatible shapes"),
    ({"signature_name": 3, "inputs": 1}, 400, "'signature_name' must be a string"),
    ({"signature_name": "nope", "inputs": 1}, 400, '"nope" not found in signature def. Known: '),
    ({"signature_name": "double", "instances": [0] * 1025}, 400, "at most 1024 rows"),
    ({"signature_name": "double", "inputs": []}, 400, "at least one row"),
    ({"signature_name": "words", "inputs": [1]}, 400, "expected a string"),
    ({"signature_name": "words", "inputs": [{"b64": "=="}]}, 400, "input 'text'"),
    ({"signature_name": "words", "inputs": [{"b64": "YQ==", "x": 1}]}, 400, "no other key"),
    ({"signature_name": "words", "inputs": ["a" * 10**6]}, 400, "at most 100000 bytes"),
    ({"signature_name": "words", "inputs": ["a" * 9000] + ["b"] * 500}, 400, "smaller batches"),
    (b'{"signature_name": "words", "inputs": ["\\ud800"]}', 400, "surrogates not allowed"),
    (b'{"signature_name": "words", "inputs": ["' + b"a" * 2**24 + b'"]}', 413, "16777216 bytes"),
    ({"signature_name": "positive", "inputs": [-1]}, 400, "x must be above 0"),
    ({"signature_name": "total", "instances": [1]}, 400, "not rows of one batch"),
]


@pytest.mark.parametrize(("question", "status", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_answered_is_refused_in_words(question, status, words, ask):
    got, answer = ask(question)
    assert got == status, answer
    assert set(answer) == {"error"}
    assert words in answer["error"]
    assert "\n" not in answer["error"]
    assert len(answer["error"]) < 400


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/v1/models/half:predict", 404, "Servable not found for request: Latest(half)"),
        ("GET", "/v1/models/half", 404, "Could not find any versions of model half"),
        ("GET", "/v1/models/toy/versions/9", 404, "Could not find version 9 of model toy"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/half/metadata", 404, "Latest(half)"),
        ("GET", "/v1/models/toy:predict", 400, "Malformed request: GET /v1/models/toy:predict"),
        ("POST", "/v1/models/toy", 400, "Malformed request: POST /v1/models/toy"),
        ("DELETE", "/v1/models/toy", 400, "Malformed request: DELETE"),
        ("BREW", "/v1/models/toy", 400, "Malformed request: BREW"),
        ("POST", "/v1/models/toy:classify", 400, "no signature has the method classify"),
        ("POST", "/v1/models/toy/labels/best:predict", 400, "version label: best"),
        ("GET", f"/v1/models/toy/versions/{'9' * 5000}", 400, "Failed to convert version"),
        ("GET", "/v1/models/..%2f..%2fetc%2fpasswd", 400, "Malformed request"),
        ("GET", "/v1/models/%2e%2e", 404, "Could not find any versions of model .."),
        ("GET", "/", 404, "Models are under /v1/models/NAME"),
    ],
)
def test_paths_that_are_none(method, path, status, words, client):
    answer = client.request(method, path, content=b'{"inputs": 1}')
    assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text


def test_an_error_is_json_with_the_name_error(client):
    answer = client.post("/v1/models/toy:predict", content=b"")
    assert answer.headers["content-type"] == "application/json"
    assert list(json.loads(answer.text)) == ["error"]
