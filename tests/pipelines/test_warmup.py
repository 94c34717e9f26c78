"""The warm-up file is what TensorFlow Serving reads, and what it replays are the real requests."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from pipelines import warmup

REQUESTS = {
    "serving_default": {
        "text": np.array(["wörld", b"\xff\x00", ""], dtype=object),
        "roll": np.arange(2 * 3 * 88, dtype="uint8").reshape(2, 3, 88),
        "temperature": np.array([0.5, np.inf], "float32"),
    },
    "stream": {"seed": np.array([-(2**31), 2**31 - 1], "int32")},
    "big": {"x": np.zeros((70, 5000), "float32")},  # lengths of more than two bytes
}


def parse(record):
    """The request as TensorFlow Serving's own protos read it."""
    log = prediction_log_pb2.PredictionLog.FromString(record)
    assert log.WhichOneof("log_type") == "predict_log"
    request = log.predict_log.request
    return request.model_spec, dict(request.inputs)


def same(stored, given):
    stored, given = np.asarray(stored), np.asarray(given)
    if given.dtype == object:
        given = np.array([tf.compat.as_bytes(each) for each in given], dtype=object)
    assert stored.dtype == given.dtype
    np.testing.assert_array_equal(stored, given)


@pytest.fixture
def written(tmp_path):
    warmup.write(tmp_path, "my-model", REQUESTS)
    return tmp_path


def test_protobuf_reads_what_was_written(written):
    file = written / "assets.extra" / "tf_serving_warmup_requests"
    records = list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
    for record, (signature, given) in zip(records, REQUESTS.items(), strict=True):
        spec, inputs = parse(record)
        assert (spec.name, spec.signature_name) == ("my-model", signature)
        assert set(inputs) == set(given)
        for key, value in given.items():
            same(tf.make_ndarray(inputs[key]), value)


def test_what_is_read_is_what_was_written(written):
    stored = warmup.read(written)
    assert list(stored) == list(REQUESTS)
    for signature, given in REQUESTS.items():
        assert set(stored[signature]) == set(given)
        for key, value in given.items():
            same(stored[signature][key], value)


def test_a_model_without_the_file_has_no_requests(tmp_path):
    assert warmup.read(tmp_path) == {}
