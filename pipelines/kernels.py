"""Where the operations of a graph can run: a table of registered kernels and XLA lowerings."""

from __future__ import annotations

import functools

import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.python.framework import kernels

from pipelines import saved_graph
from pipelines.errors import UserError

# Not computed: XLA gets the inputs and the variables of a graph as arguments.
_STRUCTURE = {"NoOp", "Placeholder", "PlaceholderWithDefault", "VarHandleOp"}


def check(graph: MetaGraphDef, core_alias: str) -> None:
    """Refuses a graph with an operation that this TensorFlow cannot run on the CPU, or an operation
    of the core that it cannot run on GPUs, where it was built for them, or that XLA cannot lower.

    Raises:
        UserError: names the operations.
    """
    found = table(graph, core_alias)
    for where in ("cpu", "gpu", "xla"):
        missing = [
            name
            for name, runs in found.items()
            if runs[where] is False and (runs["core"] or where == "cpu")
        ]
        if missing:
            raise UserError(
                f"the export holds {', '.join(missing)}, without a kernel for {where.upper()}. "
                "Express it by other operations; `rnnkit inspect` shows where each can run."
            )


def table(graph: MetaGraphDef, core_alias: str) -> dict[str, dict[str, bool | None]]:
    """A row an operation that some signature runs.

    Args:
        graph: of a SavedModel.
        core_alias: of the functions that are the numeric core.

    Returns:
        `{name: {"core", "cpu", "gpu", "xla"}}`: whether the core uses it; whether this TensorFlow
        has a kernel for the CPU and for GPUs, and whether XLA can lower it. `gpu` is None where
        TensorFlow was built without GPUs. What lies outside of the core may stay on the host:
        strings always do.
    """
    nodes, _ = saved_graph.reached(graph)
    inside = {node.op for node in saved_graph.aliased(graph, core_alias)}
    names = sorted({node.op for node in nodes})
    return {name: {"core": name in inside, **_devices(name)} for name in names}


def _devices(operation: str) -> dict[str, bool | None]:
    if operation in _STRUCTURE:
        return {"cpu": True, "gpu": True, "xla": True}
    _register_lowerings()
    found = {
        kernel.device_type for kernel in kernels.get_registered_kernels_for_op(operation).kernel
    }
    everywhere = "DEFAULT" in found  # a kernel that only passes its input on
    return {
        "cpu": everywhere or "CPU" in found,
        "gpu": everywhere or "GPU" in found if tf.test.is_built_with_cuda() else None,
        "xla": any("XLA" in device for device in found),
    }


@functools.cache
def _register_lowerings() -> None:
    """XLA registers its lowerings when it first compiles something."""
    tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(0.0))
