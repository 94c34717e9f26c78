"""The sums of a CRF against all sequences written out one by one."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnkit
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


# --- graphs, and other backends -------------------------------------------------------------------


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("steps", [T, 0])
def test_a_graph_of_unknown_time_may_meet_no_step(scores, masked, steps):
    """An empty sentence among the requests must not end the server."""
    emissions, tags = np.nan_to_num(scores[0]), np.random.default_rng(3).integers(K, size=(B, T))
    mask = MASK if masked else np.ones_like(MASK)
    emissions, tags, mask = emissions[:, :steps], tags[:, :steps], mask[:, :steps]

    def run(emissions, tags, mask):
        rest = {"start": scores[2], "end": scores[3], "mask": mask if masked else None}
        given = emissions, scores[1]
        partly = ops.where(tags == 0, -1, tags)
        return (
            rnnkit.crf_log_likelihood(emissions, tags, scores[1], **rest),
            rnnkit.crf_log_likelihood(emissions, partly, scores[1], **rest),
            *rnnkit.crf_decode(*given, **rest),
            rnnkit.crf_marginals(*given, **rest),
        )

    shapes = [(None, None, K), (None, None), (None, None)]
    kinds = zip(shapes, ("float64", "int64", "bool"), strict=True)
    graph = tf.function(run, input_signature=[tf.TensorSpec(*kind) for kind in kinds])
    for found, expected in zip(
        graph(emissions, tags, mask), run(emissions, tags, mask), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert found.shape == expected.shape
