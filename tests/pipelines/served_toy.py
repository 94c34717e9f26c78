"""A small model with every endpoint an export may have, and requests for it."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from pipelines.task import Endpoint, Served
from rnnkit.counter_random import uniform

STATE, FEATURES = 5, 3
ROWS = tf.TensorSpec((None, FEATURES))
THREE = {"serving_default": {"x": np.eye(FEATURES, dtype="float32")}}  # for ROWS
CARD = "# toy\n\n![picture](plots/loss.png)\n\nA model for tests.\n"


def toy(units: int = STATE, **changes) -> Served:
    """`serving_default` scores whole sequences, `stream` draws numbers step by step."""
    cell = keras.layers.GRUCell(units)
    cell.build((None, FEATURES))
    dense = keras.layers.Dense(2)
    dense.build((None, units))

    @tf.function
    def core(x, state_0):
        y, (state,) = cell(x, [state_0])
        return dense(y), state

    def serving_default(x, length):
        state = tf.zeros((tf.shape(x)[0], units))

        def one_step(t, state, score):
            new_score, new_state = core(x[:, t], state)
            real = (t < length)[:, None]
            return t + 1, tf.where(real, new_state, state), tf.where(real, new_score, score)

        score = tf.zeros((tf.shape(x)[0], 2))
        loop = tf.while_loop(lambda t, *_: t < tf.shape(x)[1], one_step, (0, state, score))
        return {"score": loop[2]}

    def stream(x, state_0, seed, step):
        score, state = core(x, state_0)
        drawn = uniform(seed[:, None], step[:, None], tf.range(2)) < tf.sigmoid(score)
        return {"y": tf.cast(drawn, tf.uint8), "state_0": state}

    def stream_init(seed):
        return {"state_0": tf.zeros((tf.shape(seed)[0], units))}

    ints = tf.TensorSpec((None,), tf.int32)
    x, state = tf.TensorSpec((None, FEATURES)), tf.TensorSpec((None, units))
    served = {
        "endpoints": {
            "serving_default": Endpoint(
                serving_default, {"x": tf.TensorSpec((None, None, FEATURES)), "length": ints}
            ),
            "stream": Endpoint(stream, {"x": x, "state_0": state, "seed": ints, "step": ints}),
            "stream_init": Endpoint(stream_init, {"seed": ints}),
        },
        "core": core,
        "core_inputs": {
            "x": tf.TensorSpec((2, FEATURES)),
            "state_0": tf.TensorSpec((2, units)),
        },
        "client": "# a client\n",
    }
    return Served(**{**served, **changes})


def one(function, core=None, **inputs: tf.TensorSpec) -> Served:
    """A model of one endpoint, `function` of `inputs`; without a core of its own it is its core."""
    core = core or tf.function(function)
    static = {
        name: tf.TensorSpec([size or 2 for size in spec.shape], spec.dtype)
        for name, spec in inputs.items()
        if spec.dtype != tf.string
    }
    endpoint = Endpoint(core if core.__name__ == function.__name__ else function, inputs)
    return Served({"serving_default": endpoint}, core, static, "# a client\n")


def requests(rows: int = 3, steps: int = 4) -> dict[str, dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    numbers = np.arange(rows, dtype="int32")
    return {
        "serving_default": {
            "x": random.normal(size=(rows, steps, FEATURES)).astype("float32"),
            "length": steps - numbers % steps,
        },
        "stream": {
            "x": random.normal(size=(rows, FEATURES)).astype("float32"),
            "seed": numbers,
            "step": 10 + numbers,
        },
        "stream_init": {"seed": numbers},
    }
