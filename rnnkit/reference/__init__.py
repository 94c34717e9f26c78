"""Every cell in plain NumPy: one step forward, and the same step backward, derived by hand.

The listing for learners, and the oracle of the tests: float64, no framework, nothing clever. Every
cell is a pair of functions,

    y_t, states, cache = forward(x_t, states, weights)
    dx_t, dstates, dweights = backward(dy_t, dstates, cache)

where `weights` maps the names of the Keras cell's weights to arrays, and `d...` is the gradient of
one scalar loss L with respect to it. `run_forward` and `run_backward` carry any pair over a
sequence: backpropagation through time.

    x (batch, m)    h, c, y (batch, n)    kernel (m, gates * n)    recurrent_kernel (n, gates * n)

A name such as `a_f` is what stands inside the sigmoid or tanh of gate f (its pre-activation), and
sigmoid' = s (1 - s), tanh' = 1 - tanh^2, so `da_f = df * f * (1 - f)`.
"""

from rnnkit.reference.gru import (
    gru_backward,
    gru_forward,
    gru_reset_after_backward,
    gru_reset_after_forward,
)
from rnnkit.reference.linear import (
    min_gru_backward,
    min_gru_forward,
    min_lstm_backward,
    min_lstm_forward,
)
from rnnkit.reference.lstm import (
    full_peephole_lstm_backward,
    full_peephole_lstm_forward,
    lstm_backward,
    lstm_forward,
    peephole_lstm_backward,
    peephole_lstm_forward,
)
from rnnkit.reference.lstm_variants import (
    coupled_lstm_backward,
    coupled_lstm_forward,
    layer_norm_lstm_backward,
    layer_norm_lstm_forward,
    projected_lstm_backward,
    projected_lstm_forward,
)
from rnnkit.reference.over_time import (
    Array,
    Backward,
    Forward,
    Gradients,
    Step,
    Weights,
    run_backward,
    run_forward,
    sigmoid,
)
from rnnkit.reference.simple import (
    indrnn_backward,
    indrnn_forward,
    mgu_backward,
    mgu_forward,
    output_recurrent_backward,
    output_recurrent_forward,
)
from rnnkit.reference.vanilla import (
    vanilla_backward,
    vanilla_forward,
)

REFERENCE: dict[str, tuple[Forward, Backward]] = {
    "vanilla": (vanilla_forward, vanilla_backward),
    "output_recurrent": (output_recurrent_forward, output_recurrent_backward),
    "lstm": (lstm_forward, lstm_backward),
    "peephole_lstm": (peephole_lstm_forward, peephole_lstm_backward),
    "full_peephole_lstm": (full_peephole_lstm_forward, full_peephole_lstm_backward),
    "coupled_lstm": (coupled_lstm_forward, coupled_lstm_backward),
    "layer_norm_lstm": (layer_norm_lstm_forward, layer_norm_lstm_backward),
    "projected_lstm": (projected_lstm_forward, projected_lstm_backward),
    "gru": (gru_forward, gru_backward),
    "gru_reset_after": (gru_reset_after_forward, gru_reset_after_backward),
    "mgu": (mgu_forward, mgu_backward),
    "indrnn": (indrnn_forward, indrnn_backward),
    "min_gru": (min_gru_forward, min_gru_backward),
    "min_lstm": (min_lstm_forward, min_lstm_backward),
}

__all__ = [
    "REFERENCE",
    "Array",
    "Backward",
    "Forward",
    "Gradients",
    "Step",
    "Weights",
    "coupled_lstm_backward",
    "coupled_lstm_forward",
    "full_peephole_lstm_backward",
    "full_peephole_lstm_forward",
    "gru_backward",
    "gru_forward",
    "gru_reset_after_backward",
    "gru_reset_after_forward",
    "indrnn_backward",
    "indrnn_forward",
    "layer_norm_lstm_backward",
    "layer_norm_lstm_forward",
    "lstm_backward",
    "lstm_forward",
    "mgu_backward",
    "mgu_forward",
    "min_gru_backward",
    "min_gru_forward",
    "min_lstm_backward",
    "min_lstm_forward",
    "output_recurrent_backward",
    "output_recurrent_forward",
    "peephole_lstm_backward",
    "peephole_lstm_forward",
    "projected_lstm_backward",
    "projected_lstm_forward",
    "run_backward",
    "run_forward",
    "sigmoid",
    "vanilla_backward",
    "vanilla_forward",
]
