"""Export: from a trained model to a folder that a server loads, seen to work before it is there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from pipelines import curl, kernels, onnx_core, portability, saved_graph, warmup
from pipelines.errors import UserError
from pipelines.export_check import check_answers, check_core
from pipelines.saved_graph import CORE
from pipelines.task import Endpoint, Served, Tensors
from pipelines.versions import draft, publish, versions, writing

# TensorFlow Serving's own padding repeats a row's first element: wrong for sequences, so it is off
# and only requests of equal lengths share a batch.
BATCHING = """\
max_batch_size { value: 32 }
batch_timeout_micros { value: 1000 }
max_enqueued_batches { value: 100 }
pad_variable_length_inputs: false
"""

ONNX_NOTE = """
`core.onnx` is the numeric part for ONNX Runtime, numbers in and numbers out: what the SavedModel
does with texts and names around it is up to its caller.

    session = onnxruntime.InferenceSession("core.onnx")
    for each in [*session.get_inputs(), *session.get_outputs()]:
        print(each.name, each.type, each.shape)
    session.run(None, {name: numpy_array, ...})
"""

Requests = Mapping[str, Mapping[str, Any]]
Function = Callable[[Tensors], Tensors]


def export(
    served: Served,
    requests: Requests,
    *,
    root: str | PathLike[str],
    name: str,
    card: str,
    labels: Sequence[str] | None = None,
    force: bool = False,
    onnx: bool = False,
) -> Path:
    """Writes the next version of a served model, `root/name/<version>/`, and returns its path.

    The version holds the SavedModel, with a signature an endpoint and `served.core` under the
    function alias `tpu_func`; warm-up requests; `batching_parameters.txt`; `client.py` and
    `client.sh`, which ask with TensorFlow and over HTTP; the model card with the signatures,
    `README.md`; and `signature.json`, labels and signatures for programs. It is written beside its
    place and renamed after these checks, so that an export that failed or was killed never has a
    version number:

    - the graph holds nothing that `pipelines.portability` refuses, every operation has a kernel
      (`pipelines.kernels`), and its endpoints call the core;
    - the core, compiled by XLA for `served.core_inputs`, computes what it computes without;
    - a fresh process with TensorFlow alone, on the CPU, answers `requests` like the live model;
    - a row gets the same answer in a batch of its own copies as beside the others;
    - ONNX Runtime computes what the core does, where ONNX is asked for.

    Args:
        served: what `Task.served` gave.
        requests: real inputs an endpoint, what `Task.requests` gave. Of `stream`, states that
            `stream_init` gives may be left out: they are taken from its first step.
        root: the folder of all served models.
        name: the model's name, by which clients call it.
        card: text of the model card, Markdown.
        labels: what the indices in the answers mean, if there are any. Default: None.
        force: True follows a version with other signatures or labels, whose clients will break.
            Default: False.
        onnx: True writes the core as `core.onnx` too, see `pipelines.onnx_core`. Default: False.

    Raises:
        UserError: the place cannot be written, the last version differs, the graph is refused, or
            the core cannot be translated to ONNX.
        ValueError, RuntimeError: `served` breaks the contract, or a check found other answers.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f"--name must be of letters, digits, '_', '-' and '.'. Received: {name!r}.")
    _check_shapes(served)
    folder = Path(root) / name
    with draft(folder) as place:
        live = _write_model(served, place)
        graph = saved_graph.read(place)
        portability.check(graph)
        kernels.check(graph, CORE)
        _check_alias(graph)
        description = {
            "labels": None if labels is None else list(labels),
            "rate": served.rate,
            "signatures": saved_graph.signatures(graph),
        }
        if versions(folder) and not force:
            _refuse_change(folder / str(versions(folder)[-1]), description)
        inputs = _inputs(served, requests, live)
        with writing(folder):
            warmup.write(place, name, inputs)
            (place / "batching_parameters.txt").write_text(BATCHING, "utf-8")
            (place / "client.py").write_text(served.client, "utf-8")
            (place / "client.sh").write_text(curl.script(name, inputs["serving_default"]), "utf-8")
            (place / "signature.json").write_text(json.dumps(description, indent=2) + "\n")
            (place / "README.md").write_text(_readme(card, description, onnx), "utf-8")
            if onnx:
                _write_onnx(served, graph, place)
        check_core(served)
        check_answers(place, live, inputs)
        with writing(folder):
            return publish(place)


def _check_shapes(served: Served) -> None:
    for name, endpoint in served.endpoints.items():
        for key, spec in endpoint.inputs.items():
            if not spec.shape.rank or spec.shape[0] is not None:
                raise ValueError(
                    "every input must begin with a batch dimension of None. "
                    f"Received: {name} {key} of shape {spec.shape}."
                )
    for key, spec in served.core_inputs.items():
        if spec.dtype == tf.string or not spec.shape.is_fully_defined():
            raise ValueError(
                "core_inputs must be numbers of static shapes, because XLA compiles nothing else. "
                f"Received: {key}, {spec.dtype.name} of shape {spec.shape}."
            )


def _inputs(served: Served, requests: Requests, live: Mapping[str, Function]) -> dict[str, Tensors]:
    """The request of every endpoint as tensors of the declared types."""
    inputs: dict[str, Tensors] = {}
    for name in sorted(served.endpoints, key=lambda name: name == "stream"):  # stream needs states
        specs, given = served.endpoints[name].inputs, requests.get(name, {})
        streams = name == "stream" and "stream_init" in inputs
        states = live["stream_init"](inputs["stream_init"]) if streams else {}
        if set(given) - set(specs) or set(specs) - set(given) - set(states):
            raise ValueError(
                f"the request for {name} must hold {', '.join(sorted(set(specs) - set(states)))}. "
                f"Received: {', '.join(given) or 'none'}."
            )
        tensors = {key: tf.constant(value, specs[key].dtype) for key, value in given.items()}
        if states:
            states = live["stream"]({**states, **tensors})  # the first ones are mostly zero
        inputs[name] = {key: {**states, **tensors}[key] for key in specs}
    return inputs


def _write_model(served: Served, place: Path) -> dict[str, Function]:
    """Writes the SavedModel; returns the live model's function of each signature."""
    archive = keras.export.ExportArchive()
    live = {}
    for name, endpoint in served.endpoints.items():
        specs = [
            tf.TensorSpec(spec.shape, spec.dtype, name=key) for key, spec in endpoint.inputs.items()
        ]
        traced = archive.add_endpoint(name, _positional(endpoint), specs).get_concrete_function()
        outputs = traced.structured_outputs
        if not isinstance(outputs, dict):
            raise ValueError(f"{name} must return a dict of named outputs. Received: {outputs}.")
        live[name] = _by_name(traced, list(endpoint.inputs))
    for table in served.tables:  # built by now
        archive.track(table)
    options = tf.saved_model.SaveOptions(
        function_aliases={CORE: served.core},
        experimental_custom_gradients=False,  # a served model is not trained
    )
    with writing(place.parent):
        archive.write_out(str(place), options=options, verbose=False)
    return live


def _write_onnx(served: Served, graph: MetaGraphDef, place: Path) -> None:
    shapes = saved_graph.shapes_called(graph, CORE)
    called = {
        name: tf.TensorSpec(shapes.get(name, spec.shape), spec.dtype)
        for name, spec in served.core_inputs.items()
    }
    onnx_core.write(served.core, served.core_inputs, called, place / "core.onnx")


def _positional(endpoint: Endpoint) -> Callable[..., Tensors]:
    return lambda *tensors: endpoint.function(**dict(zip(endpoint.inputs, tensors, strict=True)))


def _by_name(function: Callable[..., Tensors], names: list[str]) -> Function:
    return lambda inputs: function(*(inputs[name] for name in names))


def _check_alias(graph: MetaGraphDef) -> None:
    _, called = saved_graph.reached(graph)
    aliases = graph.meta_info_def.function_aliases
    if not any(aliases.get(function) == CORE for function in called):
        raise ValueError(
            "no endpoint calls the core. Make it a tf.function that an endpoint calls."
        )


def _refuse_change(last: Path, description: dict[str, Any]) -> None:
    """Clients of `last` must be able to go on with the new version."""
    way_out = "its clients would break. Choose another --name, or say --force."
    try:
        before = json.loads((last / "signature.json").read_text())
        old = {**_meant(before), **saved_graph.lines(before["signatures"])}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise UserError(f"{last}: was not exported by rnnkit; {way_out}") from None
    signatures = saved_graph.lines(description["signatures"])
    new = {**_meant(description), **signatures}
    for key in {**old, **new}:
        was, is_now = old.get(key, "absent"), new.get(key, "absent")
        if was != is_now:
            raise UserError(f"{last}: {key}: was {was}, would be {is_now}; {way_out}")


def _meant(description: dict[str, Any]) -> dict[str, str]:
    """What the numbers mean that go in and come out."""
    rate = description.get("rate")
    return {
        "the labels": str(description["labels"]),
        **({} if rate is None else {"steps a second": f"{rate:g}"}),
    }


def _readme(card: str, description: dict[str, Any], onnx: bool) -> str:
    """The card, but for its pictures, which stay with the run; and the signatures."""
    text = re.sub(r"^!\[.*\n", "", card, flags=re.MULTILINE).rstrip()
    lines = saved_graph.lines(description["signatures"])
    rate = description["rate"]
    rate = "" if rate is None else f"{rate:g} steps of an input are a second.\n\n"
    rows = "".join(f"| {key} | {value} |\n" for key, value in lines.items())
    return (
        f"{text}\n\n## Signatures\n\n| tensor | type and shape |\n| --- | --- |\n{rows}\n{rate}"
        "`python client.py .` calls them and needs TensorFlow, nothing else. `sh client.sh` asks\n"
        "a server, `rnnkit serve` or TensorFlow Serving, and needs curl.\n"
        + (ONNX_NOTE if onnx else "")
    )
