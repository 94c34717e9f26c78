"""One step of each recurrent net, equations first."""

from rnnkit.cells.base import BaseCell, Cell, OneStateCell
from rnnkit.cells.gru import GRUCell, ResetAfterGRUCell
from rnnkit.cells.indrnn import IndRNNCell
from rnnkit.cells.initializers import PerGate
from rnnkit.cells.layer_norm import LayerNormLSTMCell
from rnnkit.cells.lstm import FullPeepholeLSTMCell, LSTMCell, PeepholeLSTMCell
from rnnkit.cells.lstm_variants import CoupledLSTMCell, ProjectedLSTMCell
from rnnkit.cells.mgu import MGUCell
from rnnkit.cells.noise import RecurrentDropoutCell, ZoneoutCell
from rnnkit.cells.output_recurrent import OutputRecurrentCell
from rnnkit.cells.parallel import LinearCell, MinGRUCell, MinLSTMCell
from rnnkit.cells.vanilla import VanillaCell
from rnnkit.cells.wrappers import ResidualCell, Wrapper

__all__ = [
    "BaseCell",
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
    "OneStateCell",
    "OutputRecurrentCell",
    "PeepholeLSTMCell",
    "PerGate",
    "ProjectedLSTMCell",
    "RecurrentDropoutCell",
    "ResetAfterGRUCell",
    "ResidualCell",
    "VanillaCell",
    "Wrapper",
    "ZoneoutCell",
]
