"""Recurrent networks for Keras 3, from the equation to a served model."""

import keras

from rnnkit import convert, reference, testing
from rnnkit.cells import (
    Cell,
    FullPeepholeLSTMCell,
    GRUCell,
    LSTMCell,
    PeepholeLSTMCell,
    PerGate,
    ResetAfterGRUCell,
    VanillaCell,
)
from rnnkit.recurrent import RNN

CELLS: dict[str, type[keras.layers.Layer]] = {
    "vanilla": VanillaCell,
    "lstm": LSTMCell,
    "peephole_lstm": PeepholeLSTMCell,
    "full_peephole_lstm": FullPeepholeLSTMCell,
    "gru": GRUCell,
    "gru_reset_after": ResetAfterGRUCell,
    # Baselines: Keras's own layers, which run over time by themselves.
    "keras_lstm": keras.layers.LSTM,
    "keras_gru": keras.layers.GRU,
    "keras_simple_rnn": keras.layers.SimpleRNN,
}

__all__ = [
    "CELLS",
    "RNN",
    "Cell",
    "FullPeepholeLSTMCell",
    "GRUCell",
    "LSTMCell",
    "PeepholeLSTMCell",
    "PerGate",
    "ResetAfterGRUCell",
    "VanillaCell",
    "convert",
    "reference",
    "testing",
]
