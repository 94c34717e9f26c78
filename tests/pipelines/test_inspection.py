"""What `rnnkit inspect` says of an export is what is in it."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import tensorflow as tf

from pipelines import warmup
from pipelines.errors import UserError
from pipelines.inspection import inspect
from pipelines.versions import versions


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Versions 2 and 10 of a model with a loop, 12 weights and a counter that is no weight."""
    folder = tmp_path_factory.mktemp("models") / "toy"
    for number in (2, 10):
        module = tf.Module()
        module.w = tf.Variable(np.ones((3, 4), "float32"))
        module.count = tf.Variable(7)

        @tf.function(input_signature=[tf.TensorSpec((None, 3), name="x"), tf.TensorSpec([None])])
        def serve(x, scale, module=module):
            add = lambda i, y: (i + 1, y + tf.sin(scale)[:, None])
            _, y = tf.while_loop(lambda i, _: i < module.count, add, (0, x @ module.w))
            return {"y": y}

        path = folder / str(number)
        tf.saved_model.save(module, str(path), signatures={"serving_default": serve})
        inputs = {"x": np.ones((5, 3), "float32"), "scale": np.ones(5, "float32")}
        warmup.write(path, "toy", {"serving_default": inputs, "gone": inputs})
    (folder / ".draft-1").mkdir()
    return folder


@pytest.fixture(scope="module")
def seen(folder):
    return inspect(folder)


def test_the_folder_of_a_model_means_its_newest_version(folder, seen):
    """10 is newer than 2, and drafts are none."""
    assert versions(folder) == [2, 10]
    assert seen["path"] == str(folder / "10")
    assert inspect(folder / "2")["path"] == str(folder / "2")


def test_signatures_have_names_types_and_shapes(seen):
    assert seen["signatures"] == {
        "serving_default": {
            "inputs": {
                "scale": {"dtype": "float32", "shape": [None]},
                "x": {"dtype": "float32", "shape": [None, 3]},
            },
            "outputs": {"y": {"dtype": "float32", "shape": [None, 4]}},
        }
    }


def test_only_weights_count_as_parameters(seen):
    assert seen["parameters"] == 12


def test_operations_of_inner_functions_count_and_those_of_saving_do_not(seen):
    operations = seen["operations"]
    assert operations["While"] + operations.get("StatelessWhile", 0) == 1
    assert (operations["Sin"], operations["MatMul"]) == (1, 1)
    assert not {"SaveV2", "RestoreV2", "AssignVariableOp"} & set(operations)
    assert list(operations.values()) == sorted(operations.values(), reverse=True)


def test_every_operation_says_where_it_can_run(seen):
    """What a machine without our hardware can show of portability."""
    found = seen["kernels"]
    assert found.keys() == seen["operations"].keys()
    assert found["MatMul"]["cpu"] is found["MatMul"]["xla"] is True
    assert all(row["cpu"] and not row["core"] for row in found.values())  # it has no core


def test_size_is_that_of_all_files(folder, seen):
    sizes = [
        os.path.getsize(os.path.join(place, name))
        for place, _, names in os.walk(folder / "10")
        for name in names
    ]
    assert seen["size_bytes"] == sum(sizes)


def test_latency_is_measured_on_the_stored_request(seen):
    assert set(seen["latency"]) == {"serving_default"}
    latency = seen["latency"]["serving_default"]
    assert latency["rows"] == 5
    assert 1 <= latency["runs"] <= 20
    assert latency["median_ms"] > 0


def test_the_answer_is_json(seen):
    assert json.loads(json.dumps(seen)) == seen


def test_without_requests_no_latency(folder, tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path))
    seen = inspect(tmp_path)
    assert (seen["latency"], seen["parameters"], seen["signatures"]) == ({}, 0, {})


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (None, "a folder without it"),
        (b"", "a damaged one"),
        (b"no protocol buffer at all", "a damaged one"),
    ],
)
def test_no_saved_model_is_one_clear_line(content, received, tmp_path):
    if content is not None:
        (tmp_path / "saved_model.pb").write_bytes(content)
    expected = rf"expected a SavedModel.* Received: {received}\. .*rnnkit export RUN"
    with pytest.raises(UserError, match=expected) as caught:
        inspect(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"expected a SavedModel.* Received: no such folder"):
        inspect(tmp_path / "nowhere")


def test_a_model_with_lost_weights_is_one_clear_line(folder, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes((folder / "2" / "saved_model.pb").read_bytes())
    inputs = {"x": np.ones((5, 3), "float32"), "scale": np.ones(5, "float32")}
    warmup.write(tmp_path / "1", "toy", {"serving_default": inputs})
    with pytest.raises(UserError, match="does not load") as caught:
        inspect(tmp_path)
    assert "\n" not in str(caught.value)
