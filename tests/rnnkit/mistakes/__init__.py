"""Every cell, and the mistakes a careless hand would make in it."""

from tests.rnnkit.mistakes.gru import GRU, GRU_RESET_AFTER, MGU
from tests.rnnkit.mistakes.linear import MIN_GRU, MIN_LSTM
from tests.rnnkit.mistakes.lstm import FULL_PEEPHOLE, LSTM, PEEPHOLE
from tests.rnnkit.mistakes.lstm_variants import COUPLED, LAYER_NORM, PROJECTED
from tests.rnnkit.mistakes.mistake import IN_EVERY_CELL, Mistake
from tests.rnnkit.mistakes.simple import INDRNN, OUTPUT_RECURRENT, VANILLA

MISTAKES: dict[str, list[Mistake]] = {
    "vanilla": [*IN_EVERY_CELL, *VANILLA],
    "output_recurrent": [*IN_EVERY_CELL, *OUTPUT_RECURRENT],
    "lstm": [*IN_EVERY_CELL, *LSTM],
    "peephole_lstm": [*IN_EVERY_CELL, *PEEPHOLE],
    "full_peephole_lstm": [*IN_EVERY_CELL, *FULL_PEEPHOLE],
    "coupled_lstm": [*IN_EVERY_CELL, *COUPLED],
    "layer_norm_lstm": [*IN_EVERY_CELL, *LAYER_NORM],
    "projected_lstm": [*IN_EVERY_CELL, *PROJECTED],
    "gru": [*IN_EVERY_CELL, *GRU],
    "gru_reset_after": [*IN_EVERY_CELL, *GRU_RESET_AFTER],
    "mgu": [*IN_EVERY_CELL, *MGU],
    "indrnn": [*IN_EVERY_CELL, *INDRNN],
    "min_gru": [*IN_EVERY_CELL, *MIN_GRU],
    "min_lstm": [*IN_EVERY_CELL, *MIN_LSTM],
}

__all__ = ["MISTAKES", "Mistake"]
