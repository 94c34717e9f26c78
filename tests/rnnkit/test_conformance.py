"""Every cell and layer of the zoo keeps every promise of `rnnkit.testing`."""

import json

import keras
import numpy as np
import pytest

import rnnkit
from rnnkit import testing
from rnnkit.reference import REFERENCE
from tests import zoo


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", [*zoo.CELLS, *zoo.WRAPPERS])
def test_the_cell_keeps_the_contract(name, check):
    check({**zoo.CELLS, **zoo.WRAPPERS}[name]())


@pytest.mark.parametrize("name", zoo.CELLS)
def test_the_cell_computes_its_equations(name):
    testing.check_forward(zoo.CELLS[name](), REFERENCE[name][0])


@pytest.mark.parametrize("name", zoo.CELLS)
def test_the_gradients_are_those_derived_by_hand(name):
    testing.check_backward(zoo.CELLS[name](), *REFERENCE[name])


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell"])
def test_somebody_elses_cell_passes_too(kind):
    """The suite asks for Keras's contract, not for our base class."""
    testing.check_cell(getattr(keras.layers, kind)(4))


@pytest.mark.parametrize("name", zoo.LAYERS)
def test_a_saved_layer_loads_without_custom_objects(name, tmp_path):
    model = keras.Sequential([keras.Input((None, 2)), zoo.LAYERS[name]()])
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
    configs = [json.dumps(m.layers[-1].get_config()) for m in (loaded, model)]
    assert configs[0] == configs[1]


# --- the checks themselves ------------------------------------------------------------------------


class _Broken(rnnkit.GRUCell):
    """A GRU, each subclass of which breaks one promise."""


class _ForgetsAWeight(_Broken):
    def build_recurrent(self):
        super().build_recurrent()
        self.unused = self.add_weight(name="unused", shape=(self.units,))


class _WrongWidth(_Broken):
    @property
    def output_size(self):
        return self.units + 1


class _MixesRows(_Broken):
    def step(self, projected, states):
        y, states = super().step(projected, states)
        return y - keras.ops.mean(y, axis=0), states


class _KeepsAStateOfItsOwn(_Broken):
    def step(self, projected, states):
        self.calls = getattr(self, "calls", 0) + 1
        y, states = super().step(projected, states)
        return y * self.calls, states


class _LosesAnArgument(_Broken):
    def __init__(self, units, *, rate=0.5, **kwargs):
        super().__init__(units, **kwargs)
        self.rate = rate

    def get_config(self):
        return {**super().get_config(), "rate": 2 * self.rate}


class _SingsAlone(_Broken):
    def call(self, inputs, states, training=None):
        y, states = super().call(inputs, states)
        return -y, states


class _Float32Constant(_Broken):
    def step(self, projected, states):
        y, states = super().step(projected, states)
        return keras.ops.cast(y, "float32"), states


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (_ForgetsAWeight, testing.check_gradients),
        (_WrongWidth, testing.check_shapes),
        (_MixesRows, testing.check_rows),
        (_KeepsAStateOfItsOwn, testing.check_carried_state),
        (_KeepsAStateOfItsOwn, testing.check_loop),
        (_LosesAnArgument, testing.check_config),
        (_SingsAlone, testing.check_halves),
        (_SingsAlone, testing.check_loop),
        (_Float32Constant, testing.check_mixed_precision),
    ],
)
def test_a_broken_cell_is_caught(broken, check):
    """A check that nothing fails is no check."""
    with pytest.raises(AssertionError):
        check(broken(4))


def test_an_unregistered_cell_is_caught():
    with pytest.raises((TypeError, ValueError), match="_Broken"):
        testing.check_saving(_Broken(4))
