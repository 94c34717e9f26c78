"""Every cell of the zoo in every way in which it can run: by steps, in a loop, under XLA, saved."""

import numpy as np
import pytest
import tensorflow as tf

from rnnkit import testing
from tests import zoo
from tests.rnnkit.by_autodiff import assert_same, layer_of, unrolled, with_gradients

CELLS = {**zoo.CELLS, **zoo.WRAPPERS}
MASK = np.array([[1, 0, 1, 1, 0], [0, 0, 1, 1, 1], [0] * 5], "bool")


@pytest.fixture(scope="module")
def samples():
    """name -> (cell, inputs, states), everything random and in float64."""
    return {name: testing.sample(make()) for name, make in CELLS.items()}


@pytest.fixture(scope="module")
def ways(samples, tmp_path_factory):
    """way -> name -> what `RNN` gives. All cells are in one graph: compiled once, saved once."""
    layers = {name: layer_of(cell) for name, (cell, _, _) in samples.items()}
    for layer in layers.values():
        layer.build((None, None, testing.INPUTS))

    def run(xs, mask, states):
        return {
            name: tf.nest.flatten(layer(xs[name], initial_state=states[name], mask=mask))
            for name, layer in layers.items()
        }

    any_size = lambda array: tf.TensorSpec([None] * (array.ndim - 1) + [array.shape[-1]], "float64")
    xs = {name: x for name, (_, x, _) in samples.items()}
    states = {name: first for name, (_, _, first) in samples.items()}
    inputs = tf.nest.map_structure(tf.constant, (xs, MASK, states))
    signature = [
        tf.nest.map_structure(any_size, xs),
        tf.TensorSpec((None, None), "bool"),
        tf.nest.map_structure(any_size, states),
    ]
    module = tf.Module()
    module.weights = [v.value for layer in layers.values() for v in layer.variables]
    module.run = tf.function(run, input_signature=signature, autograph=False)
    folder = str(tmp_path_factory.mktemp("saved"))
    values_alone = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # is faster
    tf.saved_model.save(module, folder, options=values_alone)
    loaded = tf.saved_model.load(folder)
    runs = {
        "eagerly": run,
        "under XLA": tf.function(run, jit_compile=True, autograph=False),
        "saved": loaded.run,
    }
    return {way: call(*inputs) for way, call in runs.items()}


@pytest.mark.parametrize("way", ["eagerly", "under XLA", "saved"])
@pytest.mark.parametrize("name", CELLS)
def test_a_sequence_gives_what_its_steps_give(name, way, samples, ways):
    """With masks and states, any time and batch: what is served is what was tested."""
    cell, xs, states = samples[name]
    expected = tf.nest.flatten(unrolled(cell, tf.constant(xs), states, tf.constant(MASK)))
    assert_same(ways[way][name], expected)


@pytest.mark.parametrize("name", CELLS)
def test_truncation_at_the_whole_length_is_none(name, samples):
    """Values and all gradients; a cell that runs in parallel has a loop here, and the same ones."""
    cell, xs, states = samples[name]
    found = []
    for steps in (None, testing.STEPS):
        layer = layer_of(cell, truncate_gradient=steps)
        run = lambda x, first, layer=layer: layer(x, initial_state=first)
        found.append(with_gradients(run, cell, xs, states, "eager"))
    assert_same(*found)
