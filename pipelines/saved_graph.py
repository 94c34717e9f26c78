"""What a SavedModel holds, read from its file: nothing is loaded and nothing runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from tensorflow.core.framework.function_pb2 import FunctionDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, TensorInfo
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from pipelines.errors import UserError

CORE = "tpu_func"  # alias of the numeric core, the name by which converters for TPUs ask for it


def read(folder: Path) -> MetaGraphDef:
    """The graph of the SavedModel in `folder`.

    Raises:
        UserError: `folder` holds no SavedModel.
    """
    file = folder / "saved_model.pb"
    try:
        return SavedModel.FromString(file.read_bytes()).meta_graphs[0]
    except (OSError, DecodeError, IndexError) as error:
        found = "a folder without it" if folder.is_dir() else "a file"
        if not folder.exists():
            found = "no such folder"
        elif not isinstance(error, OSError):
            found = "a damaged one"
        raise UserError(
            f"{folder}: expected a SavedModel, a folder with saved_model.pb. Received: {found}. "
            "Make one with: rnnkit export RUN"
        ) from None


def signatures(graph: MetaGraphDef) -> dict[str, Any]:
    """`{signature: {"inputs": {name: {"dtype", "shape"}}, "outputs": ...}}`; an unknown length is
    None, and so is the shape of a tensor of unknown rank."""
    return {
        name: {
            "inputs": {key: _tensor(info) for key, info in sorted(signature.inputs.items())},
            "outputs": {key: _tensor(info) for key, info in sorted(signature.outputs.items())},
        }
        for name, signature in sorted(graph.signature_def.items())
        if not name.startswith("__")
    }


def lines(signatures: dict[str, Any]) -> dict[str, str]:
    """What `signatures` gave, a line a tensor: `{"stream input x": "uint8 (?, 88)", ...}`."""
    found = {}
    for signature, sides in signatures.items():
        for side in ("input", "output"):
            for key, tensor in sides[f"{side}s"].items():
                sizes = ["?" if size is None else str(size) for size in tensor["shape"] or ["..."]]
                found[f"{signature} {side} {key}"] = f"{tensor['dtype']} ({', '.join(sizes)})"
    return found


def reached(graph: MetaGraphDef) -> tuple[list[NodeDef], dict[str, FunctionDef]]:
    """The operations that some signature runs, and the functions that they stand in, by name."""
    nodes = {node.name: node for node in graph.graph_def.node}
    library = _functions(graph)
    found: dict[str, NodeDef] = {}
    waiting = [
        _node_name(info.name)
        for name, signature in graph.signature_def.items()
        if not name.startswith("__")
        for info in signature.outputs.values()
    ]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = nodes[name]
            waiting += [_node_name(source) for source in nodes[name].input]

    functions = _called(library, [name for node in found.values() for name in _calls(node)])
    operations = [*found.values(), *_inside(functions)]
    return [node for node in operations if node.op not in library], functions


def aliased(graph: MetaGraphDef, alias: str) -> list[NodeDef]:
    """The operations of the functions under an alias that some signature calls."""
    library = _functions(graph)
    names = [name for name, given in graph.meta_info_def.function_aliases.items() if given == alias]
    _, used = reached(graph)
    functions = _called(library, [name for name in names if name in used])
    return [node for node in _inside(functions) if node.op not in library]


def shapes_called(graph: MetaGraphDef, alias: str) -> dict[str, tf.TensorShape]:
    """The shapes of the arguments with which signatures call the function under an alias."""
    _, used = reached(graph)
    names = [name for name, given in graph.meta_info_def.function_aliases.items() if given == alias]
    for name in names:
        if name in used:
            given = [
                used[name].arg_attr[k].attr for k in range(len(used[name].signature.input_arg))
            ]
            return {
                attr["_user_specified_name"].s.decode(): tf.TensorShape(shape)
                for attr in given
                for shape in attr["_output_shapes"].list.shape[:1]
            }
    return {}


def _functions(graph: MetaGraphDef) -> dict[str, FunctionDef]:
    return {function.signature.name: function for function in graph.graph_def.library.function}


def _called(library: dict[str, FunctionDef], names: list[str]) -> dict[str, FunctionDef]:
    """The functions of those names, and all that they call."""
    found, waiting = {}, list(names)
    while waiting:
        name = waiting.pop()
        if name in library and name not in found:
            found[name] = library[name]
            waiting += [other for node in library[name].node_def for other in _calls(node)]
    return found


def _inside(functions: dict[str, FunctionDef]) -> list[NodeDef]:
    return [node for function in functions.values() for node in function.node_def]


def _calls(node: NodeDef) -> Iterator[str]:
    yield node.op  # a function may be called by its own name
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (function.name for function in value.list.func)


def _node_name(tensor: str) -> str:
    return tensor.lstrip("^").partition(":")[0]


def _tensor(info: TensorInfo) -> dict[str, Any]:
    shape = info.tensor_shape
    sizes = [None if axis.size < 0 else axis.size for axis in shape.dim]
    return {
        "dtype": tf.as_dtype(info.dtype).name,
        "shape": None if shape.unknown_rank else sizes,
    }
