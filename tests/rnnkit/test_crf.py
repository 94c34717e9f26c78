"""The sums of a CRF against all sequences written out one by one."""

import importlib.util
import itertools
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnkit
from rnnkit.crf import chain as chains

B, T, K = 7, 5, 3
MASK = np.array(
    [
        [1, 1, 1, 1, 1],
        [1, 1, 1, 0, 0],  # padded right
        [0, 0, 1, 1, 1],  # padded left
        [1, 0, 1, 0, 1],  # holes
        [0, 1, 1, 0, 0],
        [0, 0, 0, 1, 0],  # one step
        [0, 0, 0, 0, 0],  # none
    ],
    "bool",
)


@pytest.fixture(scope="module")
def scores():
    """Emissions with NaN at masked steps, transitions of which some are forbidden, start, end."""
    random = np.random.default_rng(0)
    emissions = random.normal(size=(B, T, K)) * 2
    emissions[~MASK] = np.nan
    transitions = random.normal(size=(K, K))
    transitions[0, 2] = -np.inf
    start, end = random.normal(size=(2, K))
    start[1] = -np.inf
    return emissions, transitions, start, end


@pytest.fixture(scope="module")
def tags():
    """Tags with unknown ones among them, and nonsense at masked steps."""
    random = np.random.default_rng(1)
    tags = random.integers(K, size=(B, T))
    tags[random.random((B, T)) < 0.3] = -1
    return np.where(MASK, tags, 99)


def sequences(emissions, transitions, start, end):
    """All sequences of one row without a mask, and the score of each."""
    steps, width = emissions.shape
    paths = list(itertools.product(range(width), repeat=steps))
    scores = np.zeros(len(paths))
    for n, path in enumerate(paths):
        for t, tag in enumerate(path):
            scores[n] += emissions[t, tag]
            scores[n] += transitions[path[t - 1], tag] if t else start[tag]
        scores[n] += end[path[-1]] if path else 0.0
    return paths, scores


def likelihoods(scores, tags, dtype="float64"):
    emissions, transitions, start, end = (tf.cast(x, dtype) for x in scores)
    return rnnkit.crf_log_likelihood(emissions, tags, transitions, start=start, end=end, mask=MASK)


def test_the_likelihood_is_the_share_of_all_sequences(scores, tags):
    """A wrong sum trains towards other tags, and no curve shows it."""
    found = np.asarray(likelihoods(scores, tags))
    for row, mask in enumerate(MASK):
        paths, values = sequences(scores[0][row][mask], *scores[1:])
        known = tags[row][mask]
        agree = [all(a in (-1, b) for a, b in zip(known, path, strict=True)) for path in paths]
        expected = np.exp(values[agree]).sum() / np.exp(values).sum()
        np.testing.assert_allclose(np.exp(found[row]), expected, rtol=1e-12)
    assert found[-1] == 0.0  # the row without steps


@pytest.mark.parametrize("steps", [1, 3])
def test_likelihoods_of_all_sequences_sum_to_one(scores, steps):
    """Also of those with fully known tags, which take a way of their own."""
    paths = np.array(list(itertools.product(range(K), repeat=steps)))
    emissions = np.broadcast_to(scores[0][0, :steps], (len(paths), steps, K))
    found = rnnkit.crf_log_likelihood(
        emissions, paths, scores[1], start=scores[2], end=scores[3], mask=paths >= 0
    )
    assert np.exp(found).sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_array_equal(np.exp(found)[paths[:, 0] == 1], 0.0)  # forbidden at the start


def test_a_set_of_allowed_tags_is_their_sum(scores):
    """Annotators who say "one of these" are heard."""
    allowed = np.random.default_rng(2).random((B, T, K)) < 0.6
    found = np.exp(likelihoods(scores, allowed))
    for row, mask in enumerate(MASK):
        paths, values = sequences(scores[0][row][mask], *scores[1:])
        may = allowed[row][mask]
        agree = [all(may[t, tag] for t, tag in enumerate(path)) for path in paths]
        expected = np.exp(values[agree]).sum() / np.exp(values).sum()
        np.testing.assert_allclose(found[row], expected, rtol=1e-12)


def test_viterbi_finds_the_best_of_all(scores):
    """Whatever the mask, and never a forbidden sequence."""
    emissions, transitions, start, end = scores
    tags, best = rnnkit.crf_decode(emissions, transitions, start=start, end=end, mask=MASK)
    for row, mask in enumerate(MASK):
        paths, values = sequences(emissions[row][mask], *scores[1:])
        assert tuple(np.asarray(tags)[row][mask]) == paths[np.argmax(values)]
        assert float(best[row]) == pytest.approx(values.max())
    np.testing.assert_array_equal(np.asarray(tags)[~MASK], 0)


def test_marginals_count_all_sequences(scores):
    """What a confidence shown to a user is."""
    emissions, transitions, start, end = scores
    found = rnnkit.crf_marginals(emissions, transitions, start=start, end=end, mask=MASK)
    found = np.asarray(found)
    for row, mask in enumerate(MASK):
        paths, values = sequences(emissions[row][mask], *scores[1:])
        shares = np.exp(values) / np.exp(values).sum()
        expected = np.zeros((mask.sum(), K))
        for path, share in zip(paths, shares, strict=True):
            expected[np.arange(len(path)), list(path)] += share
        np.testing.assert_allclose(found[row][mask], expected, atol=1e-12)
    np.testing.assert_array_equal(found[~MASK], 0.0)


@pytest.mark.parametrize("steps", [0, 1])
def test_no_step_and_one_step_without_a_mask(steps):
    emissions, transitions = np.ones((2, steps, K)) * [1.0, 3.0, 2.0], np.zeros((K, K))
    tags, _ = rnnkit.crf_decode(emissions, transitions)
    np.testing.assert_array_equal(tags, np.ones((2, steps)))
    found = rnnkit.crf_log_likelihood(emissions, np.ones((2, steps), int), transitions)
    expected = steps * (3 - np.log(np.exp([1, 3, 2]).sum()))
    np.testing.assert_allclose(found, [expected] * 2)
    assert rnnkit.crf_marginals(emissions, transitions).shape == (2, steps, K)


# --- gradients ------------------------------------------------------------------------------------


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


def test_scores_beyond_the_range_of_an_exponential():
    """Where only the weakest tag leads to an allowed end, float32 does not lose it."""
    steps = 30
    emissions = np.zeros((1, steps, 2), "float32")
    emissions[..., 0] = 10.0  # e^300 against the tag that is allowed at the end
    apart = np.where(np.eye(2), 0.0, -np.inf).astype("float32")
    end = np.array([-np.inf, 0.0], "float32")
    with tf.GradientTape() as tape:
        tape.watch(x := tf.constant(emissions))
        ones = rnnkit.crf_log_likelihood(x, np.ones((1, steps), int), apart, end=end)
    np.testing.assert_allclose(ones, [0.0], atol=1e-5)  # the only sequence there is
    np.testing.assert_allclose(tape.gradient(ones, x), np.zeros((1, steps, 2)), atol=1e-5)
    marginals = rnnkit.crf_marginals(emissions, apart, end=end)
    np.testing.assert_allclose(marginals[..., 1], np.ones((1, steps)), atol=1e-5)


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


def test_half_precision_is_computed_in_float32():
    """A sum over 400 steps in float16 would be off by whole nats."""
    random = np.random.default_rng(4)
    emissions = random.normal(size=(2, 400, 9)).astype("float16")
    transitions = random.normal(size=(9, 9)).astype("float16")
    tags = random.integers(9, size=(2, 400))
    found = rnnkit.crf_log_likelihood(emissions, tags, transitions)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    exact = rnnkit.crf_log_likelihood(
        emissions.astype("float64"), tags, transitions.astype("float64")
    )
    np.testing.assert_allclose(found, exact, rtol=1e-6)


def test_no_sequence_at_all_is_no_nan():
    """Constraints that leave nothing: likelihood 0, no gradient, the other rows as they were."""
    emissions = np.zeros((2, 2, 2))
    emissions[0] = -np.inf
    with tf.GradientTape() as tape:
        tape.watch(x := tf.constant(emissions))
        found = rnnkit.crf_log_likelihood(x, [[0, 1], [0, 1]], np.zeros((2, 2)))
    np.testing.assert_allclose(found, [-np.inf, -np.log(4)])
    gradient = np.asarray(tape.gradient(found, x))
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient[1], [[0.5, -0.5], [-0.5, 0.5]])


def test_a_tag_that_does_not_exist_has_no_likelihood():
    """On every device: some clip such an index without a word."""
    found = rnnkit.crf_log_likelihood(np.zeros((2, 2, 3)), [[0, 3], [0, 2]], np.zeros((3, 3)))
    np.testing.assert_allclose(found, [-np.inf, -np.log(9)])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"emissions": np.zeros((2, 3))}, "emissions must have the shape"),
        ({"tags": np.zeros((2, 4), int)}, r"Received: tags of shape \(2, 4\)"),
        ({"tags": np.zeros(2, int)}, r"Received: tags of shape \(2,\)"),
        ({"transitions": np.zeros((2, 3))}, r"transitions must have the shape \(3, 3\)"),
        ({"start": np.zeros(2)}, r"start must have the shape \(3,\)"),
        ({"end": np.zeros((1, 3))}, r"end must have the shape \(3,\)"),
        ({"mask": np.ones((2, 5))}, "mask must have the shape"),
        ({"mask": np.ones((2, 4, 1))}, "mask must have the shape"),
    ],
)
def test_what_does_not_fit_is_refused(changed, message):
    """Instead of broadcast to something that trains."""
    fine = {
        "emissions": np.zeros((2, 5, 3)),
        "tags": np.zeros((2, 5), int),
        "transitions": np.zeros((3, 3)),
    }
    if "mask" in changed:
        fine["emissions"], fine["tags"] = np.zeros((2, 4, 3)), np.zeros((2, 4), int)
    with pytest.raises(ValueError, match=message):
        rnnkit.crf_log_likelihood(**{**fine, **changed})


# --- constraints ----------------------------------------------------------------------------------

VALID = {
    "IOB2": ["O", "B-X", "B-X I-X", "B-X B-X", "B-X B-Y I-Y O"],
    "IOBES": ["O", "S-X", "B-X E-X", "B-X I-X E-X O", "S-X B-Y E-Y"],
    "IOB1": ["O", "I-X", "I-X I-X", "I-X B-X", "I-X I-Y O", "I-X B-X I-X"],
}
WRONG = {
    "IOB2": ["I-X", "O I-X", "B-X I-Y"],
    "IOBES": ["B-X", "I-X E-X", "B-X O", "B-X E-Y", "S-X E-X", "B-X S-X", "B-X B-X E-X"],
    "IOB1": ["B-X", "O B-X", "I-Y B-X"],
}


@pytest.mark.parametrize("scheme", VALID)
def test_a_scheme_allows_what_it_allows(scheme):
    """No tag sequence that no chunk reader can read."""
    prefixes = "BIES" if scheme == "IOBES" else "BI"
    labels = ["O", *(f"{p}-{kind}" for kind in "XY" for p in prefixes)]
    allowed = rnnkit.crf_constraints(labels, scheme)

    def fine(text):
        tags = [len(labels), *map(labels.index, text.split()), len(labels)]
        return all(allowed[a, b] for a, b in itertools.pairwise(tags))

    assert [text for text in VALID[scheme] if not fine(text)] == []
    assert [text for text in WRONG[scheme] if fine(text)] == []


@pytest.mark.parametrize(
    ("labels", "scheme", "message"),
    [
        (["O", "B-X"], "BIO", "scheme must be one of IOB1, IOB2, IOBES"),
        (["O", "E-X"], "IOB2", "Received: 'E-X'"),
        (["O", "NOUN"], "IOB2", "Received: 'NOUN'"),
        (["O", "B-"], "IOB2", "Received: 'B-'"),
    ],
)
def test_labels_of_another_scheme_are_refused(labels, scheme, message):
    with pytest.raises(ValueError, match=message):
        rnnkit.crf_constraints(labels, scheme)


# --- other backends -------------------------------------------------------------------------------

JAX = """
import jax, numpy as np, sys
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
print("all equal")
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
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
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "1"}
    environment["JAX_PLATFORMS"] = "cpu"
    done = subprocess.run(
        [sys.executable, "-c", JAX, str(tmp_path / "case.npz")],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.stdout.strip().endswith("all equal"), done.stderr
