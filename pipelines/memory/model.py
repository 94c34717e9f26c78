"""The net of both tasks, and gates that start with memories of all lengths."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

import rnnkit
from pipelines.cells import recurrent_layer
from pipelines.memory.settings import MemorySettings

_LSTM = {"f": 1, "i": -1}  # signs by which a gate's bias lengthens the memory
KEEPING: dict[type, dict[str, int]] = {
    rnnkit.LSTMCell: _LSTM,
    rnnkit.PeepholeLSTMCell: _LSTM,
    rnnkit.FullPeepholeLSTMCell: _LSTM,
    rnnkit.ProjectedLSTMCell: _LSTM,
    rnnkit.LayerNormLSTMCell: _LSTM,
    rnnkit.CoupledLSTMCell: {"f": 1},
    rnnkit.MinLSTMCell: _LSTM,
    rnnkit.GRUCell: {"z": -1},
    rnnkit.ResetAfterGRUCell: {"z": 1},
    rnnkit.MinGRUCell: {"z": -1},
    rnnkit.MGUCell: {"f": -1},  # its f renews
    keras.layers.LSTMCell: _LSTM,
    keras.layers.GRUCell: {"z": 1},
}
_KERAS_GATES = {keras.layers.LSTMCell: "ifgo", keras.layers.GRUCell: "zrg"}


def memory_model(
    settings: MemorySettings, *, inputs: int, outputs: int, steps: int, sequences: bool
) -> keras.Model:
    """Recurrent layers and a linear one, (batch, T, inputs) -> (batch, outputs).

    Args:
        settings: of the run.
        inputs: int, numbers a step.
        outputs: int, numbers an answer.
        steps: int, the longest memory that gates start with.
        sequences: bool, whether every step is answered, (batch, T, outputs), or the last one.
    """
    x = entrance = keras.Input((None, inputs))
    for k in range(settings.layers):
        layer = recurrent_layer(
            settings.cell,
            settings.units,
            return_sequences=sequences or k < settings.layers - 1,
            truncate_gradient=settings.bptt_steps,
            name=f"recurrent_{k}",
        )
        x = layer(x)
        if settings.gate_bias == "chrono":
            set_chrono_biases(layer.cell, steps, seed=settings.seed + k)
        x = keras.layers.Dropout(settings.dropout, seed=k)(x)
    return keras.Model(entrance, keras.layers.Dense(outputs, name="answer")(x))


def set_chrono_biases(cell: Any, steps: int, seed: int) -> None:
    """Biases that let a unit remember for about t steps, t drawn between 1 and `steps`.

        t ~ U(1, steps - 1)      b_f = log t      b_i = -log t

    A forget gate at sigmoid(log t) = 1 - 1 / (1 + t) halves the memory in about 0.7 t steps. At the
    usual bias of 1 it is halved in two steps, and a gradient over 200 steps is gone before anything
    is learnt. Gates that renew instead of forgetting (z of a GRU) get -log t. Cells without gates
    stay as they are.

    Reference: C. Tallec and Y. Ollivier, Can Recurrent Neural Networks Warp Time?, ICLR 2018.
    """
    signs = KEEPING.get(type(cell))
    if signs is None:
        return
    draw = np.random.default_rng(seed).uniform(1, max(steps - 1, 1), cell.units)
    biases = keras.ops.convert_to_numpy(cell.bias).copy()
    gates = _KERAS_GATES.get(type(cell)) or cell.gates
    blocks = biases.reshape((-1, len(gates), cell.units))[0]  # Keras's GRU has a second row
    for gate, sign in signs.items():
        blocks[tuple(gates).index(gate)] = sign * np.log(draw)
    cell.bias.assign(biases)
