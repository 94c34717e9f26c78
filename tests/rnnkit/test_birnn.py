"""Two directions: what each gives, how they merge, and what masks do to them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnkit

X = np.random.default_rng(0).normal(size=(3, 6, 5)).astype("float32")
MASK = np.array([[1, 1, 1, 1, 0, 0], [0, 1, 1, 0, 1, 1], [0] * 6], "bool")
MERGES = {
    "concat": lambda a, b: np.concatenate([a, b], -1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
}


def directions(layer, x, **options):
    """Outputs in the order of the inputs, and states, of the two layers inside."""
    forward, *states = layer.forward_layer(x, **options)
    backward, *others = layer.backward_layer(x, **options)
    return forward, tf.reverse(backward, [1]), states + others


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_the_two_directions_merge_step_by_step(merge, mask):
    """Each step's output joins what came before it with what comes after it."""
    layer = rnnkit.BiRNN(
        rnnkit.LSTMCell(4), merge_mode=merge, return_sequences=True, return_state=True
    )
    mask = None if mask is None else tf.constant(mask)
    y, *states = layer(X, mask=mask)
    forward, backward, expected = directions(layer, X, mask=mask)
    np.testing.assert_allclose(y, MERGES[merge](forward, backward), rtol=1e-6, atol=1e-7)
    for found, state in zip(states, expected, strict=True):
        np.testing.assert_allclose(found, state, rtol=1e-6)
    if mask is not None:
        assert not np.any(y[~MASK])


def test_a_pair_comes_out_without_a_merge():
    layer = rnnkit.BiRNN(rnnkit.GRUCell(4), merge_mode=None, return_sequences=True)
    forward, backward = layer(X)
    assert forward.shape == backward.shape == (3, 6, 4)
    assert not np.allclose(forward, backward)


def test_padding_changes_nothing():
    """The backward direction starts at the last real step, not in the padding."""
    layer = rnnkit.BiRNN(rnnkit.GRUCell(4))
    padded = layer(X[:1], mask=tf.constant(MASK[:1]))
    np.testing.assert_allclose(padded, layer(X[:1, :4]), rtol=1e-5, atol=1e-6)


def test_the_backward_cell_may_be_another_and_is_never_shared():
    layer = rnnkit.BiRNN(rnnkit.GRUCell(4), rnnkit.MinGRUCell(3))
    assert layer(X).shape == (3, 7)
    cell = rnnkit.GRUCell(4)
    layer = rnnkit.BiRNN(cell)
    layer(X)
    assert not cell.built
    assert len(layer.trainable_weights) == 2 * len(layer.forward_layer.trainable_weights)


def test_carried_states_go_to_their_directions():
    layer = rnnkit.BiRNN(rnnkit.LSTMCell(4), return_sequences=True, return_state=True)
    states = [tf.random.normal((3, 4)) for _ in range(4)]
    y, *_ = layer(X, initial_state=states)
    forward, *_ = layer.forward_layer(X, initial_state=states[:2])
    backward, *_ = layer.backward_layer(X, initial_state=states[2:])
    expected = tf.concat([forward, tf.reverse(backward, [1])], -1)
    np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_a_fitted_model_comes_back_from_disk(tmp_path):
    """Weights, both cells and all options."""
    model = keras.Sequential(
        [
            keras.Input((None, 5)),
            rnnkit.BiRNN(rnnkit.LSTMCell(4), return_sequences=True, truncate_gradient=3),
            rnnkit.BiRNN([rnnkit.GRUCell(4), rnnkit.MinGRUCell(3)], merge_mode="sum"),
        ]
    )
    model.compile("sgd", "mse")
    before = [w.numpy() for w in model.trainable_weights]
    model.fit(X, np.ones((3, 3)), verbose=0)
    assert all(np.any(w != b) for w, b in zip(model.trainable_weights, before, strict=True))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(X), model(X), rtol=1e-6)
    assert again.layers[0].backward_layer.truncate_gradient == 3


def test_an_unknown_merge_is_refused():
    with pytest.raises(ValueError, match=r"merge_mode must be one of 'concat'.*Received.*'add'"):
        rnnkit.BiRNN(rnnkit.GRUCell(4), merge_mode="add")


def test_a_cell_with_a_memory_is_refused():
    """It decodes: nobody knows the later outputs that it would read from the right."""
    attention = rnnkit.LuongGeneralAttention()
    cell = rnnkit.AttentionCell(rnnkit.GRUCell(4), attention, attention_size=4)
    with pytest.raises(ValueError, match=r"cells without a memory.*Received.*Example"):
        rnnkit.BiRNN(cell)
