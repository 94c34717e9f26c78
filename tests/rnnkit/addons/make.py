"""Writes the files beside it with TensorFlow Addons 0.23.0 and TensorFlow 2.15.1, both of which
run on Python 3.11 with NumPy 1 and beside nothing of ours:

    python make.py

Two nets with random weights: their files, their inputs x and their outputs y. And a CRF.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

HERE = Path(__file__).parent


def main() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(3, 6, 2)).astype("float32")
    for name, kind in {
        "peephole": tfa.rnn.PeepholeLSTMCell,
        "layer_norm": tfa.rnn.LayerNormLSTMCell,
    }.items():
        layer = tf.keras.layers.RNN(kind(3), return_sequences=True, name="memory")
        model = tf.keras.Sequential([tf.keras.Input((None, 2)), layer])
        for weight in model.weights:
            weight.assign(random.normal(scale=0.7, size=weight.shape))
        model.compile("adam", "mse")
        y = model(x).numpy()
        model.train_on_batch(x, y)  # so that there is an optimizer to leave out
        np.savez(HERE / f"{name}.npz", x=x, y=model(x).numpy())
        model.save_weights(HERE / f"{name}.h5")
        model.save_weights(HERE / f"{name}.weights.h5")
        model.save(HERE / f"{name}-model.h5")
        model.save_weights(HERE / f"{name}-checkpoint")
    write_crf()
    (HERE / "checkpoint").unlink()  # names the newest of several, which is not needed


def write_crf() -> None:
    """A CRF with its Dense: its files, inputs x, best tags, and the log-likelihood of tags y."""
    random = np.random.default_rng(1)
    x = random.normal(size=(3, 6, 2)).astype("float32")
    inputs = tf.keras.Input((6, 2))
    model = tf.keras.Model(inputs, tfa.layers.CRF(4, name="tagger")(inputs))
    for weight in model.weights:
        weight.assign(random.normal(scale=0.7, size=weight.shape))
    tags, potentials, lengths, chain = model(x)
    y = random.integers(4, size=(3, 6)).astype("int32")
    found, _ = tfa.text.crf_log_likelihood(potentials, y, lengths, chain)
    np.savez(HERE / "crf.npz", x=x, tags=tags.numpy(), y=y, log_likelihood=found.numpy())
    model.save_weights(HERE / "crf.h5")
    model.save_weights(HERE / "crf.weights.h5")
    model.save(HERE / "crf-model.h5")
    model.save_weights(HERE / "crf-checkpoint")


if __name__ == "__main__":
    main()
