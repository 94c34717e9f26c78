"""The C program beside this file: built once, asked with tensors, answering with tensors."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines import saved_graph

SOURCE = Path(__file__).with_name("answer.c")
COMPILER = shutil.which("gcc") or shutil.which("cc")


def build(folder: Path) -> Path:
    """Compiles it against the headers and libraries that TensorFlow's package brings."""
    package = Path(tf.sysconfig.get_lib())
    program = folder / "answer"
    subprocess.run(
        [
            str(COMPILER), "-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", str(SOURCE),
            f"-I{tf.sysconfig.get_include()}", f"-L{package}", f"-Wl,-rpath,{package}",
            "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2", "-o", str(program),
        ],
        check=True,
    )  # fmt: skip
    return program


def answer(
    program: Path, model_dir: Path, signature: str, inputs: Mapping[str, np.ndarray], folder: Path
) -> dict[str, np.ndarray]:
    """The outputs of a signature, by name."""
    definition = saved_graph.read(model_dir).signature_def[signature]
    names = [info.name for info in definition.outputs.values()]
    with (folder / "question").open("wb") as file:
        file.write(f"{len(inputs)} {len(names)}\n".encode())
        for key, value in inputs.items():
            file.write(_packed(definition.inputs[key].name, np.asarray(value)))
        file.write("".join(f"{name}\n" for name in names).encode())
    subprocess.run(
        [str(program), str(model_dir), str(folder / "question"), str(folder / "answer.bin")],
        check=True,
        env={"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )
    content = (folder / "answer.bin").read_bytes()
    outputs = {}
    for key in definition.outputs:
        outputs[key], content = _unpacked(content)
    assert not content
    return outputs


def _packed(name: str, value: np.ndarray) -> bytes:
    if value.dtype == object:
        texts = [tf.compat.as_bytes(text) for text in value.ravel()]
        raw = b"".join(struct.pack("<Q", len(text)) + text for text in texts)
        kind = tf.string
    else:
        raw, kind = np.ascontiguousarray(value).tobytes(), tf.as_dtype(value.dtype)
    sizes = "".join(f" {size}" for size in value.shape)
    return f"{name} {kind.as_datatype_enum} {value.ndim}{sizes} {len(raw)}\n".encode() + raw


def _unpacked(content: bytes) -> tuple[np.ndarray, bytes]:
    header, _, content = content.partition(b"\n")
    _, kind, rank, *rest = header.split()
    sizes, dtype = [int(size) for size in rest[: int(rank)]], tf.as_dtype(int(kind))
    count = int(np.prod(sizes))
    if dtype != tf.string:
        raw, content = content[: int(rest[-1])], content[int(rest[-1]) :]
        return np.frombuffer(raw, dtype.as_numpy_dtype).reshape(sizes), content
    texts = np.empty(count, object)
    for i in range(count):
        (length,) = struct.unpack("<Q", content[:8])
        texts[i], content = content[8 : 8 + length], content[8 + length :]
    return texts.reshape(sizes), content
