"""An export answers a program in C, in a process without Python."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from pipelines import warmup
from tests.native import c_program
from tests.pipelines.server.served import NAMES, REQUESTS, write

pytestmark = pytest.mark.skipif(c_program.COMPILER is None, reason="there is no C compiler")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return c_program.build(tmp_path_factory.mktemp("program"))


def test_it_says_what_tensorflow_says_in_python(program, tmp_path):
    """Numbers, strings and named outputs."""
    version = write(tmp_path, 1)
    model = tf.saved_model.load(str(version))
    asked = warmup.read(version)
    assert asked.keys() == REQUESTS.keys() < set(NAMES)
    for signature, inputs in asked.items():
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        expected = model.signatures[signature](**tensors)
        received = c_program.answer(program, version, signature, inputs, tmp_path)
        assert received.keys() == expected.keys()
        for key, value in received.items():
            if value.dtype == object:
                assert value.tolist() == expected[key].numpy().tolist()
            else:
                np.testing.assert_allclose(value, expected[key], rtol=1e-5)
