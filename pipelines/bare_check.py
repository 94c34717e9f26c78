"""The answers of an exported model in a process that has TensorFlow and nothing of ours.

Imported, it offers `answers`, which starts that process; the process runs this same file, by its
path and without a package around it.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HIDDEN = ("keras", "rnnkit", "pipelines", "tuning")

Call = tuple[str, Mapping[str, Any]]


def answers(model_dir: Path, calls: Sequence[Call]) -> list[dict[str, np.ndarray]]:
    """Loads the SavedModel in a fresh process on the CPU and answers `calls`, each a signature and
    its inputs.

    Raises:
        RuntimeError: the model does not load or does not answer there; holds the last line it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        questions, replies = Path(folder) / "questions.json", Path(folder) / "replies.json"
        questions.write_text(json.dumps([[name, _pack(inputs)] for name, inputs in calls]))
        done = subprocess.run(
            [sys.executable, "-I", __file__, str(model_dir), str(questions), str(replies)],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            raise RuntimeError(f"the export fails in a process with TensorFlow alone: {lines[-1]}")
        return [_unpack(packed) for packed in json.loads(replies.read_text())]


def _pack(tensors: Mapping[str, Any]) -> dict[str, str]:
    import tensorflow as tf

    protos = {name: tf.make_tensor_proto(value) for name, value in tensors.items()}
    return {
        name: base64.b64encode(proto.SerializeToString()).decode() for name, proto in protos.items()
    }


def _unpack(packed: Mapping[str, str]) -> dict[str, np.ndarray]:
    import tensorflow as tf
    from tensorflow.core.framework.tensor_pb2 import TensorProto

    protos = {name: TensorProto.FromString(base64.b64decode(text)) for name, text in packed.items()}
    return {name: tf.make_ndarray(proto) for name, proto in protos.items()}


# --- in the bare process -------------------------------------------------------------------------


class _Hiding:
    """A finder of modules that does not find some; TensorFlow asks for Keras and goes without."""

    def __init__(self, finder: Any) -> None:
        self.finder = finder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] in HIDDEN:
            return None
        return self.finder.find_spec(name, path, target)


def _answer(model_dir: str, questions: str, replies: str) -> None:
    sys.meta_path[:] = map(_Hiding, sys.meta_path)
    import tensorflow as tf

    model = tf.saved_model.load(model_dir)
    packed = []
    for name, inputs in json.loads(Path(questions).read_text()):
        tensors = {key: tf.constant(value) for key, value in _unpack(inputs).items()}
        packed.append(_pack(model.signatures[name](**tensors)))
    if found := {name.partition(".")[0] for name in sys.modules}.intersection(HIDDEN):
        raise ImportError(f"the process is not bare: it imported {', '.join(sorted(found))}")
    Path(replies).write_text(json.dumps(packed))


if __name__ == "__main__":
    _answer(*sys.argv[1:])
