"""The gradients of a CRF, which are derived by hand; and the same under JAX."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnkit
from rnnkit.crf import chain as chains
from tests.rnnkit import under_jax
from tests.rnnkit.crf_by_enumeration import (
    MASK,
    B,
    K,
    T,
    likelihoods,
    make_scores,
    make_tags,
    sequences,
)

scores = pytest.fixture(scope="module")(make_scores)
tags = pytest.fixture(scope="module")(make_tags)


def gradients(scores, tags, mode="graph"):
    """The log-likelihoods, weighted, and their gradients."""

    def run(*scores):
        with tf.GradientTape() as tape:
            tape.watch(scores)
            emissions, transitions, start, end = scores
            found = rnnkit.crf_log_likelihood(
                emissions, tags, transitions, start=start, end=end, mask=MASK
            )
            weighted = tf.reduce_sum(found * tf.range(1, B + 1, dtype=found.dtype))
        return weighted, tape.gradient(weighted, scores)

    if mode != "eager":
        run = tf.function(run, autograph=False, jit_compile=mode == "xla")
    value, found = run(*map(tf.constant, scores))
    return value, [np.asarray(tf.convert_to_tensor(g)) for g in found]


@pytest.fixture(scope="module")
def possible():
    """Fully known tags that no constraint forbids."""
    return np.where(MASK, [[2, 2, 0, 0, 1]], 0)


def test_the_gradient_of_log_z_counts_all_sequences(scores):
    """Tags, moves from tag to tag, first and last tags: each row's, by its own weight."""
    emissions, transitions, start, end = scores
    lengths, weights = np.array([4, 2, 1]), np.array([1.0, -2.0, 0.5])
    emissions = np.nan_to_num(emissions[:3, :4])
    expected = [np.zeros_like(x) for x in (emissions, transitions, start, end)]
    for row, (count, weight) in enumerate(zip(lengths, weights, strict=True)):
        paths, values = sequences(emissions[row, :count], transitions, start, end)
        for path, share in zip(paths, weight * np.exp(values) / np.exp(values).sum(), strict=True):
            expected[0][row, np.arange(count), list(path)] += share
            np.add.at(expected[1], (path[:-1], path[1:]), share)
            expected[2][path[0]] += share
            expected[3][path[-1]] += share
    sources = [tf.constant(x) for x in (emissions, transitions, start, end)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        log_z = chains.log_partition(
            chains.Chain(*sources, ops.convert_to_tensor(lengths, "int32"))
        )
        loss = tf.reduce_sum(log_z * weights)
    for found, right in zip(tape.gradient(loss, sources), expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("known", "mode"), [("all", "graph"), ("part", "graph"), ("part", "xla"), ("all", "eager")]
)
def test_gradients_are_finite_differences(scores, tags, possible, known, mode):
    """The gradient is derived by hand: training goes where the loss falls, and nowhere else."""
    tags = possible if known == "all" else np.where(tags >= 0, possible, -1)
    value, found = gradients(scores, tags, mode)
    assert np.isfinite(value)
    weighted = tf.function(lambda *moved: likelihoods(moved, tags), autograph=False)
    for place, gradient in enumerate(found):
        assert np.isfinite(gradient).all()
        for index in np.ndindex(gradient.shape):
            if mode != "graph" and sum(index) % 7:  # all of them once, some in the other modes
                continue
            if not np.isfinite(scores[place][index]):
                assert gradient[index] == 0.0  # forbidden, or masked: nothing to learn
                continue
            ends = []
            for step in (1e-5, -1e-5):
                moved = [x.copy() for x in scores]
                moved[place][index] += step
                ends.append(np.asarray(weighted(*map(tf.constant, moved))) @ np.arange(1, B + 1))
            assert gradient[index] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-7)


def test_gradients_by_logarithms_are_those_by_products(scores, possible, monkeypatch):
    """Where products underflow, the slower way gives the same."""
    expected = gradients(scores, possible)
    products = chains._by_products
    monkeypatch.setattr(chains, "_by_products", lambda chain: (products(chain)[0], True))
    found = gradients(scores, possible)
    for received, wanted in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(received, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", [1, 30, 1000])
def test_float32_is_near_float64(scale):
    """Whatever the size of the scores."""
    random = np.random.default_rng(3)
    scores = [random.normal(size=s) * scale for s in ((B, T, K), (K, K), (K,), (K,))]
    scores = [x.astype("float32") for x in scores]
    tags = random.integers(K, size=(B, T))
    found, expected = (np.asarray(likelihoods(scores, tags, d)) for d in ("float32", "float64"))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6 * scale)
    by_32 = gradients(scores, tags)[1]
    by_64 = gradients([x.astype("float64") for x in scores], tags)[1]
    for received, wanted in zip(by_32, by_64, strict=True):
        np.testing.assert_allclose(received, wanted, atol=1e-3)


JAX = """
import jax, keras, numpy as np, sys
import rnnkit
x = np.load(sys.argv[1])
options = {"start": x["start"], "end": x["end"], "mask": x["mask"]}
def loss(emissions, transitions):
    found = rnnkit.crf_log_likelihood(emissions, x["tags"], transitions, **options)
    return found.sum()
found, (d_emissions, d_transitions) = jax.jit(jax.value_and_grad(loss, (0, 1)))(
    x["emissions"], x["transitions"])
np.testing.assert_allclose(found, x["found"], rtol=1e-9)
np.testing.assert_allclose(d_emissions, x["d_emissions"], atol=1e-9)
np.testing.assert_allclose(d_transitions, x["d_transitions"], atol=1e-9)
tags, _ = rnnkit.crf_decode(x["emissions"], x["transitions"], **options)
np.testing.assert_array_equal(tags, x["best"])
emissions = keras.Input((None, 3))  # whose potentials have a length that JAX cannot compare
potentials = rnnkit.CRF(3)(emissions)
readers = {"tags": rnnkit.CRFDecoder()(potentials), "p": rnnkit.CRFMarginals()(potentials)}
found = keras.Model(emissions, readers)(np.zeros((2, 4, 3)))
assert found["tags"].shape == (2, 4) and found["p"].shape == (2, 4, 3)
print("all equal")
"""


@under_jax.needs_jax
def test_jax_gives_the_same_values_and_gradients(scores, possible, tmp_path):
    """A model moves to another backend, and stays the model it was."""
    emissions, transitions, start, end = scores
    with tf.GradientTape() as tape:
        tape.watch(sources := [tf.constant(emissions), tf.constant(transitions)])
        found = rnnkit.crf_log_likelihood(
            sources[0], possible, sources[1], start=start, end=end, mask=MASK
        )
        found = ops.sum(found)
    d_emissions, d_transitions = map(tf.convert_to_tensor, tape.gradient(found, sources))
    best, _ = rnnkit.crf_decode(emissions, transitions, start=start, end=end, mask=MASK)
    arrays = {
        "emissions": emissions,
        "transitions": transitions,
        "start": start,
        "end": end,
        "mask": MASK,
        "tags": possible,
        "found": found,
        "d_emissions": d_emissions,
        "d_transitions": d_transitions,
        "best": best,
    }
    np.savez(tmp_path / "case.npz", **{name: np.asarray(x) for name, x in arrays.items()})
    under_jax.run(JAX, str(tmp_path / "case.npz"))
