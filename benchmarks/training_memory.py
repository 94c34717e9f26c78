"""Memory of a training step, and how it grows with the length of the sequence.

    python benchmarks/training_memory.py

A fresh process for each layer takes one training step (forward, gradients of inputs and weights)
at 500 steps and one at 2,500, and the growth of its largest resident size is what 2,000 steps more
cost: whatever does not depend on the length cancels. It is told in numbers a step and unit: float32
values kept for one unit, one step and one row of the batch, inputs and their gradients included.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

BATCH, INPUTS, UNITS = 32, 64, 256
SHORT, LONG, TRUNCATED = 500, 2500, 50
CELLS = ("vanilla", "gru", "gru_reset_after", "lstm", "peephole_lstm", "layer_norm_lstm")
KERAS = {"vanilla": "SimpleRNN", "gru_reset_after": "GRU", "lstm": "LSTM"}
SIDES = ("ours", "loop", "keras", "truncated", "windows")


def make(side: str, cell: str):
    """The layer of one column of the table; it gives the last output alone."""
    import keras

    import rnnkit

    if side == "keras":
        return getattr(keras.layers, KERAS[cell])(UNITS)
    if side == "loop":  # autodiff of the loop: Keras's own layer around the same cell
        return keras.layers.RNN(rnnkit.CELLS[cell](UNITS))
    return rnnkit.RNN(
        rnnkit.CELLS[cell](UNITS), truncate_gradient=TRUNCATED if side == "truncated" else None
    )


def grown(side: str, cell: str, form: str) -> int:
    """Bytes by which the process grew from the short to the long sequence."""
    import keras
    import tensorflow as tf

    layer = make(side, cell)
    layer.build((BATCH, None, INPUTS))

    @tf.function(jit_compile=form == "xla")
    def step(x, states):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, initial_state=states, training=True)
            loss = tf.reduce_sum(y * y)
        return tape.gradient(loss, [x, *(v.value for v in layer.trainable_variables)])

    states = keras.tree.flatten(layer.get_initial_state(BATCH))
    sizes = []
    for steps in (SHORT, LONG):
        x = tf.random.normal((BATCH, steps, INPUTS))
        for _ in range(2):
            if side == "windows":  # windows of the sequence one after the other
                for start in range(0, steps, TRUNCATED):
                    step(x[:, start : start + TRUNCATED], states)
            else:
                step(x, states)
        sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    return sizes[1] - sizes[0]


def measure(side: str, cell: str, form: str) -> float:
    """The growth in a fresh process, as numbers a unit and step."""
    environment = {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "MALLOC_MMAP_THRESHOLD_": "65536",  # freed tensors go back to the system at once
        "MALLOC_TRIM_THRESHOLD_": "65536",
    }
    words = [sys.executable, __file__, side, cell, form]
    found = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
    return json.loads(found.stdout.splitlines()[-1]) / (4 * BATCH * UNITS * (LONG - SHORT))


def main() -> None:
    if len(sys.argv) == 4:
        print(grown(*sys.argv[1:]))
        return
    print(
        f"Batch {BATCH}, {INPUTS} inputs, {UNITS} units, {SHORT} to {LONG} steps; "
        f"truncated and windows: {TRUNCATED} steps.\n"
    )
    print(
        "| cell, form | ours | RNN(cell) of Keras | Keras's layer | truncate_gradient | windows |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for cell in CELLS:
        for form in ("graph", "xla"):
            found = [
                "" if side == "keras" and cell not in KERAS else f"{measure(side, cell, form):.1f}"
                for side in SIDES
            ]
            print(f"| {cell}, {form} | {' | '.join(found)} |", flush=True)


if __name__ == "__main__":
    main()
