"""The warm-up file is what TensorFlow Serving reads, and what it replays are the real requests."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.framework.tensor_pb2 import TensorProto

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
    """The message as protobuf itself reads it, given TensorFlow Serving's field numbers."""
    file = descriptor_pb2.FileDescriptorProto(name="prediction_log.proto", syntax="proto3")
    shape = {
        "PredictionLog": [("predict_log", 6, "PredictLog")],
        "PredictLog": [("request", 1, "PredictRequest")],
        "PredictRequest": [("model_spec", 1, "ModelSpec"), ("inputs", 2, "Entry")],
        "ModelSpec": [("name", 1, str), ("signature_name", 3, str)],
        "Entry": [("key", 1, str), ("value", 2, bytes)],
    }
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in shape.items():
        described = file.message_type.add(name=message)
        for name, number, kind in fields:
            field = described.field.add(name=name, number=number)
            repeated = kind == "Entry"
            field.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if isinstance(kind, str):
                field.type, field.type_name = kinds.TYPE_MESSAGE, kind
            else:
                field.type = kinds.TYPE_STRING if kind is str else kinds.TYPE_BYTES
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    log = message_factory.GetMessageClass(pool.FindMessageTypeByName("PredictionLog"))()
    assert log.ParseFromString(record) == len(record)
    request = log.predict_log.request
    inputs = {entry.key: TensorProto.FromString(entry.value) for entry in request.inputs}
    return request.model_spec, inputs


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


@pytest.mark.prove
def test_tensorflow_servings_own_protos_read_it(written, record_property):
    """Needs the package tensorflow-serving-api, which brings a whole TensorFlow for its protos."""
    protos = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    file = written / "assets.extra" / "tf_serving_warmup_requests"
    records = list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
    for record, (signature, given) in zip(records, REQUESTS.items(), strict=True):
        log = protos.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.signature_name == signature
        for key, value in given.items():
            same(tf.make_ndarray(request.inputs[key]), value)
    record_property("requests", len(records))
