"""Labels texts with the exported model. Needs TensorFlow, nothing else.

python client.py MODEL_DIR [TEXT ...]
"""

import sys

import tensorflow as tf


def main(model_dir: str, *texts: str) -> None:
    model = tf.saved_model.load(model_dir)
    texts = texts or ("I did not expect to like it, and I loved it.", "Dull and far too long.")

    answer = model.signatures["serving_default"](text=tf.constant(texts))
    for k, text in enumerate(texts):
        label = answer["label"].numpy()[k].decode()
        print(f"{label} {answer['probability'].numpy()[k]:.3f}  {text}")
        for name, probability in zip(
            answer["labels"].numpy()[k], answer["probabilities"].numpy()[k], strict=True
        ):
            print(f"    {name.decode()} {probability:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
