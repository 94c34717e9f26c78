"""Asks the exported model about clips. Needs TensorFlow, nothing else.

python client.py MODEL_DIR [CLIP.npy ...]

A clip is an array of frames, (T, height, width, colours) uint8 or (T, n) floats, of the size and
the rate that README.md tells. Of an .mp4, PyAV makes one:

    frames = av.open(name).decode(video=0)
    numpy.save("clip.npy", [f.reformat(WIDTH, HEIGHT, "rgb24").to_ndarray() for f in frames])
"""

import sys
from typing import Any

import numpy as np
import tensorflow as tf


def main(model_dir: str, *names: str) -> None:
    model = tf.saved_model.load(model_dir)
    ask = model.signatures["serving_default"]
    _, _, *frame = ask.structured_input_signature[1]["clip"].shape
    dtype = ask.structured_input_signature[1]["clip"].dtype
    for name in names or ("a grey clip",):
        clip = np.load(name) if names else np.full((8, *frame), 100)
        answer = ask(clip=tf.constant(clip[None], dtype), length=tf.constant([len(clip)]))
        print(name, str(answer["label"].numpy()[0]), answer["probability"].numpy()[0])
        print("    ", answer["labels"].numpy()[0])
        time = answer["over_time" if "over_time" in answer else "probabilities"].numpy()[0]
        for step, probabilities in enumerate(time):
            print(f"  {step:4}", probabilities.round(3))
    if "stream" in model.signatures:
        watch(model, np.zeros((1, *frame)), dtype)


def watch(model: Any, frame: np.ndarray, dtype: tf.DType) -> None:
    """One frame after the other, as from a camera."""
    states = model.signatures["stream_init"](rows=tf.constant([0]))
    for _ in range(3):
        answer = model.signatures["stream"](x=tf.constant(frame, dtype), **states)
        states = {name: answer[name] for name in states}
        print("stream", str(answer["label"].numpy()[0]), answer["probability"].numpy()[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
