"""The numeric core as ONNX: for ONNX Runtime, and for whatever else reads that format.

tf2onnx translates the frozen graph, after two changes that leave its answers as they are and that
it needs:

- A loop with a limit that is computed, `maximum_iterations=tf.shape(x)[0]`, becomes a `Loop` that
  compares an int64 counter with an int32 limit, which ONNX Runtime refuses. Every loop of ours ends
  by its own condition, so the limit becomes the largest int32.
- Keras's argmax looks at the sign bit of zeros through a bitcast, which ONNX has not before opset
  26. A whole number of the same sign, that of 1 / x, shows the same bit.

One translation is ours, `_choose`. What tf2onnx cannot translate is a list of tensors that a loop
both reads and writes, as `keras.ops.scan` has one for its carry: `rnnkit.backend.scan` has none.
What a loop writes comes out in the order of its steps, so that every loop of ours goes forwards.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from pipelines.errors import UserError, require
from pipelines.export_check import rows_apart, trial_inputs

OPSET = 18  # the newest that tf2onnx writes
LOOPS = ("While", "StatelessWhile")
LARGEST = 2**31 - 1
FLOAT32, INT32 = tf.float32.as_datatype_enum, tf.int32.as_datatype_enum

Inputs = Mapping[str, tf.TensorSpec]


def write(core: Any, static: Inputs, called: Inputs, file: Path) -> None:
    """Writes `core` as ONNX once ONNX Runtime has given its answers.

    Args:
        core: a tf.function of named tensors.
        static: specs of its inputs without an open axis; batches of this shape, and of a larger one
            where an axis is open, are compared.
        called: the specs with which the served model calls it; None is an axis of any length.
        file: to write.

    Raises:
        UserError: the extra `onnx` is not installed, the core cannot be translated, or ONNX
            Runtime answers something else.
    """
    specs = {name: tf.TensorSpec(called[name].shape, static[name].dtype, name) for name in static}
    content, outputs = convert(core.get_concrete_function(**specs))
    session = _session(content)
    for specs in _trials(static, called):
        inputs = trial_inputs(specs)
        given = {each.name: inputs[each.name].numpy() for each in session.get_inputs()}
        received = session.run(outputs, given)
        for name, plain, other in zip(
            outputs, tf.nest.flatten(core(**inputs)), received, strict=True
        ):
            if plain.shape != other.shape or rows_apart(plain.numpy(), other).any():
                raise _refused(f"ONNX Runtime answers another {name}")
    file.write_bytes(content)


def _session(content: bytes) -> Any:
    runtime = require("onnxruntime", "onnx")
    try:
        return runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no class in common but this one
        raise _refused(error) from error


def convert(function: Any) -> tuple[bytes, list[str]]:
    """A concrete function as the bytes of an ONNX model, and the names of its outputs in the order
    of `tf.nest.flatten`.

    Raises:
        UserError: the extra `onnx` is not installed, or an operation cannot be translated.
    """
    tf2onnx = require("tf2onnx", "onnx")
    frozen = convert_variables_to_constants_v2(
        function, lower_control_flow=False, aggressive_inlining=True
    )
    graph = frozen.graph.as_graph_def(add_shapes=True)
    _prepare(graph)
    inputs = [tensor.name for tensor in frozen.inputs]
    outputs = [tensor.name for tensor in frozen.outputs]
    renamed = {name: name.partition(":")[0] for name in inputs}
    names = _names(function.structured_outputs, taken=renamed.values())
    with _silent(), tf.Graph().as_default() as imported:
        try:
            tf.import_graph_def(graph, name="")
            # Not `tf2onnx.convert`: the optimizer that it runs first makes fused operations, and
            # cycles, that it does not understand itself.
            model = tf2onnx.tfonnx.process_tf_graph(
                imported,
                opset=OPSET,
                custom_op_handlers={"SelectV2": (_choose, [])},
                input_names=inputs,
                output_names=outputs,
                tensors_to_rename={**renamed, **dict(zip(outputs, names, strict=True))},
            )
            # Some of its identities have two inputs; all else ONNX Runtime does itself, sooner.
            content = _without_identities(model).make_model("core").SerializeToString()
        except Exception as error:  # it raises what each of its parts happens to raise
            raise _refused(error) from error
    return content, names


def _without_identities(model: Any) -> Any:
    optimizer = require("tf2onnx", "onnx").optimizer
    only = {"remove_identity": optimizer.IdentityOptimizer}
    return optimizer.optimize_graph(model, catch_errors=False, optimizers=only)


def _choose(graph: Any, node: Any, *_: Any) -> None:
    """A choice stays one. By default tf2onnx makes a * x + (1 - a) * y of it, which is NaN where an
    infinity is not chosen; for truths, of which ONNX Runtime chooses none, that is right."""
    onnx, tf2onnx = require("onnx", "onnx"), require("tf2onnx", "onnx")
    if graph.get_dtype(node.output[0]) == onnx.TensorProto.BOOL:
        tf2onnx.onnx_opset.controlflow.Select.version_9(graph, node)
    else:
        node.type = "Where"


def _refused(error: Exception | str) -> UserError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return UserError(f"--onnx: tf2onnx cannot translate this model: {reason}. Export it without.")


def _names(structured: Any, taken: Collection[str]) -> list[str]:
    """A name an output: a dict's own; else "output", or "output_0", ... where there are several. A
    state that goes in and comes out has one name in TensorFlow; ONNX needs two."""
    count = len(tf.nest.flatten(structured))
    if isinstance(structured, dict):
        names = sorted(structured)
    else:
        names = ["output"] if count == 1 else [f"output_{k}" for k in range(count)]
    return [f"next_{name}" if name in taken else name for name in names]


def _trials(static: Inputs, called: Inputs) -> Iterator[dict[str, tf.TensorSpec]]:
    yield dict(static)
    larger = {
        name: [size + 3 * (opened is None) for size, opened in zip(spec.shape, shape, strict=True)]
        for name, spec, shape in ((name, spec, called[name].shape) for name, spec in static.items())
    }
    yield {name: tf.TensorSpec(larger[name], spec.dtype) for name, spec in static.items()}


# --- the two changes ------------------------------------------------------------------------------


def _prepare(graph: GraphDef) -> None:
    """Makes both changes, in the graph and in its functions."""
    graph.node.extend(_changed(graph.node, lambda node, output: node))
    for function in graph.library.function:  # whose tensors are called otherwise
        function.node_def.extend(
            _changed(function.node_def, lambda node, output: f"{node}:{output}:0")
        )


def _changed(nodes: Iterable[NodeDef], tensor: Callable[[str, str], str]) -> list[NodeDef]:
    """Changes what is to be changed, and returns the nodes that it needs besides."""
    added = []
    for node in nodes:
        if node.op in LOOPS:
            limit = NodeDef(name=f"{node.name}/limit", op="Const")
            limit.attr["dtype"].type = INT32
            limit.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(LARGEST, tf.int32, []))
            node.input[1] = tensor(limit.name, "output")
            added.append(limit)
        elif node.op == "Bitcast" and _types(node) == (FLOAT32, INT32):
            added += _sign(node, tensor)
    return added


def _types(node: NodeDef) -> tuple[int, int]:
    return node.attr["T"].type, node.attr["type"].type


def _sign(node: NodeDef, tensor: Callable[[str, str], str]) -> list[NodeDef]:
    """Makes a bitcast of x an identity of int32(sign(1 / x)), whose nodes are returned."""
    inverse = NodeDef(name=f"{node.name}/inverse", op="Reciprocal", input=node.input)
    sign = NodeDef(name=f"{node.name}/sign", op="Sign", input=[tensor(inverse.name, "y")])
    inverse.attr["T"].type = sign.attr["T"].type = FLOAT32
    whole = NodeDef(name=f"{node.name}/whole", op="Cast", input=[tensor(sign.name, "y")])
    whole.attr["SrcT"].type, whole.attr["DstT"].type = FLOAT32, INT32
    node.op = "Identity"  # its output has the name of the bitcast's, for those who read it
    node.input[0] = tensor(whole.name, "y")
    del node.attr["type"]
    node.attr["T"].type = INT32
    return [inverse, sign, whole]


@contextmanager
def _silent() -> Iterator[None]:
    """tf2onnx logs the tracebacks of what it raises anyway."""
    logger = logging.getLogger("tf2onnx")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
