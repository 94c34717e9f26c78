"""Warm-up requests: the file that TensorFlow Serving replays before it lets clients in.

A TFRecord of `PredictionLog` messages. TensorFlow Serving's own protos come in the package
tensorflow-serving-api, which nothing else here needs, and all that is needed of them is this
nesting, field by field; the tests read the file with the package:

    PredictionLog.predict_log = 6 > PredictLog.request = 1 > PredictRequest
    PredictRequest.model_spec = 1 > ModelSpec.name = 1, ModelSpec.signature_name = 3
    PredictRequest.inputs = 2     > map entry: key = 1, value (TensorProto) = 2
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

PLACE = Path("assets.extra") / "tf_serving_warmup_requests"

Inputs = Mapping[str, tf.Tensor]


def write(model_dir: Path, name: str, requests: Mapping[str, Inputs]) -> None:
    """Stores a request a signature, `{signature: {input: batch}}`, for the model `name`."""
    file = model_dir / PLACE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for signature, inputs in requests.items():
            writer.write(_prediction_log(name, signature, inputs))


def read(model_dir: Path) -> dict[str, dict[str, np.ndarray]]:
    """The stored requests, `{signature: {input: batch}}`; none when there is no file."""
    file = model_dir / PLACE
    if not file.exists():
        return {}
    return dict(
        _request(record) for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    )


def _prediction_log(name: str, signature: str, inputs: Inputs) -> bytes:
    request = _field(1, _field(1, name.encode()) + _field(3, signature.encode()))
    for key, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(2, _field(1, key.encode()) + _field(2, tensor))
    return _field(6, _field(1, request))


def _request(record: bytes) -> tuple[str, dict[str, np.ndarray]]:
    request = dict(_fields(dict(_fields(record))[6]))[1]
    signature, inputs = "serving_default", {}
    for number, value in _fields(request):
        parts = dict(_fields(value))
        if number == 1 and 3 in parts:
            signature = parts[3].decode()
        elif number == 2:
            inputs[parts[1].decode()] = tf.make_ndarray(TensorProto.FromString(parts[2]))
    return signature, inputs


# --- protobuf's wire format, for fields that carry their length (type 2) --------------------------


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while position < len(message):
        number, kind = divmod(varint(), 8)
        if kind != 2:
            raise ValueError(
                f"expected a field that carries its length. Received: wire type {kind}."
            )
        size = varint()
        yield number, message[position : position + size]
        position += size
