"""What a served graph may hold, so that one export runs on CPU, GPU and TPU hosts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf
from tensorflow.core.framework.types_pb2 import DT_STRING
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from pipelines import saved_graph
from pipelines.errors import UserError

_PYTHON = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
_WRITES = re.compile("Assign|ResourceApply|ResourceScatter|LookupTable(Insert|Import|Remove)")
_DRAWS = re.compile("Random|Multinomial|TruncatedNormal|Stateful(Uniform|StandardNormal)|^Rng")


def check(graph: MetaGraphDef) -> None:
    """Refuses what ties a graph to one machine, to our code, or to the requests before.

    Raises:
        UserError: names the operation and the way out.
    """
    nodes, functions = saved_graph.reached(graph)
    for operation in sorted({node.op for node in nodes}):
        if reason := _refusal(operation):
            raise UserError(f"the export holds the operation {operation}, which {reason}")
    for name, function in functions.items():
        compiled = "_XlaMustCompile" in function.attr and function.attr["_XlaMustCompile"].b
        if compiled and any(each.type == DT_STRING for each in function.signature.input_arg):
            raise UserError(
                f"the export gives strings to {name}, which is compiled by XLA: that can end the "
                "server's process. Keep string operations outside of jit_compile=True."
            )


def _refusal(operation: str) -> str | None:
    if "Cudnn" in operation:
        return "runs on NVIDIA GPUs alone. Trace it inside pipelines.portability.without_cudnn."
    if operation in _PYTHON:
        return "calls back into Python. Write it with TensorFlow's own operations."
    if not hasattr(tf.raw_ops, operation):
        return "is none of TensorFlow's own. Servers do not know it: express it by others."
    if _WRITES.search(operation):
        return "changes a variable. Pass state in and out as tensors."
    if _DRAWS.search(operation):
        return "draws other numbers under XLA. Draw with rnnkit.counter_random.uniform."
    return None


@contextmanager
def without_cudnn(model: keras.Model) -> Iterator[None]:
    """Within it, Keras's LSTM and GRU layers trace as portable loops, also on a machine with a GPU;
    the weights are the same."""
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, "use_cudnn")]
    before = [layer.use_cudnn for layer in layers]
    for layer in layers:
        layer.use_cudnn = False
    try:
        yield
    finally:
        for layer, value in zip(layers, before, strict=True):
            layer.use_cudnn = value
