"""From JSON to tensors and back, by TensorFlow Serving's mapping.

A request is `{"instances": [row, ...]}` or `{"inputs": {name: tensor}}`, with a `signature_name`
where it is not `serving_default`. A row is an object, name to value; where there is one input, its
value alone. Bytes are `{"b64": text}`; NaN and Infinity are numbers. The answer is `predictions`, a
list with an entry a row, or `outputs`, an object of tensors; a single output goes without its name.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson
import tensorflow as tf

from pipelines.server.errors import RequestError
from pipelines.server.limits import Limits

Specs = Mapping[str, Mapping[str, Any]]
"""Of a signature's inputs: `{name: {"dtype": "float32", "shape": [None, 3]}}`."""

_KINDS = {
    str: "a string",
    dict: "an object",
    list: "a list",
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}
_FLOATS = ("float16", "float32", "float64")


@dataclass(frozen=True)
class Question:
    """A request as it was read: not yet tensors, because their types are the signature's."""

    signature: str
    form: Literal["instances", "inputs"]
    values: Any


def read(body: bytes) -> Question:
    """The parts of a request.

    Raises:
        RequestError: it is no JSON, or not of the form.
    """
    try:
        given = _parse(body)
    except RecursionError:
        raise RequestError("JSON Parse error: too many lists within lists.") from None
    except ValueError as error:
        raise RequestError(f"JSON Parse error: {error}") from None
    if not isinstance(given, dict):
        raise RequestError(f"expected a JSON object. Received: {_KINDS[type(given)]}.")
    signature = given.get("signature_name", "serving_default")
    if not isinstance(signature, str):
        raise RequestError(
            f"'signature_name' must be a string. Received: {_KINDS[type(signature)]}."
        )
    signature = signature or "serving_default"
    if "instances" in given and "inputs" in given:
        raise RequestError("expected either 'instances' or 'inputs'. Received: both.")
    if "instances" in given:
        rows = given["instances"]
        if not isinstance(rows, list) or not rows:
            received = "an empty one" if rows == [] else _KINDS[type(rows)]
            raise RequestError(f"'instances' must be a list of rows. Received: {received}.")
        return Question(signature, "instances", rows)
    if "inputs" in given:
        return Question(signature, "inputs", given["inputs"])
    raise RequestError("Missing 'inputs' or 'instances' key")


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)  # slower; it knows NaN and Infinity, and where an error is


def tensors(question: Question, specs: Specs, limits: Limits) -> dict[str, np.ndarray]:
    """The inputs of a signature from a request.

    Raises:
        RequestError: a name, type, shape or size does not fit.
    """
    columns = _columns(question, specs)
    arrays = {name: _tensor(name, columns[name], spec, limits) for name, spec in specs.items()}
    rows = {name: len(array) for name, array in arrays.items() if array.ndim}
    if max(rows.values(), default=1) > limits.rows:
        raise RequestError(
            f"a batch has at most {limits.rows} rows. Received: {max(rows.values())}."
        )
    if 0 in rows.values():
        raise RequestError("expected at least one row. Received: an empty batch.")
    for name, array in arrays.items():
        _check_steps(name, array, max(rows.values(), default=1), limits)
    return arrays


def _columns(question: Question, specs: Specs) -> dict[str, Any]:
    """A value an input, nested lists of the whole batch."""
    values, names = question.values, ", ".join(specs)
    if question.form == "inputs":
        if not isinstance(values, dict) or (_is_bytes(values) and "b64" not in specs):
            if len(specs) != 1:
                raise RequestError(
                    f"'inputs' must be an object of {names}. Received: {_KINDS[type(values)]}."
                )
            return dict.fromkeys(specs, values)
        # Others are passed over, as TensorFlow Serving does in this form.
        if absent := [name for name in specs if name not in values]:
            raise RequestError(
                f"Missing named input: {absent[0]} in 'inputs' object. Expected: {names}."
            )
        return values
    named = [isinstance(row, dict) and not _is_bytes(row) for row in values]
    if not any(named) and len(specs) == 1:
        return dict.fromkeys(specs, values)
    for number, row in enumerate(values):
        if not named[number] or row.keys() != specs.keys():
            received = ", ".join(map(str, row)) if named[number] else _KINDS[type(row)]
            raise RequestError(
                f"instance {number}: expected an object of {names}. "
                f"Received: {_short(received or 'an empty object')}."
            )
    return {name: [row[name] for row in values] for name in specs}


def _tensor(name: str, value: Any, spec: Mapping[str, Any], limits: Limits) -> np.ndarray:
    """Nested lists of equal lengths as an array of the type and shape that the model declares."""
    values: list[Any] = [value]
    sizes: list[int] = []
    while values and (kinds := set(map(type, values))) == {list}:
        lengths = set(map(len, values))
        if len(lengths) > 1:
            raise RequestError(
                f"input {name!r}: lists of different lengths, {min(lengths)} and {max(lengths)}, "
                f"at depth {len(sizes)}. Pad them, or send them one by one."
            )
        sizes.append(lengths.pop())
        values = list(itertools.chain.from_iterable(values))
    _check_shape(name, sizes, spec["shape"], limits)
    if values and list in kinds:
        raise RequestError(f"input {name!r}: lists beside single values at depth {len(sizes)}.")
    return _flat(name, values, spec["dtype"], limits).reshape(sizes)


def _check_shape(
    name: str, sizes: list[int], shape: list[int | None] | None, limits: Limits
) -> None:
    if shape is None:
        shape = [None] * len(sizes)
    fits = len(sizes) == len(shape) and all(
        declared in (None, size) for size, declared in zip(sizes, shape, strict=True)
    )
    if not fits:
        expected = ", ".join("?" if size is None else str(size) for size in shape)
        raise RequestError(
            f"input {name!r}: expected shape ({expected}). "
            f"Received: ({', '.join(map(str, sizes))})."
        )
    for size, declared in zip(sizes[1:], shape[1:], strict=True):
        if declared is None and size > limits.length:
            raise RequestError(f"input {name!r}: at most {limits.length} steps. Received: {size}.")


def _flat(name: str, values: list[Any], dtype: str, limits: Limits) -> np.ndarray:
    if dtype == "string":
        return _strings(name, values, limits)
    if dtype not in _FLOATS and dtype != "bool" and "int" not in dtype:
        raise RequestError(f"input {name!r}: {dtype} cannot be given as JSON.", status=501)
    allowed = {bool} if dtype == "bool" else {int, float} if dtype in _FLOATS else {int}
    if not set(map(type, values)) <= allowed:
        wrong = next(value for value in values if type(value) not in allowed)
        raise RequestError(f"input {name!r}: expected {dtype}. Received: {_shown(wrong)}.")
    try:
        if dtype in _FLOATS:
            return _floats(values, dtype)
        return np.array(values, dtype)
    except OverflowError:
        raise RequestError(f"input {name!r}: a number is too large for {dtype}.") from None


def _floats(values: list[Any], dtype: str) -> np.ndarray:
    """Numbers as `dtype`; what it cannot hold is an OverflowError, as in TensorFlow Serving: a
    finite number beyond its range, or a whole one beyond those that it tells apart."""
    wide = np.array(values, np.float64)
    largest = np.max(np.abs(wide), initial=0, where=np.isfinite(wide))
    whole = 2 ** (np.finfo(dtype).nmant + 1) - 1
    if largest > np.finfo(dtype).max:
        raise OverflowError
    if largest > whole and any(type(each) is int and abs(each) > whole for each in values):
        raise OverflowError
    return wide.astype(dtype)


def _strings(name: str, values: list[Any], limits: Limits) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = [_bytes(name, value) for value in values]
    longest = max(map(len, array), default=0)
    if longest > limits.length:
        raise RequestError(
            f"input {name!r}: a string has at most {limits.length} bytes. Received: {longest}."
        )
    if longest * len(array) > limits.padded:
        raise RequestError(
            f"input {name!r}: {len(array)} strings, the longest of {longest} bytes, are padded to "
            f"more than {limits.padded}. Send long ones in smaller batches."
        )
    return array


def _bytes(name: str, value: Any) -> bytes:
    try:
        if isinstance(value, str):
            return value.encode()
        if _is_bytes(value):
            return base64.b64decode(value["b64"], validate=True)
        if isinstance(value, dict) and "b64" in value:
            raise RequestError(
                f'input {name!r}: an object of bytes has "b64", a string, and no other key. '
                f"Received: {_short(', '.join(value))}."
            )
    except (binascii.Error, ValueError) as error:  # half of a surrogate pair is a ValueError
        raise RequestError(f"input {name!r}: {error}. Received: {_shown(value)}.") from None
    raise RequestError(
        f'input {name!r}: expected a string or {{"b64": text}}. Received: {_shown(value)}.'
    )


def _is_bytes(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def _check_steps(name: str, array: np.ndarray, rows: int, limits: Limits) -> None:
    """Of an input that says how many steps the model is to make."""
    if name.endswith("length") and array.dtype.kind in "iu" and array.size:
        steps = int(array.max())
        if steps > limits.length or steps * rows > limits.padded:
            raise RequestError(
                f"input {name!r}: at most {limits.length} steps, and {limits.padded} in a batch. "
                f"Received: {steps} for {rows} rows."
            )


def _shown(value: Any) -> str:
    return f"{_short(json.dumps(value))}, {_KINDS[type(value)]}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


# --- answers --------------------------------------------------------------------------------------


def write(outputs: Mapping[str, np.ndarray], form: Literal["instances", "inputs"]) -> bytes:
    """The JSON of a signature's outputs, in the form of the question.

    Raises:
        RequestError: the outputs are not rows of one batch, and rows were asked for.
    """
    plain = {name: _plain(name, array) for name, array in outputs.items()}
    answer: Any = plain if len(plain) > 1 else next(iter(plain.values()))
    if form == "instances":
        sizes = {array.shape[:1] for array in outputs.values()}
        if len(sizes) > 1 or () in sizes:
            raise RequestError("the outputs are not rows of one batch. Ask with 'inputs'.")
        if len(plain) > 1:
            answer = [
                dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)
            ]
    whole = {"predictions" if form == "instances" else "outputs": answer}
    if all(np.isfinite(array).all() for array in outputs.values() if array.dtype.kind == "f"):
        return orjson.dumps(whole, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(whole, default=lambda array: array.tolist()).encode()  # with NaN as NaN


def _plain(name: str, array: np.ndarray) -> Any:
    """What the writers of JSON know: arrays of numbers, lists of strings. A name in `_bytes` asks
    for base64."""
    if array.dtype == object:
        texts = np.empty(array.size, object)
        texts[:] = [
            {"b64": base64.b64encode(value).decode()}
            if name.endswith("_bytes")
            else value.decode("utf-8", "replace")
            for value in map(tf.compat.as_bytes, array.ravel())
        ]
        return texts.reshape(array.shape).tolist()
    if array.dtype.kind == "V":  # bfloat16, which NumPy does not know by itself
        array = array.astype(np.float32)
    return np.ascontiguousarray(array)
