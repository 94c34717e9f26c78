"""Continues a text with the exported model. Needs TensorFlow, nothing else.

python client.py MODEL_DIR [PRIMER]
"""

import sys

import tensorflow as tf


def main(model_dir: str, primer: str = "The ") -> None:
    model = tf.saved_model.load(model_dir)

    # One row a text; each has its own length, temperature and seed.
    answer = model.signatures["serving_default"](
        primer=tf.constant([primer]),
        length=tf.constant([len(primer) + 200]),
        temperature=tf.constant([0.7]),
        seed=tf.constant([7]),
    )
    print(answer["text"].numpy()[0].decode())

    # The same model one character at a time: the caller holds the state. It is given the text
    # so far, "" (nothing) before the first character, and from then on what it drew itself.
    seed = tf.constant([7])
    state = model.signatures["stream_init"](seed=seed)
    text, x = primer, ""
    for step in range(len(primer) + 40):
        state = model.signatures["stream"](
            x=tf.constant([x]),
            seed=seed,
            step=tf.constant([step]),
            temperature=tf.constant([0.7]),
            **state,
        )
        drawn = state.pop("y").numpy()[0].decode()
        if step >= len(primer):
            text += drawn
        x = text[step]
    print("stream:", text)


if __name__ == "__main__":
    main(*sys.argv[1:])
