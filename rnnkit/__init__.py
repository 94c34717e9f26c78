"""Recurrent networks for Keras 3, from the equation to a served model."""

import keras

from rnnkit import convert, decoding, reference, testing
from rnnkit.birnn import BiRNN
from rnnkit.cells import (
    Cell,
    CoupledLSTMCell,
    FullPeepholeLSTMCell,
    GRUCell,
    IndRNNCell,
    LayerNormLSTMCell,
    LinearCell,
    LSTMCell,
    MGUCell,
    MinGRUCell,
    MinLSTMCell,
    OutputRecurrentCell,
    PeepholeLSTMCell,
    PerGate,
    ProjectedLSTMCell,
    RecurrentDropoutCell,
    ResetAfterGRUCell,
    ResidualCell,
    VanillaCell,
    ZoneoutCell,
)
from rnnkit.gradient_flow import gradient_flow
from rnnkit.recurrent import RNN
from rnnkit.tracing import trace

CELLS: dict[str, type[keras.layers.Layer]] = {
    "vanilla": VanillaCell,
    "output_recurrent": OutputRecurrentCell,
    "lstm": LSTMCell,
    "peephole_lstm": PeepholeLSTMCell,
    "full_peephole_lstm": FullPeepholeLSTMCell,
    "coupled_lstm": CoupledLSTMCell,
    "layer_norm_lstm": LayerNormLSTMCell,
    "projected_lstm": ProjectedLSTMCell,
    "gru": GRUCell,
    "gru_reset_after": ResetAfterGRUCell,
    "mgu": MGUCell,
    "indrnn": IndRNNCell,
    "min_gru": MinGRUCell,
    "min_lstm": MinLSTMCell,
    # Baselines: Keras's own layers, which run over time by themselves.
    "keras_lstm": keras.layers.LSTM,
    "keras_gru": keras.layers.GRU,
    "keras_simple_rnn": keras.layers.SimpleRNN,
}

__all__ = [
    "CELLS",
    "RNN",
    "BiRNN",
    "Cell",
    "CoupledLSTMCell",
    "FullPeepholeLSTMCell",
    "GRUCell",
    "IndRNNCell",
    "LSTMCell",
    "LayerNormLSTMCell",
    "LinearCell",
    "MGUCell",
    "MinGRUCell",
    "MinLSTMCell",
    "OutputRecurrentCell",
    "PeepholeLSTMCell",
    "PerGate",
    "ProjectedLSTMCell",
    "RecurrentDropoutCell",
    "ResetAfterGRUCell",
    "ResidualCell",
    "VanillaCell",
    "ZoneoutCell",
    "convert",
    "decoding",
    "gradient_flow",
    "reference",
    "testing",
    "trace",
]
