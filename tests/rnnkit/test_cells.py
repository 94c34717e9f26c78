"""How a cell starts, and what it says to a wrong argument."""

import itertools
import json
import re

import keras
import numpy as np
import pytest

import rnnkit
from rnnkit.testing import weights_of
from tests import zoo

LSTMS = [name for name in zoo.CELLS if name.endswith("lstm")]


def built(cell):
    cell.build((None, 3))
    return cell


def blocks(matrix, units=None):
    """A fused (k, gates * n) kernel, gate by gate; n is k unless given."""
    width = min(units or matrix.shape[0], matrix.shape[1])
    return np.split(matrix, matrix.shape[1] // width, axis=1)


def recurrent_blocks(cell):
    """Every block of the matrices that start orthogonal."""
    kernels = [w for name, w in weights_of(cell).items() if name.endswith("_kernel")]
    return [block for w in kernels if w.ndim == 2 for block in blocks(w, cell.units)]


def blocks_of_kernel(cell):
    return np.split(weights_of(cell)["kernel"], len(cell.gates), axis=1)


def assert_all_different(arrays):
    for one, other in itertools.combinations(arrays, 2):
        assert one.shape != other.shape or not np.allclose(one, other)


# --- the start ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", zoo.CELLS)
def test_every_gate_is_orthogonal_by_itself(name):
    """Fused kernels of Keras are not: gates shrink the state from the first step on."""
    for block in recurrent_blocks(built(zoo.CELLS[name]())):
        block = block if block.shape[0] >= block.shape[1] else block.T
        np.testing.assert_allclose(block.T @ block, np.eye(block.shape[1]), atol=1e-5)


@pytest.mark.parametrize("name", zoo.CELLS)
@pytest.mark.parametrize(
    "make_seed",
    [lambda: None, lambda: 3, lambda: keras.random.SeedGenerator(3)],
    ids=["no seed", "int", "SeedGenerator"],
)
def test_no_two_gates_start_with_the_same_numbers(name, make_seed):
    """Equal gates get equal gradients at first, and learn less than they could."""
    initializers = keras.initializers
    recurrent = initializers.RandomUniform if name == "indrnn" else initializers.Orthogonal
    kernels = [kind(seed=make_seed()) for kind in (initializers.HeNormal, recurrent)]
    kind = type(zoo.CELLS[name]())
    cell = built(kind(4, kernel_initializer=kernels[0], recurrent_initializer=kernels[1]))
    for parts in (blocks_of_kernel(cell), recurrent_blocks(cell)):
        assert_all_different(parts)


def test_peephole_matrices_start_different_too():
    cell = built(rnnkit.FullPeepholeLSTMCell(4, peephole_initializer="orthogonal"))
    peepholes = [w for name, w in weights_of(cell).items() if name.startswith("peephole")]
    assert_all_different([block for weight in peepholes for block in blocks(weight)])


@pytest.mark.parametrize("name", zoo.CELLS)
def test_input_weights_have_the_variance_of_their_own_gate(name):
    """Glorot's bound for (m, n), not for the fused (m, gates * n)."""
    cell = type(zoo.CELLS[name]())(200)
    cell.build((None, 100))
    bound = np.sqrt(6 / 300)
    assert 0.98 * bound < np.max(np.abs(weights_of(cell)["kernel"])) <= bound


@pytest.mark.parametrize("name", LSTMS)
@pytest.mark.parametrize("forget_bias", [1.0, 2.5])
def test_only_the_forget_gate_starts_open(name, forget_bias):
    cell = built(type(zoo.CELLS[name]())(4, forget_bias=forget_bias))
    start = [forget_bias if gate == "f" else 0 for gate in cell.gates]
    np.testing.assert_array_equal(weights_of(cell)["bias"], np.repeat(start, 4))


def test_the_forget_gate_starts_open_in_a_subclassed_model_too():
    """Keras gives its weights their values after `build`, in `fit`."""

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.rnn = rnnkit.RNN(rnnkit.LSTMCell(4))

        def call(self, x):
            return self.rnn(x)

    model = Net()
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(np.ones((2, 3, 5)), np.ones((2, 4)), verbose=0)
    expected = np.repeat([0, 1, 0, 0], 4)
    np.testing.assert_array_equal(weights_of(model.rnn.cell)["bias"], expected)


@pytest.mark.parametrize(
    "name", ["vanilla", "output_recurrent", "gru", "gru_reset_after", "mgu", "indrnn", "min_gru"]
)
def test_other_biases_start_at_zero(name):
    weights = weights_of(built(zoo.CELLS[name]()))
    assert not any(np.any(w) for name, w in weights.items() if name.endswith("bias"))


@pytest.mark.parametrize("name", zoo.CELLS)
def test_regularizers_reach_their_weights(name):
    cell = built(type(zoo.CELLS[name]())(4, kernel_regularizer="l2", recurrent_regularizer="l1"))
    regularised = {w.name for w in cell.weights if w.regularizer is not None}
    kernels = {
        name
        for name, weight in weights_of(cell).items()
        if weight.ndim == 2 or name == "recurrent_kernel"
    }
    assert regularised == kernels
    assert len(cell.losses) == len(kernels)


def test_an_initializer_may_be_any_function():
    """As Keras takes them: a lambda in a notebook."""
    cell = built(
        rnnkit.GRUCell(4, kernel_initializer=lambda shape, dtype: np.full(shape, 0.5, dtype))
    )
    assert np.all(weights_of(cell)["kernel"] == 0.5)


def test_per_gate_draws_each_block_by_itself():
    kernel = np.asarray(rnnkit.PerGate(keras.initializers.Orthogonal(seed=1), gates=3)((5, 15)))
    for block in blocks(kernel):
        np.testing.assert_allclose(block.T @ block, np.eye(5), atol=1e-5)
    again = rnnkit.PerGate.from_config(rnnkit.PerGate("he_normal", gates=2).get_config())
    assert again.gates == 2
    assert isinstance(again.initializer, keras.initializers.HeNormal)


# --- wrong arguments ------------------------------------------------------------------------------


@pytest.mark.parametrize("units", [0, -3, 2.5, "8", None, True])
@pytest.mark.parametrize("name", zoo.CELLS)
def test_units_must_be_a_positive_int(name, units):
    kind = type(zoo.CELLS[name]())
    message = f"units must be a positive int. Received: units={units!r}. Example: {kind.__name__}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        kind(units)


def test_sizes_may_be_numbers_of_numpy():
    """As a loop over np.arange, or a vocabulary, gives them; a config holds Python's."""
    cell = rnnkit.ProjectedLSTMCell(np.int64(6), projection=np.int32(4))
    assert json.dumps([cell.get_config()["units"], cell.get_config()["projection"]]) == "[6, 4]"


@pytest.mark.parametrize("name", zoo.CELLS)
@pytest.mark.parametrize("change", [1, -1])
def test_a_cell_says_how_many_states_it_has(name, change):
    cell = zoo.CELLS[name]()
    states = cell.get_initial_state(2)
    states = [*states, states[0]] if change > 0 else states[:-1]
    with pytest.raises(ValueError, match=rf"has {len(cell.state_sizes)} state\(s\).*Received: "):
        cell(np.zeros((2, 3), "float32"), states)


@pytest.mark.parametrize(
    ("x", "states", "words"),
    [
        ((1, 5, 3), [(1, 4), (1, 4)], r"takes one step.*Received: inputs of shape \(1, 5, 3\)"),
        ((3,), [(1, 4), (1, 4)], r"takes one step.*Received: inputs of shape \(3,\)"),
        ((2, 3), [(2, 4), (2, 5)], r"widths \[4, 4\].*here 2. Received: .*\(2, 5\)"),
        ((2, 3), [(1, 4), (2, 4)], r"here 2. Received: .*\(1, 4\)"),
        ((2, 3), [(4,), (4,)], r"Received: states of shapes \[\(4,\), \(4,\)\]"),
    ],
)
def test_a_cell_takes_one_step_and_states_that_fit(x, states, words):
    """Else a sequence is broadcast against the first state, and gives numbers of no meaning."""
    zeros = [np.zeros(shape, "float32") for shape in (x, *states)]
    with pytest.raises(ValueError, match=words):
        rnnkit.LSTMCell(4)(zeros[0], zeros[1:])


def test_per_gate_says_which_width_it_needs():
    with pytest.raises(ValueError, match=r"multiple of gates=3. Received: shape=\(4, 8\)"):
        rnnkit.PerGate("zeros", gates=3)((4, 8))


def test_the_contract_cannot_be_used_as_a_cell():
    with pytest.raises(TypeError, match="abstract"):
        rnnkit.Cell(4)


def test_the_constraint_of_an_indrnn_holds_after_an_update():
    """Without the paper's bound on u one large update makes a net that explodes."""
    cell = rnnkit.IndRNNCell.from_config(
        rnnkit.IndRNNCell(4, recurrent_constraint="non_neg").get_config()
    )
    model = keras.Sequential([rnnkit.RNN(cell)])
    model.compile(keras.optimizers.SGD(100.0), "mse")
    model.fit(np.ones((2, 3, 5)), np.full((2, 4), -9.0), verbose=0)
    u = weights_of(cell)["recurrent_kernel"]
    assert np.all(u >= 0)
    assert np.any(u == 0), "an update that breaks no bound proves nothing"
