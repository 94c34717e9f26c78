"""A drawn token: distributed as it should be, and the same bits however it is computed."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnkit.decoding import greedy, sample

V = 7
LOGITS = np.random.default_rng(0).normal(scale=1.5, size=(4, V)).astype("float32")
FILTERS = {
    "plain": {},
    "cold": {"temperature": 0.3},
    "top k": {"top_k": 3},
    "top p": {"top_p": 0.7},
    "all": {"temperature": 1.4, "top_k": 5, "top_p": 0.8},
}


def expected(logits, temperature=1.0, top_k=None, top_p=None):
    """The probabilities that the options promise, in float64."""
    scaled = logits.astype("float64") / temperature
    p = np.exp(scaled - scaled.max())
    order = np.argsort(-scaled, kind="stable")
    if top_k is not None:
        p[order[top_k:]] = 0
    p /= p.sum()
    if top_p is not None:
        count = np.searchsorted(np.cumsum(p[order]), top_p) + 1
        p[order[count:]] = 0
    return p / p.sum()


@pytest.mark.parametrize("name", FILTERS)
def test_tokens_are_drawn_with_their_probabilities(name):
    """A sampler that is off would put words into the model's mouth."""
    draws = 20_000
    for logits in LOGITS[:2]:
        seeds = np.arange(draws, dtype="int32")
        tokens = sample(np.tile(logits, (draws, 1)), seeds, 3, **FILTERS[name])
        p = expected(logits, **FILTERS[name])
        counts = np.bincount(tokens, minlength=V)
        assert not np.any(counts[p == 0])
        real = p > 0
        chi2 = np.sum((counts[real] - draws * p[real]) ** 2 / (draws * p[real]))
        assert chi2 < 35  # 6 degrees of freedom: P < 1e-5


def test_the_same_bits_in_a_graph_under_xla_and_in_a_saved_model(tmp_path):
    """A served model says what the notebook said."""
    rows = 512
    logits = np.random.default_rng(1).normal(size=(rows, V)).astype("float32")
    seeds = np.arange(rows, dtype="int32")
    module = tf.Module()

    def draw(logits, seeds, temperature, k, p):
        return sample(logits, seeds, 5, temperature=temperature, top_k=k, top_p=p)

    signature = [
        tf.TensorSpec((rows, V)),
        tf.TensorSpec((rows,), tf.int32),
        tf.TensorSpec((rows,)),
        tf.TensorSpec((rows,), tf.int32),
        tf.TensorSpec((rows,)),
    ]
    module.draw = tf.function(draw, input_signature=signature)
    xla = tf.function(draw, input_signature=signature, jit_compile=True)
    tf.saved_model.save(module, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    arguments = [
        tf.constant(logits),
        tf.constant(seeds),
        tf.fill((rows,), 0.9),
        tf.fill((rows,), 5),
        tf.fill((rows,), 0.9),
    ]
    tokens = draw(*arguments)
    for other in (module.draw, xla, loaded.draw):
        np.testing.assert_array_equal(other(*arguments), tokens)
    np.testing.assert_array_equal(
        sample(logits, seeds, 5, temperature=0.9, top_k=5, top_p=0.9), tokens
    )


def test_a_row_gets_its_token_wherever_it_stands():
    seeds = np.array([3, 1, 4, 1], "int32")
    tokens = np.array(sample(LOGITS, seeds, 2, top_p=0.9))
    order = [2, 0, 3]
    np.testing.assert_array_equal(sample(LOGITS[order], seeds[order], 2, top_p=0.9), tokens[order])
    for row in range(4):
        alone = sample(LOGITS[row : row + 1], seeds[row : row + 1], 2, top_p=0.9)
        assert int(alone[0]) == tokens[row]


def test_settings_of_a_row_are_its_own():
    """A server's batch mixes requests."""
    seeds = np.arange(4, dtype="int32")
    temperature = np.array([0.0, 0.5, 1.0, 2.0], "float32")
    k, p = np.array([0, 2, 7, 1], "int32"), np.array([1.0, 1.0, 0.5, 0.9], "float32")
    tokens = sample(LOGITS, seeds, 0, temperature=temperature, top_k=k, top_p=p)
    for row in range(4):
        alone = sample(
            LOGITS[row : row + 1],
            seeds[row : row + 1],
            0,
            temperature=float(temperature[row]),
            top_k=int(k[row]) or None,
            top_p=float(p[row]),
        )
        assert int(alone[0]) == int(tokens[row])


def test_a_temperature_of_zero_is_greedy_and_a_filter_of_one_token_too():
    best = greedy(LOGITS)
    np.testing.assert_array_equal(best, LOGITS.argmax(-1))
    seeds = np.arange(4, dtype="int32")
    for options in ({"temperature": 0.0}, {"top_k": 1}, {"top_p": 1e-6}):
        np.testing.assert_array_equal(sample(LOGITS, seeds, 1, **options), best)


def test_a_filter_changes_only_draws_that_it_forbids():
    rows = 300
    logits = np.tile(LOGITS[:1], (rows, 1))
    seeds = np.arange(rows, dtype="int32")
    free, filtered = np.array(sample(logits, seeds, 0)), np.array(sample(logits, seeds, 0, top_k=4))
    allowed = np.isin(free, np.argsort(-LOGITS[0])[:4])
    np.testing.assert_array_equal(free[allowed], filtered[allowed])
    assert not allowed.all()


def test_forbidden_tokens_are_never_drawn_and_half_precision_is_enough():
    logits = np.where(np.arange(V) == 2, -np.inf, 0).astype("float32")[None].repeat(200, 0)
    for dtype in ("float32", "bfloat16"):
        tokens = sample(keras.ops.cast(logits, dtype), np.arange(200, dtype="int32"), 0)
        assert set(np.array(tokens)) == set(range(V)) - {2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1}, r"temperature must be at least 0, .*\. Received: temperature=-1"),
        ({"temperature": float("inf")}, r"and finite\. Received: temperature=inf"),
        ({"top_k": 0}, r"top_k must be a positive int\. Received: top_k=0"),
        ({"top_k": 2.5}, r"top_k must be a positive int"),
        ({"top_p": 1.5}, r"top_p must be above 0 and at most 1"),
        ({"top_p": 0.0}, r"top_p must be above 0"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sample(LOGITS, 0, 0, **options)


def test_logits_of_another_rank_are_refused():
    with pytest.raises(ValueError, match=r"rank 2, \(batch, V\)\. Received: .*\(7,\)"):
        sample(LOGITS[0], 0, 0)
    with pytest.raises(ValueError, match="seed must be a tensor of an integer type"):
        sample(LOGITS, 0.5, 0)
