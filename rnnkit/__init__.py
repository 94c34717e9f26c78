"""Recurrent networks for Keras 3, from the equation to a served model."""

import keras

from rnnkit import attention, convert, decoding, reference, testing, windows
from rnnkit.attention import (
    AttentionCell,
    BahdanauAttention,
    LuongDotAttention,
    LuongGeneralAttention,
)
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
    OneStateCell,
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
from rnnkit.crf import (
    CRF,
    CRFAccuracy,
    CRFDecoder,
    CRFLoss,
    CRFMarginals,
    crf_constraints,
    crf_decode,
    crf_log_likelihood,
    crf_marginals,
)
from rnnkit.encoder_decoder import EncoderDecoder
from rnnkit.gradient_flow import gradient_flow
from rnnkit.recurrent import RNN
from rnnkit.tracing import trace
from rnnkit.windows import WindowedRNN

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
    "CRF",
    "RNN",
    "AttentionCell",
    "BahdanauAttention",
    "BiRNN",
    "CRFAccuracy",
    "CRFDecoder",
    "CRFLoss",
    "CRFMarginals",
    "Cell",
    "CoupledLSTMCell",
    "EncoderDecoder",
    "FullPeepholeLSTMCell",
    "GRUCell",
    "IndRNNCell",
    "LSTMCell",
    "LayerNormLSTMCell",
    "LinearCell",
    "LuongDotAttention",
    "LuongGeneralAttention",
    "MGUCell",
    "MinGRUCell",
    "MinLSTMCell",
    "OneStateCell",
    "OutputRecurrentCell",
    "PeepholeLSTMCell",
    "PerGate",
    "ProjectedLSTMCell",
    "RecurrentDropoutCell",
    "ResetAfterGRUCell",
    "ResidualCell",
    "VanillaCell",
    "WindowedRNN",
    "ZoneoutCell",
    "attention",
    "convert",
    "crf_constraints",
    "crf_decode",
    "crf_log_likelihood",
    "crf_marginals",
    "decoding",
    "gradient_flow",
    "reference",
    "testing",
    "trace",
    "windows",
]
