"""The cells of Greff et al.: each is the peephole LSTM with a gate held open, or one line gone."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import rnnkit
from pipelines.cells import cell_class, recurrent_layer
from pipelines.errors import UserError
from rnnkit.testing import check_cell
from tuning import ablated_cells as ablated
from tuning.studies import STUDIES

M, N, T, ROWS = 3, 4, 6, 2
OPEN = 40.0  # sigmoid(40) is 1 in float32


def drawn(cell: keras.layers.Layer) -> keras.layers.Layer:
    """The cell, built, with random weights that differ per gate."""
    cell.build((None, M))
    draw = np.random.default_rng(5)
    for weight in cell.trainable_weights:
        weight.assign(draw.normal(size=weight.shape, scale=0.7))
    return cell


def states_over_time(cell: keras.layers.Layer) -> np.ndarray:
    """h and c after each of some steps, from states that are not zero."""
    draw = np.random.default_rng(7)
    states = [draw.normal(size=(ROWS, n)).astype("float32") for n in cell.state_sizes]
    states[2:] = [np.zeros_like(state) for state in states[2:]]
    found = []
    for x in draw.normal(size=(T, ROWS, M)).astype("float32"):
        _, states = cell(x, states)
        found.append([keras.ops.convert_to_numpy(state) for state in states[:2]])
    return np.array(found)


def by_name(gates, array) -> dict[str, np.ndarray]:
    """The blocks of an array, one a gate."""
    return dict(zip(gates, np.split(np.array(array), len(gates), -1), strict=True))


def peephole_twin(cell: keras.layers.Layer, missing: str) -> rnnkit.PeepholeLSTMCell:
    """A peephole LSTM with the same weights, whose `missing` gate is always open."""
    twin = rnnkit.PeepholeLSTMCell(N)
    twin.build((None, M))
    for name in ("kernel", "recurrent_kernel", "bias"):
        blocks = by_name(cell.gates, getattr(cell, name))
        if missing:
            fill = OPEN if name == "bias" else 0.0
            blocks[missing] = np.full_like(blocks["g"], fill)
        getattr(twin, name).assign(np.concatenate([blocks[gate] for gate in "ifgo"], -1))
    for gate in "ifo":
        value = np.zeros(N) if gate == missing else cell.peepholes[gate]
        getattr(twin, f"peephole_{gate}").assign(value)
    return twin


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        (ablated.NoInputGateCell, "i"),
        (ablated.NoForgetGateCell, "f"),
        (ablated.NoOutputGateCell, "o"),
    ],
)
def test_a_missing_gate_is_an_open_one(kind, missing):
    cell = drawn(kind(N))
    expected = states_over_time(peephole_twin(cell, missing))
    np.testing.assert_allclose(states_over_time(cell), expected, atol=1e-5)


def test_coupled_gates_are_one_gate():
    """sigmoid(-a) = 1 - sigmoid(a): an input gate with the negated weights of the forget gate."""
    cell = drawn(ablated.CoupledGatesCell(N))
    twin = rnnkit.PeepholeLSTMCell(N)
    twin.build((None, M))
    for name in ("kernel", "recurrent_kernel", "bias"):
        f, g, o = np.split(np.array(getattr(cell, name)), 3, -1)
        getattr(twin, name).assign(np.concatenate([-f, f, g, o], -1))
    twin.peephole_i.assign(-np.array(cell.peepholes["f"]))
    twin.peephole_f.assign(cell.peepholes["f"])
    twin.peephole_o.assign(cell.peepholes["o"])
    np.testing.assert_allclose(states_over_time(cell), states_over_time(twin), atol=1e-5)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


@pytest.mark.parametrize(
    ("kind", "squash_in", "squash_out"),
    [
        (ablated.NoInputActivationCell, lambda a: a, np.tanh),
        (ablated.NoOutputActivationCell, np.tanh, lambda a: a),
        (ablated.FullGateRecurrenceCell, np.tanh, np.tanh),
    ],
)
def test_activations_and_recurrent_gates(kind, squash_in, squash_out):
    """Step by step in NumPy, gate by gate."""
    cell = drawn(kind(N))
    draw = np.random.default_rng(7)
    h, c = (draw.normal(size=(ROWS, N)).astype("float32") for _ in range(2))
    if kind is ablated.FullGateRecurrenceCell:
        for _ in range(3):
            draw.normal(size=(ROWS, N))
    before = np.zeros((ROWS, 3 * N))
    full = kind is ablated.FullGateRecurrenceCell
    R = np.concatenate(cell.gate_kernels, 0) if full else np.zeros((3 * N, 3 * N))
    p = dict(zip("ifo", cell.peepholes, strict=True)) if full else cell.peepholes
    expected = []
    for x in draw.normal(size=(T, ROWS, M)).astype("float32"):
        a = x @ np.array(cell.kernel) + h @ np.array(cell.recurrent_kernel) + np.array(cell.bias)
        a, extra = by_name(cell.gates, a), by_name("ifo", before @ R)
        i = sigmoid(a["i"] + extra["i"] + c * np.array(p["i"]))
        f = sigmoid(a["f"] + extra["f"] + c * np.array(p["f"]))
        c = f * c + i * squash_in(a["g"])
        o = sigmoid(a["o"] + extra["o"] + c * np.array(p["o"]))
        h = o * squash_out(c)
        before = np.concatenate([i, f, o], -1)
        expected.append([h, c])
    np.testing.assert_allclose(states_over_time(cell), expected, atol=1e-5)


def test_they_keep_the_contract_of_a_cell():
    """Training, masks, saving and loading: the library's own conformance suite."""
    check_cell(ablated.NoForgetGateCell(4))
    check_cell(ablated.FullGateRecurrenceCell(4))


@pytest.mark.parametrize("study", STUDIES)
def test_studies_name_cells_that_exist(study):
    for entry in STUDIES[study].entries.values():
        assert recurrent_layer(entry.cell, entry.units) is not None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tuning.ablated_cells:NoSuchCell", "expected a subclass of rnnkit.Cell"),
        ("tuning.nowhere:Cell", "cannot be imported"),
        (":Cell", "cannot be imported"),
        ("keras.layers:Dense", "expected a subclass of rnnkit.Cell"),
    ],
)
def test_a_cell_of_ones_own_that_is_none(name, words):
    with pytest.raises(UserError, match=words):
        cell_class(name)
