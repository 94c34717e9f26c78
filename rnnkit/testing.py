"""check_cell: the conformance suite, for the cells of this library and for your own.

    def test_my_cell():
        rnnkit.testing.check_cell(MyCell(3))

Everything is compared in float64, with random weights and random, non-zero initial states: equal
or zero weights would hide swapped gates, and a single step from a zero state most of the rest.
"""

from __future__ import annotations

import json
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from rnnkit.cells.base import BaseCell
from rnnkit.recurrent import RNN
from rnnkit.reference import Array, Backward, Forward, run_backward, run_forward

BATCH, STEPS, INPUTS = 3, 5, 2  # all different, so that a transposed product has a wrong shape


def check_cell(cell: keras.layers.Layer, reference: tuple[Forward, Backward] | None = None) -> None:
    """Runs every check of `CHECKS` on copies of `cell`, made from its config.

    Args:
        cell: a `rnnkit.Cell`, or any layer with Keras's cell contract. Give it a width other than
            the tests' input width 2, batch 3 and 5 steps (4, say).
        reference: the cell in plain NumPy, a pair `(forward, backward)` as in
            `rnnkit.reference.REFERENCE`. With it the equations themselves are checked, without it
            only that everything made of them agrees.

    Raises:
        AssertionError: a check failed; the message says which promise the cell breaks.

    Example:

    >>> rnnkit.testing.check_cell(rnnkit.VanillaCell(4), rnnkit.reference.REFERENCE["vanilla"])
    """
    for check in CHECKS:
        check(cell)
    if reference is not None:
        forward, backward = reference
        check_forward(cell, forward)
        check_backward(cell, forward, backward)


# --- the equations --------------------------------------------------------------------------------


def check_forward(cell: keras.layers.Layer, forward: Forward) -> None:
    """Several steps give the outputs and states of the NumPy reference."""
    cell, xs, states = sample(cell)
    expected, last, _ = run_forward(forward, xs, states, weights_of(cell))
    _same(cell, "steps against the NumPy reference", step_by_step(cell, xs, states), expected, last)


def check_backward(cell: keras.layers.Layer, forward: Forward, backward: Backward) -> None:
    """Gradients for every weight, input and initial state are those derived by hand."""
    cell, xs, states = sample(cell)
    dys, dstates = _cotangents(cell)
    weights = weights_of(cell)
    _, _, caches = run_forward(forward, xs, states, weights)
    dxs, dfirst, dweights = run_backward(backward, dys, dstates, caches)
    found_dxs, found_dfirst, found_dweights = gradients(cell, xs, states, dys, dstates)
    assert set(found_dweights) == set(dweights), (
        f"{cell.name}: the reference has gradients for {sorted(dweights)}. "
        f"Received: weights {sorted(found_dweights)}."
    )
    _same(cell, "gradient of the inputs", (found_dxs, found_dfirst), dxs, dfirst)
    for name, dw in dweights.items():
        _same(cell, f"gradient of {name}", (found_dweights[name], []), dw, [])


# --- the contract ---------------------------------------------------------------------------------


def check_shapes(cell: keras.layers.Layer) -> None:
    """Initial states, outputs and states have the widths the cell announces, and its dtype."""
    cell, xs, states = sample(cell)
    initial = cell.get_initial_state(batch_size=BATCH)
    initial = initial if isinstance(initial, (list, tuple)) else [initial]
    widths = [(BATCH, width) for width in _widths(cell)]
    assert [tuple(s.shape) for s in initial] == widths, (
        f"{cell.name}: get_initial_state must give {widths}, as state_size says. "
        f"Received: {[tuple(s.shape) for s in initial]}."
    )
    y, new = _call(cell, xs[:, 0], states)
    assert tuple(y.shape) == (BATCH, cell.output_size), (
        f"{cell.name}: y_t must be {(BATCH, cell.output_size)}, as output_size says. "
        f"Received: {tuple(y.shape)}."
    )
    assert [tuple(s.shape) for s in new] == widths, (
        f"{cell.name}: the new states must be {widths}. Received: {[tuple(s.shape) for s in new]}."
    )


def check_halves(cell: keras.layers.Layer) -> None:
    """`call` is `step` after `project`, which takes a whole sequence; other states are refused."""
    if not isinstance(cell, BaseCell):
        return
    cell, xs, states = sample(cell)
    projected = cell.project(xs)
    y, new = cell.step(projected[:, 1], states)
    expected, expected_new = _call(cell, xs[:, 1], states)
    _same(cell, "step(project(x), states) against call", (y, new), expected, expected_new)
    try:
        cell(xs[:, 0], [*states, states[0]])
    except ValueError:
        return
    raise AssertionError(f"{cell.name}: a state too many must raise ValueError.")


def check_config(cell: keras.layers.Layer) -> None:
    """The config is JSON and rebuilds the same cell."""
    config = json.loads(json.dumps(cell.get_config()))
    again = type(cell).from_config(config).get_config()
    assert json.loads(json.dumps(again)) == config, (
        f"{cell.name}: from_config(get_config()) must give the same config. "
        f"Expected: {config}. Received: {again}."
    )


def check_saving(cell: keras.layers.Layer) -> None:
    """A model saved as `.keras` loads without custom_objects and gives the same outputs."""
    cell, xs, _ = sample(cell)
    inputs = keras.Input((None, INPUTS), dtype="float64")
    model = keras.Model(inputs, RNN(cell, return_sequences=True, dtype="float64")(inputs))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        model.save(path)
        loaded = keras.saving.load_model(path)
    _same(cell, "the reloaded model", (loaded(xs), []), model(xs), [])


def check_mixed_precision(cell: keras.layers.Layer) -> None:
    """Under mixed precision everything is computed in bfloat16, close to the float64 values."""
    precise, xs, states = sample(cell)
    coarse = copy_of(cell, "mixed_bfloat16")
    coarse.build((None, INPUTS))
    for rough, exact in zip(coarse.weights, precise.weights, strict=True):
        rough.assign(exact)
    cast = lambda tensor: ops.cast(tensor, "bfloat16")
    y, new = _call(coarse, cast(xs[:, 0]), [cast(state) for state in states])
    kinds = {keras.backend.standardize_dtype(tensor.dtype) for tensor in (y, *new)}
    assert kinds == {"bfloat16"}, (
        f"{cell.name}: under mixed_bfloat16 outputs and states must be bfloat16. Received: {kinds}."
    )
    expected, _ = _call(precise, xs[:, 0], states)
    worst = np.max(np.abs(_array(ops.cast(y, "float64")) - _array(expected)))
    assert worst < 0.1, f"{cell.name}: bfloat16 outputs are {worst:.2f} off."


# --- over time ------------------------------------------------------------------------------------


def check_loop(cell: keras.layers.Layer) -> None:
    """`RNN`, with its hoisted projection, and Keras's own `RNN` equal the cell step by step."""
    cell, xs, states = sample(cell)
    expected, last = step_by_step(cell, xs, states)
    for kind in (RNN, keras.layers.RNN):
        layer = kind(cell, return_sequences=True, return_state=True, dtype="float64")
        ys, *new = layer(ops.convert_to_tensor(xs), initial_state=_tensors(states))
        _same(cell, f"{kind.__module__}.RNN against steps", (ys, new), expected, last)


def check_carried_state(cell: keras.layers.Layer) -> None:
    """Two halves of a sequence, the state carried over, equal the whole."""
    cell, xs, states = sample(cell)
    layer = RNN(cell, return_sequences=True, return_state=True, dtype="float64")
    xs = ops.convert_to_tensor(xs)
    expected, *last = layer(xs, initial_state=_tensors(states))
    first, *middle = layer(xs[:, :2], initial_state=_tensors(states))
    second, *new = layer(xs[:, 2:], initial_state=middle)
    ys = ops.concatenate([first, second], axis=1)
    _same(cell, "two halves against the whole", (ys, new), expected, last)


def check_masks(cell: keras.layers.Layer) -> None:
    """A row with masked steps anywhere, even everywhere, gives what its real steps give alone."""
    cell, xs, states = sample(cell)
    layer = RNN(cell, return_sequences=True, return_state=True, dtype="float64")
    for pattern in ("11100", "00111", "10010", "00000"):
        mask = np.array([step == "1" for step in pattern])
        masks = np.stack([mask] * (BATCH - 1) + [np.ones(STEPS, bool)])
        padded = np.where(masks[..., None], xs, 9.0)
        ys, *new = layer(padded, initial_state=_tensors(states), mask=ops.convert_to_tensor(masks))
        what = f"a sequence masked as {pattern}, against its real steps alone"
        if mask.any():
            expected, last = step_by_step(cell, xs[:, mask], states)
        else:
            expected, last = np.zeros((BATCH, 0, cell.output_size)), states
        ys, last = _array(ys), [_array(state)[:-1] for state in last]
        _same(cell, what, (ys[:-1][:, mask], [_array(s)[:-1] for s in new]), expected[:-1], last)
        repeated = np.concatenate([np.zeros_like(ys[:-1, :1]), ys[:-1, :-1]], axis=1)
        _same(cell, what, (ys[:-1][:, ~mask], []), repeated[:, ~mask], [])


def check_rows(cell: keras.layers.Layer) -> None:
    """What a row gets does not depend on the other rows of the batch, or on its place."""
    cell, xs, states = sample(cell)
    expected, last = step_by_step(cell, xs, states)
    order = np.arange(BATCH)[::-1][:-1]
    ys, new = step_by_step(cell, xs[order], [state[order] for state in states])
    last = [_array(state)[order] for state in last]
    _same(cell, "rows in another order", (ys, new), expected[order], last)


def check_gradients(cell: keras.layers.Layer) -> None:
    """One step of `fit` moves every weight, along the gradient that finite differences give."""
    cell, xs, states = sample(cell)
    dys, dstates = _cotangents(cell)
    dxs, dfirst, dweights = gradients(cell, xs, states, dys, dstates)
    for name, dw in dweights.items():
        assert np.any(dw), f"{cell.name}: {name} never learns: its gradient is zero."
    random = np.random.default_rng(3)
    towards = [random.normal(size=a.shape) for a in (xs, *states)]
    directions = {name: random.normal(size=dw.shape) for name, dw in dweights.items()}
    start = weights_of(cell)

    def loss(shift: float, moved: str) -> float:
        for weight in cell.trainable_weights:
            step = shift * directions[weight.name] if moved == weight.name else 0
            weight.assign(start[weight.name] + step)
        here = [
            a + shift * (moved == place) * t
            for place, a, t in zip(places, (xs, *states), towards, strict=True)
        ]
        ys, last = step_by_step(cell, here[0], here[1:])
        pairs = zip((ys, *last), (dys, *dstates), strict=True)
        return sum(float(np.sum(_array(value) * d)) for value, d in pairs)

    places = ["the inputs", *(f"initial state {k}" for k in range(len(states)))]
    slopes = {
        **{p: np.sum(d * t) for p, d, t in zip(places, (dxs, *dfirst), towards, strict=True)},
        **{name: np.sum(dw * directions[name]) for name, dw in dweights.items()},
    }
    for name, slope in slopes.items():
        difference = (loss(1e-5, name) - loss(-1e-5, name)) / 2e-5
        np.testing.assert_allclose(
            slope,
            difference,
            rtol=1e-5,
            atol=1e-7,
            err_msg=f"{cell.name}: the gradient of {name} is not that of finite differences.",
        )


CHECKS: tuple[Callable[[keras.layers.Layer], None], ...] = (
    check_shapes,
    check_halves,
    check_config,
    check_saving,
    check_mixed_precision,
    check_loop,
    check_carried_state,
    check_masks,
    check_rows,
    check_gradients,
)


# --- what the checks are made of ------------------------------------------------------------------


def sample(cell: keras.layers.Layer) -> tuple[keras.layers.Layer, Array, list[Array]]:
    """A float64 copy of `cell` with random weights, inputs (batch, T, m), and initial states."""
    copy = copy_of(cell, "float64")
    copy.build((None, INPUTS))
    random = np.random.default_rng(1)
    for weight in copy.trainable_weights:
        weight.assign(random.normal(scale=0.7, size=weight.shape))
    xs = random.normal(size=(BATCH, STEPS, INPUTS))
    return copy, xs, [random.normal(size=(BATCH, width)) for width in _widths(copy)]


def copy_of(cell: keras.layers.Layer, dtype: str) -> keras.layers.Layer:
    """A new cell from the config of `cell`, it and the cells within it in `dtype`."""

    def recast(config: Any) -> Any:
        if isinstance(config, dict):
            return {k: dtype if k == "dtype" else recast(v) for k, v in config.items()}
        return [recast(item) for item in config] if isinstance(config, list) else config

    return type(cell).from_config(recast(cell.get_config()))


def weights_of(cell: keras.layers.Layer) -> dict[str, Array]:
    """The trainable weights by name, as the reference takes them."""
    return {weight.name: _array(weight) for weight in cell.trainable_weights}


def step_by_step(
    cell: keras.layers.Layer, xs: Array, states: list[Array]
) -> tuple[Array, list[Any]]:
    """The plain loop: `(ys, last states)`."""
    ys = []
    for t in range(xs.shape[1]):
        y, states = _call(cell, xs[:, t], states)
        ys.append(_array(y))
    return np.stack(ys, axis=1), states


def gradients(
    cell: keras.layers.Layer, xs: Array, states: list[Array], dys: Array, dstates: list[Array]
) -> tuple[Array, list[Array], dict[str, Array]]:
    """`(dxs, gradients of the initial states, gradients of the weights)` of `RNN(cell)`.

    The loss is sum(ys * dys) + sum(last states * dstates). A step of SGD with rate 1 leaves every
    weight at w - dL/dw, on any backend; for inputs and states to have gradients, they are weights.
    """
    probe = _Probe(cell, (xs, *states), (dys, *dstates))
    inputs = keras.Input((1,))
    model = keras.Model(inputs, probe(inputs))
    model.compile(optimizer=keras.optimizers.SGD(1.0), jit_compile=False)
    before = weights_of(cell)
    model.train_on_batch(np.zeros((1, 1)))
    after = weights_of(cell)
    for weight in cell.trainable_weights:
        weight.assign(before[weight.name])
    dxs, *dfirst = (
        start - _array(v) for start, v in zip((xs, *states), probe.sources, strict=True)
    )
    return dxs, dfirst, {name: before[name] - after[name] for name in before}


class _Probe(keras.layers.Layer):
    """RNN(cell) over inputs and states that are weights, with its loss."""

    def __init__(self, cell: keras.layers.Layer, sources: Any, cotangents: Any) -> None:
        super().__init__(dtype="float64")
        self.rnn = RNN(cell, return_sequences=True, return_state=True, dtype="float64")
        self.sources = [
            self.add_weight(shape=a.shape, initializer="zeros", dtype="float64") for a in sources
        ]
        for source, value in zip(self.sources, sources, strict=True):
            source.assign(value)
        self.cotangents = [ops.convert_to_tensor(d) for d in cotangents]

    def call(self, inputs):
        xs, *states = (ops.copy(source) for source in self.sources)
        # Not in training: a cell with dropout has the gradients of its deterministic form.
        outputs = self.rnn(xs, initial_state=states, training=False)
        # Times one, so that the gradients wait for the outputs: else TensorFlow may change a weight
        # by its gradient before the outputs have read it.
        pairs = [(y, d * ops.exp(0 * y)) for y, d in zip(outputs, self.cotangents, strict=True)]
        self.add_loss(sum(ops.sum(y * ops.stop_gradient(d)) for y, d in pairs))
        return inputs


def _cotangents(cell: keras.layers.Layer) -> tuple[Array, list[Array]]:
    random = np.random.default_rng(2)
    dys = random.normal(size=(BATCH, STEPS, cell.output_size))
    return dys, [random.normal(size=(BATCH, width)) for width in _widths(cell)]


def _call(cell: keras.layers.Layer, x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
    y, new = cell(x, _tensors(states))
    return y, list(new) if isinstance(new, (list, tuple)) else [new]


def _widths(cell: keras.layers.Layer) -> list[int]:
    size = cell.state_size
    return list(size) if isinstance(size, (list, tuple)) else [size]


def _tensors(arrays: list[Any]) -> list[Any]:
    return [ops.convert_to_tensor(array) for array in arrays]


def _array(tensor: Any) -> Array:
    return np.asarray(ops.convert_to_numpy(tensor))


def _same(cell: Any, what: str, found: tuple[Any, list[Any]], y: Any, states: list[Any]) -> None:
    """Outputs and states agree to float64 rounding."""
    found_y, found_states = found
    labels = ["output", *(f"state {k}" for k in range(len(states)))]
    pairs = zip(labels, (found_y, *found_states), (y, *states), strict=True)
    for label, received, expected in pairs:
        np.testing.assert_allclose(
            _array(received),
            _array(expected),
            rtol=1e-9,
            atol=1e-11,
            err_msg=f"{cell.name}: {what}: {label} differs.",
        )
