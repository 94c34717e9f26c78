"""The library under JAX: the same values and gradients, in every precision."""

import pytest

from tests.rnnkit import under_jax

START = """
import jax, numpy as np, keras, jax.numpy as jnp
from keras import ops
import rnnkit
from tests import zoo
random = np.random.default_rng(0)
mask = np.array([[1, 0, 1, 1, 0, 1], [0, 0, 1, 1, 1, 1], [0] * 6], "bool")
"""

CELLS = """
keras.config.set_dtype_policy("float64")

def plain(cell, x, states, truncate):
    ys, y = [], 0.0
    for t in range(6):
        if truncate and t and (6 - t) % truncate == 0:
            states, y = jax.lax.stop_gradient((states, y))
        new_y, new = cell(x[:, t], states)
        real = mask[:, t, None]
        y = jnp.where(real, new_y, y)
        states = [jnp.where(real, a, b) for a, b in zip(new, states)]
        ys.append(y)
    return [jnp.stack(ys, 1), *states]

norm = rnnkit.LayerNormLSTMCell(4)
norm.build((3, 5))
a = random.normal(size=(3, 16))
expected = (a - a.mean(1, keepdims=True)) / np.sqrt(a.var(1, keepdims=True) + norm.epsilon)
np.testing.assert_allclose(norm.normalised(jnp.array(a)), expected, rtol=1e-12)
_, shares = rnnkit.BahdanauAttention(4)(
    random.normal(size=(3, 2, 5)), random.normal(size=(3, 6, 5)), return_alignments=True)
np.testing.assert_allclose(np.sum(shares, -1), 1, rtol=1e-14)

# Keras's tanh of float64 is float32 under JAX: where two sums differ in their last bit, what these
# three hand on as their state can round the other way.
coarse = {"vanilla", "output_recurrent", "projected_lstm"}
names = CELLS or zoo.CELLS
truncated = ["lstm"] if CELLS else ["lstm", "gru", "layer_norm_lstm", "min_gru"]
for name, truncate in [*((name, None) for name in names), *((name, 4) for name in truncated)]:
    cell = zoo.CELLS[name]()
    layer = rnnkit.RNN(cell, return_sequences=True, return_state=True, truncate_gradient=truncate)
    x = random.normal(size=(3, 6, 5))
    layer.build(x.shape)
    weights = [random.normal(size=v.shape) * 0.5 for v in cell.trainable_variables]
    states = [random.normal(size=(3, width)) for width in cell.state_sizes]

    def loss(x, states, weights, ours):
        scope = keras.StatelessScope(list(zip(cell.trainable_variables, weights)))
        with scope:
            if ours:
                found = layer(x, initial_state=states, mask=mask)
            else:
                found = plain(cell, x, states, truncate)
        return sum(jnp.sum(jnp.sin((k + 1) * y)) for k, y in enumerate(found))

    run = jax.jit(jax.value_and_grad(loss, (0, 1, 2)), static_argnums=3)
    found, expected = (jax.tree.leaves(run(x, states, weights, ours)) for ours in (True, False))
    for one, other in zip(found, expected, strict=True):
        rtol, atol = (1e-5, 1e-5) if name in coarse else (1e-9, 1e-10)
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol, err_msg=cell.name)
print("all equal")
"""

FLOW = """
keras.config.set_dtype_policy("float64")
layer = rnnkit.RNN(rnnkit.LSTMCell(4), return_sequences=True)
x, goal = random.normal(size=(3, 6, 5)), random.normal(size=(3, 6, 4))
layer.build(x.shape)
W, b, U = (np.asarray(getattr(layer.cell, w)) for w in ("kernel", "bias", "recurrent_kernel"))

def losses(shifts):  # L_t, with a nudge of h_t and of c_t
    h, c, found = jnp.zeros((3, 4)), jnp.zeros((3, 4)), []
    for t in range(6):
        i, f, g, o = jnp.split(x[:, t] @ W + b + h @ U, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g) + shifts[1][:, t]
        h = jax.nn.sigmoid(o) * jnp.tanh(c) + shifts[0][:, t]
        found.append(jnp.sum((h - goal[:, t]) ** 2) / goal.size)
    return jnp.stack(found)

none = [jnp.zeros((3, 6, 4))] * 2
each = jax.jacrev(losses)(none)  # of h and c, each (6 losses, 3, 6 steps, 4)
flow = rnnkit.gradient_flow(layer, (x, goal), "mse", steps=range(6))
np.testing.assert_allclose(flow.losses, losses(none), rtol=1e-6)
for name, slopes in zip("hc", each):
    found = flow.layers[0]
    norm = lambda slope, axes: np.sqrt(np.sum(np.square(slope), axes))
    np.testing.assert_allclose(found.maps[name], norm(slopes, (1, 3)), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found.gradients[name], norm(slopes.sum(0), (0, 2)), rtol=1e-5)
print("all equal")
"""

NOISE = """
from rnnkit.cells.base import accepted

cell = rnnkit.ZoneoutCell(rnnkit.LSTMCell(4))
noisy = rnnkit.BiRNN(cell, truncate_gradient=9)  # which says so if it cannot run in our loops
model = keras.Sequential([keras.Input((None, 5)), noisy])
model.compile("adam", "mse")
model.fit(random.normal(size=(6, 7, 5)), np.zeros((6, 8)), verbose=0)

def penalty(x, layer):
    return jnp.sum(jax.grad(lambda x: jnp.sum(jnp.sin(layer(x))))(x) ** 2)

layer = model.layers[0].forward_layer
plainly = keras.layers.RNN(layer.cell)
x = jnp.ones((2, 3, 5))
found, expected = (jax.grad(penalty)(x, run) for run in (layer, plainly))
np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)

def in_training(cell, x, states):  # the noise is drawn for all steps at once, as in our loops
    steps = jnp.swapaxes(x, 0, 1)
    projected = cell.project(steps.reshape(-1, 5), **accepted(cell.project, training=True))
    ys = []
    for p in projected.reshape(6, 3, -1):
        y, states = cell.step(p, states, training=True)
        ys.append(y)
    return jnp.stack(ys, 1)

x = jnp.array(random.normal(size=(3, 6, 5)), "float32")
for make in (rnnkit.ZoneoutCell, rnnkit.RecurrentDropoutCell):
    cell = make(rnnkit.LSTMCell(4), seed=3)
    layer = rnnkit.RNN(cell, return_sequences=True)
    layer.build(x.shape)
    states, seed = cell.get_initial_state(3), cell.seed_generator.state

    def slopes(run):
        def loss(x):
            with keras.StatelessScope([(seed, seed.value)]):
                return jnp.sum(jnp.sin(run(x)))
        return loss(x), jax.grad(loss)(x)

    found = slopes(lambda x: layer(x, initial_state=states, training=True))
    expected = slopes(lambda x: in_training(cell, x, states))
    quiet = slopes(lambda x: layer(x, initial_state=states))
    for one, other, without in zip(found, expected, quiet):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6, err_msg=cell.name)
        assert not np.allclose(one, without, rtol=1e-2)
print("all equal")
"""

SINGLE = """
assert jnp.ones(1, "float64").dtype == "float32"
x = random.normal(size=(3, 6, 5)).astype("float32")
for name in ("lstm", "min_gru"):
    values = {}
    for policy in ("float32", "mixed_bfloat16"):
        cell = type(zoo.CELLS[name]())(4, dtype=policy)
        layer = rnnkit.RNN(cell, return_sequences=True)
        layer.build(x.shape)
        weights = [random.normal(size=v.shape) * 0.5 for v in cell.weights]
        weights = values.setdefault("weights", weights)
        cell.set_weights(weights)

        def loss(x, run):
            return jnp.sum(jnp.sin(run(x, mask=mask).astype("float32")))

        assert layer(x).dtype == cell.compute_dtype
        values[policy] = jax.value_and_grad(loss)(x, layer)
        if policy == "float32":
            values["plain"] = jax.value_and_grad(loss)(x, keras.layers.RNN(cell, True))
    for one, exact, half in zip(values["float32"], values["plain"], values["mixed_bfloat16"]):
        np.testing.assert_allclose(one, exact, rtol=2e-5, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(half, exact, rtol=0.05, atol=0.05, err_msg=name)
print("all equal")
"""

FEW = ["gru_reset_after", "projected_lstm", "min_gru", "min_lstm"]


@under_jax.needs_jax
@pytest.mark.parametrize("cells", [FEW, pytest.param([], id="all", marks=pytest.mark.prove)])
def test_jax_gives_the_same_values_and_gradients(cells):
    """A model moves to another backend, and stays the model it was."""
    under_jax.run(f"CELLS = {cells!r}\n{START}{CELLS}")


@under_jax.needs_jax
def test_single_and_half_precision_on_jax():
    """What a user gets who asks JAX for nothing: float32, or a mixed policy."""
    under_jax.run(START + SINGLE, double=False)


@under_jax.needs_jax
@pytest.mark.prove
def test_noise_and_second_derivatives_on_jax():
    """Zoneout and dropout draw their noise once for a sequence, also where steps are recomputed."""
    under_jax.run(START + NOISE, double=False)


@under_jax.needs_jax
@pytest.mark.prove
def test_gradient_flow_on_jax():
    under_jax.run(START + FLOW)
