"""The layer around the engine: masks, carried state, stacks, other cells, saving, errors."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnkit

BATCH, STEPS, INPUTS = 3, 6, 5
MASKS = {
    "right": [[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]],
    "left": [[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1]],
    "middle": [[1, 0, 0, 1, 1, 1], [1, 1, 1, 0, 1, 1], [1, 0, 1, 0, 1, 0]],
    "an empty row": [[0] * 6, [1] * 6, [0] * 6],
}


def inputs(seed=0):
    return np.random.default_rng(seed).normal(size=(BATCH, STEPS, INPUTS)).astype("float32")


def first_states(cell, seed=1):
    random = np.random.default_rng(seed)
    widths = cell.state_size if isinstance(cell.state_size, (list, tuple)) else [cell.state_size]
    return [tf.constant(random.normal(size=(BATCH, n)).astype("float32")) for n in widths]


def layer_of(cell, **options):
    return rnnkit.RNN(cell, **{"return_sequences": True, "return_state": True, **options})


def assert_same(found, expected, atol=2e-6):
    found, expected = tf.nest.flatten(found), tf.nest.flatten(expected)
    for received, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(received, wanted, rtol=1e-5, atol=atol)


# --- masks ----------------------------------------------------------------------------------------


def rows_without_padding(layer, x, states, mask):
    """Each row by itself, its masked steps taken out; then outputs put where they belong."""
    ys = np.zeros((BATCH, STEPS, layer.cell.output_size), "float32")
    last = [state.numpy() for state in states]
    for row in range(BATCH):
        real = np.flatnonzero(mask[row])
        if len(real):
            y, *new = layer(
                x[row : row + 1, real], initial_state=[s[row : row + 1] for s in states]
            )
            for t in range(real[0], STEPS):
                ys[row, t] = y[0, np.searchsorted(real, t, "right") - 1]
            for state, value in zip(last, new, strict=True):
                state[row] = value[0]
    return [ys, *last]


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize(
    "make", [rnnkit.LSTMCell, rnnkit.MinGRUCell, keras.layers.GRUCell], ids=lambda c: c.__name__
)
def test_padding_changes_nothing(kind, make):
    """A row gets what it would get alone and unpadded, wherever its real steps are."""
    layer, x, mask = layer_of(make(4)), inputs(), np.array(MASKS[kind], "bool")
    states = first_states(layer.cell)
    found = layer(x, initial_state=states, mask=tf.constant(mask))
    assert_same(found, rows_without_padding(layer, x, states, mask))


def test_masked_outputs_are_zero_on_demand_and_the_last_output_is_kept():
    mask = np.array(MASKS["right"], "bool")
    zeros = layer_of(rnnkit.GRUCell(4), zero_output_for_mask=True)
    ys = zeros(inputs(), mask=tf.constant(mask))[0].numpy()
    assert np.all((ys != 0).all(-1) == mask)
    last = rnnkit.RNN(zeros.cell)(inputs(), mask=tf.constant(mask))
    rows = [ys[row, mask[row].sum() - 1] for row in range(BATCH)]
    np.testing.assert_allclose(last, rows, rtol=1e-5, atol=1e-6)


def test_the_mask_goes_on_to_the_next_layer():
    """A stack that loses the mask after its first layer learns from padding."""
    tokens = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(9, 3, mask_zero=True),
            rnnkit.RNN(rnnkit.GRUCell(4), return_sequences=True),
            rnnkit.RNN(rnnkit.LSTMCell(4)),
        ]
    )
    np.testing.assert_allclose(model(tokens)[:1], model(tokens[:1, :3]), rtol=1e-5, atol=1e-6)
    layer = layer_of(rnnkit.LSTMCell(4))
    assert layer.compute_mask(None, "mask") == ["mask", None, None]


@pytest.mark.parametrize(
    "layer",
    [
        rnnkit.RNN(rnnkit.LSTMCell(4), return_sequences=True, return_state=True),
        rnnkit.BiRNN(rnnkit.LSTMCell(4), return_sequences=True, return_state=True),
        keras.layers.Bidirectional(rnnkit.RNN(rnnkit.LSTMCell(4), return_sequences=True)),
    ],
    ids=["RNN", "BiRNN", "Bidirectional"],
)
@pytest.mark.parametrize("symbolic", [False, True])
def test_the_mask_of_the_inputs_counts_beside_an_initial_state(layer, symbolic):
    """A decoder that begins in the states of an encoder would run on through its padding."""
    mask = np.array(MASKS["middle"], "bool")
    count = 2 if isinstance(layer, rnnkit.RNN) else 4
    states = [tf.random.stateless_normal((BATCH, 4), (0, k)) for k in range(count)]
    x = tf.where(mask[..., None], inputs(), 0)
    expected = layer(x, initial_state=states, mask=tf.constant(mask))
    run = lambda x, states: layer(keras.layers.Masking()(x), initial_state=states)
    if symbolic:
        symbols = keras.Input((None, INPUTS)), [keras.Input((4,)) for _ in states]
        found = keras.Model(symbols, run(*symbols))((x, states))
    else:
        found = run(x, states)
    assert_same(found, expected)


# --- state and direction --------------------------------------------------------------------------


@pytest.mark.parametrize("make", [rnnkit.PeepholeLSTMCell, rnnkit.MinLSTMCell])
def test_two_halves_with_carried_state_are_the_whole(make):
    layer, x = layer_of(make(4)), inputs()
    ys, *last = layer(x)
    first, *middle = layer(x[:, :2])
    second, *end = layer(x[:, 2:], initial_state=middle)
    assert_same([tf.concat([first, second], 1), *end], [ys, *last])


def test_a_stateful_layer_goes_on_where_it_was():
    cell, x = rnnkit.LSTMCell(4), inputs()
    whole, stateful = layer_of(cell)(x)[0], rnnkit.RNN(cell, return_sequences=True, stateful=True)
    halves = [stateful(x[:, :2]), stateful(x[:, 2:])]
    assert_same(tf.concat(halves, 1), whole)
    stateful.reset_state()
    assert_same(stateful(x[:, :2]), halves[0])


@pytest.mark.parametrize("make", [rnnkit.RNN, rnnkit.BiRNN])
def test_a_stateful_stack_goes_on_where_it_was_and_begins_anew(make):
    """A stack has a list of states for each cell, a BiRNN those of both directions."""
    layer = make([rnnkit.LSTMCell(4), rnnkit.GRUCell(3)], stateful=True, return_sequences=True)
    layer = make.from_config(layer.get_config())
    first, second = layer(inputs()), layer(inputs())
    assert not np.allclose(first, second, atol=1e-3)
    layer.reset_state()
    assert_same([layer(inputs()), layer(inputs())], [first, second])


def test_recurrent_dropout_draws_anew_when_a_stateful_layer_begins_anew():
    cell = rnnkit.RecurrentDropoutCell(rnnkit.GRUCell(4), 0.5, seed=0)
    layer = rnnkit.RNN(cell, stateful=True)
    layer(inputs())
    masks = [layer.states[-1].numpy()]
    for _ in range(2):
        layer.reset_state()
        masks.append(layer.states[-1].numpy())
    assert not np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[1], masks[2])
    assert not layer.states[0].numpy().any()


def test_backwards_is_the_reversed_sequence():
    """Keras gives the outputs in the order of processing, the last step's first."""
    cell, x = rnnkit.GRUCell(4), inputs()
    mask = tf.constant(np.array(MASKS["middle"], "bool"))
    found = layer_of(cell, go_backwards=True)(x, mask=mask)
    assert_same(found, layer_of(cell)(x[:, ::-1], mask=mask[:, ::-1]))
    keras_layer = keras.layers.RNN(
        cell, return_sequences=True, return_state=True, go_backwards=True
    )
    assert_same(found, keras_layer(x, mask=mask))


def test_a_list_of_cells_is_layers_on_top_of_each_other():
    cells, x = [rnnkit.LSTMCell(4), rnnkit.GRUCell(3), rnnkit.MinGRUCell(2)], inputs()
    mask = tf.constant(np.array(MASKS["middle"], "bool"))
    stack = layer_of(cells)
    found, *states = stack(x, mask=mask)
    assert [len(part) for part in states] == [2, 1, 1]
    y, expected = x, []
    for cell in cells:
        y, *last = layer_of(cell)(y, mask=mask)
        expected.append(last)
    assert_same([found, *states], [y, *expected])
    again, *_ = stack(x, mask=mask, initial_state=states)
    assert not np.allclose(again, found)


def test_one_cell_twice_in_a_stack_shares_its_weights():
    cell = rnnkit.GRUCell(2)
    x = inputs()[..., :2]
    once = rnnkit.RNN(cell, return_sequences=True)
    np.testing.assert_allclose(rnnkit.RNN([cell, cell])(x), once(once(x))[:, -1], rtol=1e-6)


def test_a_time_that_is_known_stays_known():
    """Layers behind it that reshape, a Flatten or a Conv1D, can rely on it in graphs."""
    layer = rnnkit.RNN([rnnkit.LSTMCell(4), rnnkit.MGUCell(4)], return_sequences=True)
    graph = tf.function(lambda x: layer(x)).get_concrete_function(tf.TensorSpec((None, 6, 2)))
    assert graph.output_shapes.as_list() == [None, 6, 4]


def test_keras_cells_run_with_ours_in_one_stack():
    cells, x = [rnnkit.LSTMCell(4), keras.layers.GRUCell(3)], inputs()
    found = rnnkit.RNN(cells, return_sequences=True)(x)
    assert_same(found, keras.layers.RNN(cells, return_sequences=True)(x))


class Told(rnnkit.VanillaCell):
    """Remembers what it was told about training."""

    def project(self, inputs, training=None):
        self.projected = training
        return super().project(inputs)

    def step(self, projected, states, training=None):
        self.stepped = training
        return super().step(projected, states)


def test_cells_that_ask_are_told_about_training():
    """Dropout in a cell must not go on at prediction."""
    cell = Told(4)
    for training in (True, False):
        rnnkit.RNN(cell)(inputs(), training=training)
        assert (cell.projected, cell.stepped) == (training, training)


def test_a_cell_of_another_precision_keeps_it():
    cell = rnnkit.LSTMCell(4, dtype="float64")
    assert rnnkit.RNN(cell)(inputs()).dtype == tf.float64
    assert rnnkit.RNN([cell])(inputs()).dtype == tf.float64
    assert rnnkit.RNN(cell, dtype="float32")(inputs()).dtype == tf.float32


# --- Keras around it ------------------------------------------------------------------------------


def test_it_runs_inside_keras_bidirectional():
    layer = keras.layers.Bidirectional(rnnkit.RNN(rnnkit.GRUCell(4), return_sequences=True))
    x = inputs()
    found = layer(x).numpy()
    forward, backward = layer.forward_layer, layer.backward_layer
    expected = np.concatenate([forward(x), backward(x)[:, ::-1]], -1)
    assert backward.go_backwards
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_fitted_model_is_saved_reloaded_and_exported(tmp_path):
    """With unknown time: the export traces the gradients too, so that it can be trained on."""
    cells = [rnnkit.LSTMCell(4), rnnkit.GRUCell(3)]
    model = keras.Sequential(
        [
            keras.Input((None, INPUTS)),
            rnnkit.RNN(cells, return_sequences=True, truncate_gradient=4),
            rnnkit.RNN(rnnkit.PeepholeLSTMCell(2)),
        ]
    )
    model.compile("sgd", "mse")
    x = inputs()
    before = [w.numpy() for w in model.trainable_weights]
    model.fit(x, np.ones((BATCH, 2)), verbose=0)
    assert all(np.any(w != b) for w, b in zip(model.trainable_weights, before, strict=True))
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.layers[0].truncate_gradient == 4
    np.testing.assert_allclose(again.predict(x, verbose=0), expected, rtol=1e-6)
    model.export(tmp_path / "export", verbose=False)
    served = tf.saved_model.load(tmp_path / "export")
    shorter = tf.constant(x[:2, :4])
    found = []
    for run in (served.serve, model):
        with tf.GradientTape() as tape:
            tape.watch(shorter)
            y = run(shorter)
        found.append([y, tape.gradient(y, shorter)])
    assert_same(*found)


def test_the_options_are_in_the_signature():
    """Those of Keras's layer, so that `help` and an editor know them; and a config keeps them."""
    own = inspect.signature(rnnkit.RNN.__init__).parameters
    for name, keras_option in inspect.signature(keras.layers.RNN.__init__).parameters.items():
        assert own[name].default == keras_option.default
    options = dict.fromkeys(("go_backwards", "stateful", "unroll", "zero_output_for_mask"), True)
    layer = rnnkit.RNN(rnnkit.GRUCell(4), **options)
    assert rnnkit.RNN.from_config(layer.get_config()).get_config().items() >= options.items()


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, -3, 2.5, True, "all"])
def test_truncation_is_a_positive_number_of_steps(steps):
    with pytest.raises(ValueError, match=r"truncate_gradient must be.*Received"):
        rnnkit.RNN(rnnkit.GRUCell(4), truncate_gradient=steps)


@pytest.mark.parametrize(
    "make",
    [
        lambda: rnnkit.RNN(keras.layers.GRUCell(4), truncate_gradient=3),
        lambda: rnnkit.RNN([rnnkit.GRUCell(4), keras.layers.GRUCell(4)], truncate_gradient=3),
        lambda: rnnkit.RNN(rnnkit.GRUCell(4), unroll=True, truncate_gradient=3),
    ],
)
def test_truncation_that_would_do_nothing_is_refused(make):
    with pytest.raises(ValueError, match=r"truncate_gradient needs rnnkit's loop.*Example"):
        make()


class Stepless(keras.layers.Layer):
    """Half of the contract: a state, and no step."""

    state_size = 4


NO_CELLS = [keras.layers.Dense(3), Stepless(), keras.layers.GRU(3), rnnkit.LSTMCell, "lstm", None]


@pytest.mark.parametrize("cell", [*NO_CELLS, [], [rnnkit.GRUCell(3), 4]])
def test_what_is_no_cell_is_refused(cell):
    with pytest.raises(ValueError, match=r"RNN needs a cell.*Received: cell=.*Example"):
        rnnkit.RNN(cell)


@pytest.mark.parametrize("shape", [(3,), (3, 5), (3, 6, 5, 2)])
def test_inputs_of_another_rank_are_refused(shape):
    with pytest.raises(ValueError, match=r"rank 3, \(batch, time, features\).*Received"):
        rnnkit.RNN(rnnkit.GRUCell(4))(np.zeros(shape, "float32"))


def test_a_layer_that_refused_inputs_takes_the_right_ones():
    """A cell built for the width of another axis would be spoilt."""
    layer = rnnkit.RNN(rnnkit.GRUCell(4))
    with pytest.raises(ValueError, match="rank 3"):
        layer(inputs()[0])
    assert layer(inputs()).shape == (BATCH, 4)
    with pytest.raises(ValueError, match=r"expected axis 2 .* value 5.*\(3, 6, 4\)"):
        layer(inputs()[..., :4])


@pytest.mark.parametrize("widths", [[4], [4, 5], [4, 4, 4], []])
def test_states_of_other_shapes_are_refused(widths):
    states = [tf.zeros((BATCH, width)) for width in widths]
    with pytest.raises(ValueError, match=r"has states of shapes.*Received"):
        rnnkit.RNN(rnnkit.LSTMCell(4))(inputs(), initial_state=states)


@pytest.mark.parametrize("cell", [rnnkit.LSTMCell, keras.layers.LSTMCell])
def test_states_of_another_batch_are_refused(cell):
    """Here, and not somewhere in a loop."""
    states = [tf.zeros((BATCH + 1, 4)), tf.zeros((BATCH + 1, 4))]
    with pytest.raises(ValueError, match=r"shapes \[\(3, 4\), \(3, 4\)\]. Received.*\(4, 4\)"):
        rnnkit.RNN(cell(4))(inputs(), initial_state=states)


@pytest.mark.parametrize("shape", [(BATCH, STEPS + 1), (BATCH, STEPS, 1), (BATCH + 1, STEPS)])
def test_masks_of_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"one value a step.*\(3, 6\). Received: mask of shape"):
        rnnkit.RNN(rnnkit.MinGRUCell(4))(inputs(), mask=np.ones(shape, "bool"))


def test_sequences_without_a_step_are_refused():
    with pytest.raises(ValueError, match=r"one step or more.*Received: .*\(3, 0, 5\)"):
        rnnkit.RNN(rnnkit.GRUCell(4))(inputs()[:, :0])


def test_a_stateful_layer_refuses_another_batch_size():
    layer = rnnkit.RNN(rnnkit.GRUCell(4), stateful=True)
    layer(inputs())
    with pytest.raises(ValueError, match=r"for a batch of 3. Received: .*\(2, 6, 5\). Feed"):
        layer(inputs()[:2])
    with pytest.raises(ValueError, match=r"must be known. Received: .*None.*Example"):
        rnnkit.RNN(rnnkit.GRUCell(4), stateful=True)(keras.Input((None, 5)))


class Forgetful(rnnkit.VanillaCell):
    """Hands on one state too many."""

    def step(self, projected, states):
        y, new = super().step(projected, states)
        return y, [*new, ops.zeros_like(y)]


def test_a_cell_that_breaks_its_contract_is_named():
    with pytest.raises(ValueError, match=r"Forgetful.*1 state.*Received: 2"):
        rnnkit.RNN(Forgetful(4))(inputs())
