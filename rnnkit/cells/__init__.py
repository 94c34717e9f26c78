"""One step of each recurrent net, equations first."""

from rnnkit.cells.base import Cell
from rnnkit.cells.gru import GRUCell, ResetAfterGRUCell
from rnnkit.cells.initializers import PerGate
from rnnkit.cells.lstm import FullPeepholeLSTMCell, LSTMCell, PeepholeLSTMCell
from rnnkit.cells.vanilla import VanillaCell

__all__ = [
    "Cell",
    "FullPeepholeLSTMCell",
    "GRUCell",
    "LSTMCell",
    "PeepholeLSTMCell",
    "PerGate",
    "ResetAfterGRUCell",
    "VanillaCell",
]
