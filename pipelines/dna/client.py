"""Asks the exported model about sequences. It needs TensorFlow alone:

python client.py [folder of the export] [SEQUENCE ...]
"""

import json
import sys
from pathlib import Path

import tensorflow as tf


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    sequences = sys.argv[2:] or ["ACGT" * 20]
    model = tf.saved_model.load(str(folder))
    labels = json.loads((folder / "signature.json").read_text())["labels"]
    answer = model.signatures["serving_default"](sequence=tf.constant(sequences))
    for row, sequence in enumerate(sequences):
        print(sequence, "" if answer["valid"][row] else "(not a sequence this model knows)")
        probabilities = answer["probabilities"][row].numpy()
        if probabilities.ndim == 2:  # a label a letter
            found = answer["label"][row].numpy()[: len(sequence)]
            print("  ", " ".join(label.decode() for label in found))
            continue
        for label, probability in zip(labels, probabilities, strict=True):
            print(f"   {label}: {probability:.4f}")


if __name__ == "__main__":
    main()
