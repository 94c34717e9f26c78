"""Asks the exported model to recall ten symbols. It needs TensorFlow alone:

python client.py [folder of the export]
"""

import sys
from pathlib import Path

import tensorflow as tf

BLANK, MARK = 8, 9


def main() -> None:
    folder = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parent)
    model = tf.saved_model.load(folder)
    shown = [3, 1, 4, 1, 5, 2, 6, 5, 3, 5]
    silence = 99  # one step less than --length
    row = [*shown, *[BLANK] * silence, MARK, *[BLANK] * len(shown)]
    answer = model.signatures["serving_default"](symbols=tf.constant([row]))
    print("shown   ", shown)
    print("recalled", answer["answer"][0, -len(shown) :].numpy().tolist())


if __name__ == "__main__":
    main()
