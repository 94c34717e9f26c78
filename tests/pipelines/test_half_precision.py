"""An export with weights in float16 is half as large and says what that costs."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import pipelines
from pipelines.cli import main
from pipelines.errors import UserError
from pipelines.half_precision import rounded, stored_as_float16
from tests import zoo


@pytest.fixture
def model():
    layers = [keras.Input((None, 3)), keras.layers.GRU(8, use_cudnn=False), keras.layers.Dense(2)]
    return keras.Sequential(layers)


def test_inside_it_computes_with_rounded_weights_and_outside_as_before(model):
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    before = model(x).numpy()
    with rounded(model.variables):
        expected = model(x).numpy()
    np.testing.assert_array_equal(model(x), before)
    assert 0 < np.abs(expected - before).max() < 1e-2
    with stored_as_float16(model.variables):
        traced = tf.function(lambda x: model(x)).get_concrete_function(tf.TensorSpec((2, 5, 3)))
        assert {variable.dtype for variable in traced.variables} == {tf.float16}
        np.testing.assert_allclose(traced(tf.constant(x)), expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(model(x), before)


def test_a_weight_beyond_its_range_is_refused(model):
    model.layers[-1].bias.assign([0, -1e5])
    with (
        pytest.raises(UserError, match=r"up to 65504. Received: 1e\+05 in .*bias"),
        rounded(model.variables),
    ):
        pass


@pytest.fixture
def run(tmp_path):
    settings = {"units": 8, "epochs": 1}
    data = zoo.TASKS["music"].write(tmp_path)
    return pipelines.train("music", data=data, run=tmp_path / "run", **settings)


def test_the_command_exports_half_the_bytes_and_prints_what_that_costs(run, tmp_path, capsys):
    """The checks of the export, in a bare process and under XLA, have passed."""
    root = tmp_path / "models"
    assert main(["export", str(run.path), "--root", str(root), "--weights", "float16"]) == 0
    folder, _, table = capsys.readouterr().out.partition("\n")
    assert all(word in table for word in ("nll", "float32", "float16"))
    stored = tf.train.load_checkpoint(f"{folder}/variables/variables")
    types = stored.get_variable_to_dtype_map()
    shapes = stored.get_variable_to_shape_map()
    floats = [key for key, kind in types.items() if kind.is_floating]
    assert {types[key] for key in floats} == {tf.float16}
    weights = [weight for weight in run.model.variables if weight.dtype == "float32"]
    assert sum(map(np.prod, (shapes[key] for key in floats))) == sum(
        np.prod(weight.shape) for weight in weights
    )
    lost = run.compare_float16()
    assert list(lost) == list(run.metrics["test"]["metrics"])
    before, after = lost["nll"]
    assert before == pytest.approx(run.metrics["test"]["metrics"]["nll"])
    assert 0 < abs(after - before) < 0.01
