"""Every task's answers are the same at every door, whatever stands beside the question."""

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


def same(expected, received, place):
    """JSON has no empty axes, so an empty answer is only empty."""
    expected, received = np.asarray(expected), np.asarray(received)
    if expected.size == 0:
        assert received.size == 0, place
    elif expected.dtype == object:
        assert texts(expected) == texts(received), place
    elif expected.dtype.kind == "f":
        np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5, err_msg=place)
    else:
        np.testing.assert_array_equal(received, expected, err_msg=place)


def texts(array):
    return [tf.compat.as_bytes(text).decode("utf-8", "replace") for text in array.ravel()]


def same_rows(expected, received, rows, place):
    """Row k of what was received is row `rows[k]` of what is expected, but for padding: what longer
    neighbours add."""
    for name, value in expected.items():
        value, other = np.asarray(value)[rows], np.asarray(received[name])
        if value.ndim > 1 and other.ndim == value.ndim:
            common = tuple(map(slice, np.minimum(value.shape, other.shape)))
            value, other = value[common], other[common]
        same(value, other, f"{place} {name}")


class Doors:
    """One export, asked at every door; an answer is `{output: value}`."""

    def __init__(self, run, folder):
        self.version = run.export(root=folder / "models")
        self.live = run.task.served(run.model).endpoints
        self.loaded = tf.saved_model.load(str(self.version))
        self.program = c_program.build(folder) if c_program.COMPILER else None
        models = Models(folder / "models", print)
        models.look()
        self.client = TestClient(application(models))
        self.folder = folder

    def run(self, signature, inputs):
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        answer = self.live[signature].function(**tensors)
        return {key: value.numpy() for key, value in answer.items()}

    def here(self, signature, inputs):
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        answer = self.loaded.signatures[signature](**tensors)
        return {key: value.numpy() for key, value in answer.items()}

    def native(self, signature, inputs):
        return c_program.answer(self.program, self.version, signature, inputs, self.folder)

    def columns(self, signature, inputs):
        given = {key: as_json(value) for key, value in inputs.items()}
        outputs = self._ask({"signature_name": signature, "inputs": given})["outputs"]
        names = self.loaded.signatures[signature].structured_outputs
        return outputs if len(names) > 1 else {next(iter(names)): outputs}

    def rows(self, signature, inputs):
        given = {key: as_json(value) for key, value in inputs.items()}
        rows = [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)]
        found = self._ask({"signature_name": signature, "instances": rows})["predictions"]
        names = self.loaded.signatures[signature].structured_outputs
        if len(names) == 1:
            return {next(iter(names)): found}
        return {name: [row[name] for row in found] for name in names}

    def _ask(self, question):
        path = f"/v1/models/{self.version.parent.name}:predict"
        answer = self.client.post(path, content=json.dumps(question))
        assert answer.status_code == 200, answer.text
        return answer.json()


def check_doors(task, folder):
    """Returns how many signatures were asked."""
    sample = zoo.TASKS[task]
    data = sample.write(folder) if sample.write else None
    doors = Doors(pipelines.train(task, data=data, run=folder / "run", **sample.settings), folder)
    asked = warmup.read(doors.version)
    bare = bare_check.answers(doors.version, list(asked.items()))
    for (signature, inputs), alone in zip(asked.items(), bare, strict=True):
        place = f"{task} {signature}"
        expected = doors.here(signature, inputs)
        others = [doors.run, doors.columns, doors.rows, *([doors.native] if doors.program else [])]
        answers = {door.__name__: door(signature, inputs) for door in others}
        for door, answer in {**answers, "a bare process": alone}.items():
            assert answer.keys() == expected.keys(), f"{place} {door}"
            for name, value in expected.items():
                same(value, answer[name], f"{place} {name}, {door}")
        count = len(next(iter(inputs.values())))
        batches = [[k] for k in range(count)]  # alone, among others, with copies of themselves
        batches += [list(range(count))[::-1], [k % count for k in range(3 * count + 1)], [0] * 5]
        for rows in batches:
            batch = {key: value[rows] for key, value in inputs.items()}
            for door in (doors.here, doors.columns, doors.rows):
                received = door(signature, batch)
                same_rows(expected, received, rows, f"{place}, rows {rows}, {door.__name__}")
    return len(asked)


@pytest.mark.prove
@pytest.mark.parametrize("task", pipelines.TASKS)
def test_an_answer_is_the_same_at_every_door(task, tmp_path, record_property):
    """The run, its export here, in a bare process and in a program in C, the server in rows and in
    columns; a row alone, in other places, and beside other neighbours."""
    record_property("signatures", check_doors(task, tmp_path))
