"""Asks the exported model for the sum of two marked numbers. It needs TensorFlow alone:

python client.py [folder of the export]
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf


def main() -> None:
    folder = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parent)
    model = tf.saved_model.load(folder)
    numbers = np.random.default_rng(0).uniform(size=200).astype("float32")
    marks = np.zeros(200, "float32")
    marks[[20, 150]] = 1
    answer = model.signatures["serving_default"](x=tf.constant(np.stack([numbers, marks], 1)[None]))
    print(f"{numbers[20]:.3f} + {numbers[150]:.3f} = {answer['sum'][0]:.3f}")


if __name__ == "__main__":
    main()
