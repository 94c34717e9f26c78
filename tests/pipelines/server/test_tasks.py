"""Every task's export gives the same answers wherever it is asked."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from starlette.testclient import TestClient

import pipelines
from pipelines import bare_check, warmup
from pipelines.server.models import Models
from pipelines.server.rest import application
from tests import zoo
from tests.native import c_program


def as_json(value):
    """An array as a client would write it."""
    if value.dtype == object:
        return [as_json(each) if isinstance(each, np.ndarray) else each.decode() for each in value]
    return value.tolist()


def same(expected, received, name):
    """JSON has no empty axes, so an empty answer is only empty."""
    expected = np.asarray(expected)
    if expected.size == 0:
        assert np.asarray(received).size == 0
    elif expected.dtype == object:
        texts = [text.decode("utf-8", "replace") for text in expected.ravel()]
        assert texts == np.asarray(received, object).ravel().tolist(), name
    elif expected.dtype.kind == "f":
        np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5, err_msg=name)
    else:
        np.testing.assert_array_equal(received, expected, err_msg=name)


@pytest.mark.prove
@pytest.mark.parametrize("task", pipelines.TASKS)
def test_run_bare_process_c_program_and_server_agree(task, tmp_path, record_property):
    """For each task and signature: the export in this process, in a bare one, in a program in C,
    and the server in row and in column form."""
    sample = zoo.TASKS[task]
    data = sample.write(tmp_path) if sample.write else None
    run = pipelines.train(task, data=data, run=tmp_path / "run", **sample.settings)
    version = run.export(root=tmp_path / "models")
    model, asked = tf.saved_model.load(str(version)), warmup.read(version)
    bare = bare_check.answers(version, list(asked.items()))
    program = c_program.build(tmp_path) if c_program.COMPILER else None
    models = Models(tmp_path / "models", print)
    models.look()
    client = TestClient(application(models))
    path = f"/v1/models/{version.parent.name}:predict"
    for (signature, inputs), alone in zip(asked.items(), bare, strict=True):
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        answer = model.signatures[signature](**tensors)
        expected = {key: value.numpy() for key, value in answer.items()}
        given = {key: as_json(value) for key, value in inputs.items()}
        question = {"signature_name": signature, "inputs": given}
        columns = client.post(path, content=json.dumps(question)).json()["outputs"]
        rows = [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)]
        question = {"signature_name": signature, "instances": rows}
        predictions = client.post(path, content=json.dumps(question)).json()["predictions"]
        if len(expected) == 1:
            (name,) = expected
            columns, predictions = {name: columns}, [{name: row} for row in predictions]
        if program:
            native = c_program.answer(program, version, signature, inputs, tmp_path)
        for name, value in expected.items():
            place = f"{task} {signature} {name}"
            same(value, columns[name], place)
            same(value, [row[name] for row in predictions], place)
            if value.dtype != object:
                same(value, alone[name], place)
            if program and value.dtype != object:
                same(value, native[name], place)
            elif program:
                assert native[name].tolist() == value.tolist(), place
    record_property("signatures", len(asked))
