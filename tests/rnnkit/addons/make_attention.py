"""Writes the attention files beside it with TensorFlow Addons 0.23.0 and TensorFlow 2.15.1, as
`make.py` does:

    python make_attention.py

Two decoders with random weights, one step after another: their files, inputs x, memory and its
mask, and the outputs y of an AttentionWrapper.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

HERE = Path(__file__).parent


class Net(tf.keras.Model):
    def __init__(self, attention, cell, size):
        super().__init__()
        self.attention = attention
        self.decoder = tfa.seq2seq.AttentionWrapper(cell, attention, attention_layer_size=size)
        self.head = tf.keras.layers.Dense(2)

    def call(self, inputs):
        x, memory, mask = inputs
        self.attention._memory_initialized = False
        self.attention(memory, mask=mask, setup_memory=True)
        state = self.decoder.get_initial_state(batch_size=x.shape[0], dtype=tf.float32)
        ys = []
        for t in range(x.shape[1]):
            y, state = self.decoder(x[:, t], state)
            ys.append(y)
        return tf.stack(ys, 1), self.head(y)


def main() -> None:
    random = np.random.default_rng(2)
    x = random.normal(size=(3, 6, 2)).astype("float32")
    memory = random.normal(size=(3, 4, 7)).astype("float32")
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]], bool)
    nets = {
        "bahdanau": lambda: Net(
            tfa.seq2seq.BahdanauAttention(4, normalize=True), tf.keras.layers.LSTMCell(3), 5
        ),
        "luong": lambda: Net(
            tfa.seq2seq.LuongAttention(3, scale=True), tf.keras.layers.GRUCell(3), None
        ),
    }
    for name, make in nets.items():
        tf.keras.backend.clear_session()
        given = x, memory, tf.constant(mask)
        first = make()
        first(given)
        for weight in first.weights:
            weight.assign(random.normal(scale=0.7, size=weight.shape))
        first.save_weights(HERE / f"{name}.weights.h5")
        first.save_weights(HERE / f"{name}-checkpoint")
        net = make()  # a mechanism of Addons keeps the mask of its first call
        net(given)
        for weight, value in zip(net.weights, first.weights, strict=True):
            weight.assign(value)
        y = net(given)[0].numpy()
        np.savez(HERE / f"{name}.npz", x=x, memory=memory, mask=mask, y=y)
    (HERE / "checkpoint").unlink()


if __name__ == "__main__":
    main()
