"""A trained layer moves between the libraries and gives the same outputs there."""

import keras
import numpy as np
import pytest
from keras import ops

import rnnkit
from rnnkit import convert
from rnnkit.testing import weights_of
from tests import zoo

M, N = 2, 3
TWINS = {
    "SimpleRNN": (keras.layers.SimpleRNN, {}, rnnkit.VanillaCell),
    "SimpleRNN relu": (keras.layers.SimpleRNN, {"activation": "relu"}, rnnkit.VanillaCell),
    "LSTM": (keras.layers.LSTM, {}, rnnkit.LSTMCell),
    "GRU reset before": (keras.layers.GRU, {"reset_after": False}, rnnkit.GRUCell),
    "GRU reset after": (keras.layers.GRU, {"reset_after": True}, rnnkit.ResetAfterGRUCell),
}


def randomised(layer):
    random = np.random.default_rng(1)
    layer.set_weights([random.normal(scale=0.7, size=w.shape) for w in layer.get_weights()])
    return layer


def keras_layer(kind, **options):
    layer = kind(N, return_sequences=True, return_state=True, dtype="float64", **options)
    layer.build((None, None, M))
    return randomised(layer)


def our_layer(cell):
    layer = rnnkit.RNN(cell, return_sequences=True, return_state=True, dtype="float64")
    layer.build((None, None, M))
    return randomised(layer)


def run(layer, states=None):
    """Outputs and last states from random inputs and non-zero first states."""
    random = np.random.default_rng(2)
    xs = ops.convert_to_tensor(random.normal(size=(4, 6, M)))
    sizes = layer.cell.state_size
    sizes = sizes if isinstance(sizes, list) else [sizes]
    first = [ops.convert_to_tensor(random.normal(size=(4, size))) for size in sizes]
    return [np.asarray(result) for result in layer(xs, initial_state=first)]


def assert_same_outputs(layer, other):
    for result, expected in zip(run(layer), run(other), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-10, atol=1e-12)


# --- Keras ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("twin", TWINS)
def test_from_keras(twin, use_bias):
    """Keras's own layers are also an independent oracle of ours."""
    kind, options, cell = TWINS[twin]
    layer = keras_layer(kind, use_bias=use_bias, **options)
    ours = convert.from_keras(layer)
    assert type(ours.cell) is cell
    assert_same_outputs(ours, layer)


@pytest.mark.parametrize("twin", TWINS)
def test_to_keras(twin):
    kind, _, cell = TWINS[twin]
    activation = {"activation": "relu"} if "relu" in twin else {}
    ours = our_layer(cell(N, dtype="float64", **activation))
    layer = convert.to_keras(ours)
    assert type(layer) is kind
    assert_same_outputs(layer, ours)


@pytest.mark.parametrize("twin", TWINS)
def test_there_and_back_is_the_same_layer(twin):
    kind, options, _ = TWINS[twin]
    ours = convert.from_keras(keras_layer(kind, **options))
    again = convert.from_keras(convert.to_keras(ours))
    assert again.cell.get_config() | {"name": ""} == ours.cell.get_config() | {"name": ""}
    for name, weight in weights_of(ours.cell).items():
        np.testing.assert_array_equal(weights_of(again.cell)[name], weight)


def test_a_keras_rnn_of_a_keras_cell():
    layer = keras.layers.RNN(
        keras.layers.GRUCell(N, reset_after=False, dtype="float64"),
        return_sequences=True,
        return_state=True,
        dtype="float64",
    )
    layer.build((None, None, M))
    assert_same_outputs(convert.from_keras(randomised(layer)), layer)


def test_options_and_dtype_come_along():
    options = {"return_state": True, "go_backwards": True, "stateful": True, "unroll": True}
    layer = keras.layers.LSTM(N, **options, zero_output_for_mask=True, dtype="mixed_bfloat16")
    layer.build((2, 5, M))
    ours = convert.from_keras(layer)
    for converted in (ours, convert.to_keras(ours)):
        assert converted.get_config().items() >= options.items()
        assert converted.zero_output_for_mask
        assert not converted.return_sequences
        assert converted.compute_dtype == converted.cell.compute_dtype == "bfloat16"


def test_a_backward_layer_runs_backward():
    layer = keras_layer(keras.layers.GRU, go_backwards=True)
    assert_same_outputs(convert.from_keras(layer), layer)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: keras.layers.Dense(3), "Received: Dense"),
        (lambda: keras.layers.LSTM(3), "must be built"),
        (lambda: keras_layer(keras.layers.LSTM, activation="relu"), "Received: .*relu"),
    ],
)
def test_from_keras_says_what_it_cannot_read(make, message):
    with pytest.raises(ValueError, match=message):
        convert.from_keras(make())


ALONE = {"vanilla", "lstm", "gru", "gru_reset_after", "projected_lstm"} ^ set(zoo.CELLS)


@pytest.mark.parametrize("name", sorted(ALONE))
def test_what_no_other_library_has(name):
    """Dropping a peephole, or another difference, without a word would change the outputs."""
    layer = rnnkit.RNN(zoo.CELLS[name]())
    layer.build((None, None, M))
    with pytest.raises(ValueError, match=r"Received: .*Cell, which"):
        convert.to_keras(layer)
    with pytest.raises(ValueError, match=r"Received: .*Cell, which"):
        convert.to_torch(layer)


@pytest.mark.parametrize("write", [convert.to_keras, convert.to_torch])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rnnkit.RNN(rnnkit.LSTMCell(3)), "must be built"),
        (lambda: rnnkit.LSTMCell(3), r"Wrap a cell: RNN\(cell\)"),
        (lambda: our_layer([rnnkit.LSTMCell(3)]), "Received: StackedRNNCells. .* cell by cell"),
        (lambda: our_layer(rnnkit.ZoneoutCell(rnnkit.LSTMCell(3))), "Received: ZoneoutCell"),
    ],
)
def test_writing_says_what_it_needs(write, make, message):
    with pytest.raises(ValueError, match=message):
        write(make())


# --- PyTorch --------------------------------------------------------------------------------------

TORCH_TWINS = {
    "RNN": rnnkit.VanillaCell,
    "LSTM": rnnkit.LSTMCell,
    "GRU": rnnkit.ResetAfterGRUCell,
}


def run_torch(module):
    """Outputs and last states for the inputs and first states of `run`."""
    import torch

    random = np.random.default_rng(2)
    xs = torch.from_numpy(random.normal(size=(4, 6, M)))
    count = 2 if isinstance(module, torch.nn.LSTM) else 1
    first = [torch.from_numpy(random.normal(size=(1, 4, N))) for _ in range(count)]
    with torch.no_grad():
        ys, last = module(xs, tuple(first) if count == 2 else first[0])
    last = last if count == 2 else (last,)
    return [ys.numpy(), *(state.numpy()[0] for state in last)]


def torch_module(kind, **options):
    torch = pytest.importorskip("torch")
    return getattr(torch.nn, kind)(M, N, batch_first=True, dtype=torch.float64, **options)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", TORCH_TWINS)
def test_from_torch(kind, bias):
    """PyTorch is also an oracle that shares no code with Keras."""
    module = torch_module(kind, bias=bias)
    ours = convert.from_torch(module)
    assert type(ours.cell) is TORCH_TWINS[kind]
    with_states = rnnkit.RNN(ours.cell, return_sequences=True, return_state=True, dtype="float64")
    for result, expected in zip(run(with_states), run_torch(module), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", TORCH_TWINS)
def test_to_torch(kind):
    torch = pytest.importorskip("torch")
    ours = our_layer(TORCH_TWINS[kind](N, dtype="float64"))
    module = torch_module(kind)
    state = {name: torch.from_numpy(array) for name, array in convert.to_torch(ours).items()}
    module.load_state_dict(state)
    for result, expected in zip(run_torch(module), run(ours), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-10, atol=1e-12)


def test_deep_bidirectional_modules_are_read_layer_by_layer():
    torch = pytest.importorskip("torch")
    module = torch_module("GRU", num_layers=2, bidirectional=True)
    xs = np.random.default_rng(0).normal(size=(2, 5, M))
    ys = xs
    for layer in range(2):
        forward = convert.from_torch(module, layer=layer)
        backward = convert.from_torch(module, layer=layer, reverse=True)
        reversed_ys = np.asarray(backward(ops.convert_to_tensor(ys[:, ::-1].copy())))[:, ::-1]
        ys = np.concatenate([forward(ops.convert_to_tensor(ys)), reversed_ys], axis=-1)
    with torch.no_grad():
        expected = module(torch.from_numpy(xs))[0].numpy()
    np.testing.assert_allclose(ys, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", [rnnkit.VanillaCell, rnnkit.LSTMCell, rnnkit.ResetAfterGRUCell])
def test_a_state_dict_needs_no_torch(cell, reverse):
    ours = our_layer(cell(N, dtype="float64"))
    again = convert.from_torch(
        convert.to_torch(ours, layer=1, reverse=reverse), layer=1, reverse=reverse
    )
    assert type(again.cell) is cell
    for name, weight in weights_of(ours.cell).items():
        np.testing.assert_array_equal(weights_of(again.cell)[name], weight)


def test_projections_go_to_torch_and_back():
    """`nn.LSTM(proj_size=2)` and `ProjectedLSTMCell(N, projection=2)` are one net."""
    ours = our_layer(rnnkit.ProjectedLSTMCell(N, projection=2, dtype="float64"))
    state = convert.to_torch(ours)
    again = convert.from_torch(state)
    assert type(again.cell) is rnnkit.ProjectedLSTMCell
    assert again.cell.state_size == [2, N]
    for name, weight in weights_of(ours.cell).items():
        np.testing.assert_array_equal(weights_of(again.cell)[name], weight)
    torch = pytest.importorskip("torch")
    module = torch_module("LSTM", proj_size=2)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    xs = np.random.default_rng(2).normal(size=(4, 6, M))
    with torch.no_grad():
        expected = module(torch.from_numpy(xs))[0].numpy()
    layer = rnnkit.RNN(ours.cell, return_sequences=True, dtype="float64")
    np.testing.assert_allclose(layer(ops.convert_to_tensor(xs)), expected, rtol=1e-10, atol=1e-12)


def test_the_reset_before_gru_never_becomes_pytorchs():
    with pytest.raises(ValueError, match="resets after the product"):
        convert.to_torch(our_layer(rnnkit.GRUCell(N, dtype="float64")))


def test_from_torch_says_what_it_cannot_read():
    state = convert.to_torch(our_layer(rnnkit.LSTMCell(N, dtype="float64")))
    with pytest.raises(ValueError, match=r"Expected weight_ih_l1 .* Received: weight_ih_l0"):
        convert.from_torch(state, layer=1)
    relu = our_layer(rnnkit.VanillaCell(N, activation="relu", dtype="float64"))
    with pytest.raises(ValueError, match="Received: activation='relu'"):
        convert.to_torch(relu)


def test_from_torch_says_how_a_file_is_read():
    with pytest.raises(ValueError, match=r"Received: 'model.pt'. Example: from_torch\(torch.load"):
        convert.from_torch("model.pt")


def test_from_torch_refuses_a_relu_rnn():
    with pytest.raises(ValueError, match="Received: nonlinearity='relu'"):
        convert.from_torch(torch_module("RNN", nonlinearity="relu"))
