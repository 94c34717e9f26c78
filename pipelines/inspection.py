"""What an exported model is, without running our code: `rnnkit inspect`."""

from __future__ import annotations

import collections
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines import kernels, saved_graph, warmup
from pipelines.errors import UserError
from pipelines.saved_graph import CORE
from pipelines.versions import versions

RUNS = 20
SECONDS = 2.0  # most that is spent on measuring one signature


def inspect(model_dir: str | Path) -> dict[str, Any]:
    """Signatures, size, parameters, operations and latency of an exported model.

    Args:
        model_dir: a version's folder, or the folder above: its newest version is taken.

    Returns:
        As JSON: `path`; `signatures`, with name, dtype and shape of every input and output;
        `size_bytes` on disk; `parameters`, the count of floating-point weights; `operations`,
        `{name: count}` over all that a signature can run, the most frequent first; `kernels`,
        `{name: {"core", "cpu", "gpu", "xla"}}`, where each can run (see `pipelines.kernels`);
        `latency`, `{signature: {"median_ms", "rows", "runs"}}` of its stored warm-up request on
        this machine.

    Raises:
        UserError: there is no SavedModel.
    """
    folder = Path(model_dir)
    if not (folder / "saved_model.pb").exists() and versions(folder):
        folder = folder / str(versions(folder)[-1])
    graph = saved_graph.read(folder)
    nodes, _ = saved_graph.reached(graph)
    return {
        "path": str(folder),
        "signatures": saved_graph.signatures(graph),
        "size_bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        "parameters": _parameters(folder),
        "operations": dict(collections.Counter(node.op for node in nodes).most_common()),
        "kernels": kernels.table(graph, CORE),
        "latency": _latency(folder),
    }


def _parameters(folder: Path) -> int:
    if not (folder / "variables" / "variables.index").exists():
        return 0
    weights = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    types = weights.get_variable_to_dtype_map()
    return sum(
        int(np.prod(shape))
        for name, shape in weights.get_variable_to_shape_map().items()
        if types[name].is_floating
    )


def _latency(folder: Path) -> dict[str, dict[str, Any]]:
    requests = warmup.read(folder)
    if not requests:
        return {}
    try:
        model = tf.saved_model.load(str(folder))  # held: its functions need it while they run
    except (OSError, ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{folder}: the SavedModel does not load: {reason}. Export again."
        ) from None
    return {
        name: _measure(model.signatures[name], inputs)
        for name, inputs in requests.items()
        if name in model.signatures
    }


def _measure(signature: Any, inputs: dict[str, np.ndarray]) -> dict[str, Any]:
    tensors = {name: tf.constant(value) for name, value in inputs.items()}
    signature(**tensors)
    times: list[float] = []
    while len(times) < RUNS and sum(times) < SECONDS:
        start = time.perf_counter()
        outputs = signature(**tensors)
        for output in outputs.values():
            output.numpy()
        times.append(time.perf_counter() - start)
    return {
        "median_ms": 1000 * statistics.median(times),
        "rows": max((len(value) for value in inputs.values()), default=0),
        "runs": len(times),
    }
