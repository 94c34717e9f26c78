"""Translates sentences with the exported model. Needs TensorFlow, nothing else.

python client.py MODEL_DIR [SENTENCE ...]
"""

import sys

import tensorflow as tf


def main(model_dir: str, *sentences: str) -> None:
    model = tf.saved_model.load(model_dir)
    translate = model.signatures["serving_default"]
    for sentence in sentences or ("3 March 2021",):
        answer = translate(text=tf.constant([sentence]))
        print(sentence)
        # All that the search ended with, best first; a score is log p by length. One text may
        # stand there twice, cut into tokens in two ways: the first has the better score.
        texts, scores = answer["translations"].numpy()[0], answer["scores"].numpy()[0]
        for text, score in zip(texts, scores, strict=True):
            print(f"  {score:8.3f}  {text.decode()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
