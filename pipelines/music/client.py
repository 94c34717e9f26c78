"""Continues a piece of music with the exported model. Needs TensorFlow and NumPy, nothing else.

python client.py MODEL_DIR
"""

import sys

import numpy as np
import tensorflow as tf

KEYS = 88  # key 0 is MIDI note 21, the lowest A of the piano


def main(model_dir: str) -> None:
    model = tf.saved_model.load(model_dir)

    # A roll holds one value a key and step: 0 off, 1 held, 2 struck. This one is C major.
    primer = np.zeros((1, 4, KEYS), np.uint8)
    primer[:, :, [48 - 21, 55 - 21, 64 - 21, 72 - 21]] = 1

    answer = model.signatures["serving_default"](
        primer=tf.constant(primer),
        primer_length=tf.constant([4]),
        length=tf.constant([32]),
        temperature=tf.constant([1.0]),
        seed=tf.constant([7]),
    )
    for step, frame in enumerate(answer["roll"].numpy()[0]):
        print(step, [int(key) + 21 for key in np.flatnonzero(frame)])

    # The same model one step at a time: the caller holds the state.
    seed = tf.constant([7])
    state = model.signatures["stream_init"](seed=seed)
    frame = tf.zeros((1, KEYS), tf.uint8)  # silence comes before the first step
    for step in range(4):
        answer = model.signatures["stream"](
            x=frame,
            seed=seed,
            step=tf.constant([step]),
            temperature=tf.constant([1.0]),
            **state,
        )
        frame = answer.pop("y")
        state = answer
        print("stream", step, [int(key) + 21 for key in np.flatnonzero(frame.numpy()[0])])


if __name__ == "__main__":
    main(sys.argv[1])
