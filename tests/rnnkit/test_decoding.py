"""Searches against enumeration and against the model itself, row by row and in every form."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnkit
from rnnkit.decoding import beam_search, greedy_search, sample_search, step_of_cell

V, END, START = 4, 3, 0
H = np.random.default_rng(3).normal(size=(3, 6)).astype("float32")


@pytest.fixture(scope="module")
def step():
    """A language model with strong opinions, so that no two sequences tie."""
    keras.utils.set_random_seed(1)
    wide = keras.initializers.RandomNormal(stddev=1.5, seed=2)
    embedding = keras.layers.Embedding(V, 5, embeddings_initializer=wide)
    step = step_of_cell(
        rnnkit.GRUCell(6), embedding, keras.layers.Dense(V, kernel_initializer=wide)
    )
    step(tf.constant([START]), [H[:1]])  # draws the weights, whichever test comes first
    return step


def log_p(step, state, sequence):
    """log p of some tokens, one at a time."""
    before, total = START, 0.0
    for token in sequence:
        logits, state = step(tf.constant([before]), state)
        total += float(tf.nn.log_softmax(logits)[0, token])
        before = token
    return total


def enumerated(step, h, longest):
    """log p of every complete sequence: ended by END, or cut at the longest length."""
    found = {}

    def go_on(sequence, state, before, total):
        if sequence and (sequence[-1] == END or len(sequence) == longest):
            found[sequence] = total
            return
        logits, state = step(tf.constant([before]), state)
        for token, gained in enumerate(tf.nn.log_softmax(logits)[0].numpy()):
            go_on((*sequence, token), state, token, total + float(gained))

    go_on((), [h], START, 0.0)
    return found


def trimmed(tokens, length, longest):
    """The tokens with the end that was reached."""
    return tuple(int(t) for t in tokens[: min(length + 1, longest)])


@pytest.mark.parametrize("penalty", [0.0, 0.8])
def test_a_beam_wide_enough_is_exhaustive_search(step, penalty):
    """Every hypothesis, best first, with its own probability; in the places beyond, none."""
    longest = 3
    found = beam_search(
        step, [H], START, END, V**longest, max_length=longest, length_penalty=penalty, n_best=50
    )
    for row in range(3):
        expected = sorted(
            (
                (total / ((5 + len(sequence)) / 6) ** penalty, sequence)
                for sequence, total in enumerated(step, H[row : row + 1], longest).items()
            ),
            reverse=True,
        )
        count = len(expected)
        assert count == 40
        np.testing.assert_allclose(found.scores[row][:count], [e[0] for e in expected], atol=1e-5)
        assert np.all(np.isneginf(found.scores[row][count:]))
        texts = [
            trimmed(found.tokens[row, k], int(found.lengths[row, k]), longest) for k in range(count)
        ]
        assert sorted(texts) == sorted(sequence for _, sequence in expected)
        assert texts[:5] == [sequence for _, sequence in expected[:5]]


def test_a_beam_of_one_is_greedy(step):
    found = beam_search(step, [H], START, END, 1, max_length=9, length_penalty=0.7)
    greedy = greedy_search(step, [H], START, END, max_length=9)
    np.testing.assert_array_equal(found.tokens[:, 0], greedy.tokens)
    np.testing.assert_allclose(found.log_probabilities[:, 0], greedy.scores, rtol=1e-5)


def test_the_best_are_sorted_distinct_and_have_the_probability_of_their_tokens(step):
    """A score that is not the model's own would rank translations by nothing."""
    found = beam_search(step, [H], START, END, 6, max_length=8, length_penalty=0.6, n_best=6)
    for row in range(3):
        scores = np.array(found.scores[row])
        assert np.all(np.diff(scores) <= 0)
        lengths = np.array(found.lengths[row])
        texts = [trimmed(found.tokens[row, k], lengths[k], 8) for k in range(6)]
        assert len(set(texts)) == 6
        for k, text in enumerate(texts):
            total = log_p(step, [H[row : row + 1]], text)
            np.testing.assert_allclose(found.log_probabilities[row, k], total, atol=1e-5)
            np.testing.assert_allclose(scores[k], total / ((5 + len(text)) / 6) ** 0.6, atol=1e-5)


def test_a_finished_hypothesis_never_grows_and_nothing_follows_the_end(step):
    """With more room, what had ended stays word for word, and its score to the bit."""
    short = beam_search(step, [H], START, END, 64, max_length=3, n_best=40)
    long = beam_search(step, [H], START, END, 64, max_length=6, n_best=64)
    for row in range(3):
        kept = {
            (tuple(np.array(tokens)[: n + 1]), float(score))
            for tokens, n, score in zip(long.tokens[row], long.lengths[row], long.scores[row])  # noqa: B905
        }
        for tokens, n, score in zip(short.tokens[row], short.lengths[row], short.scores[row]):  # noqa: B905
            if n < 2:
                rank = int(np.sum(np.array(long.scores[row]) >= score))
                if rank < 64:
                    assert (tuple(np.array(tokens)[: n + 1]), float(score)) in kept
    tokens, lengths = np.array(long.tokens), np.array(long.lengths)
    beyond = np.arange(6) >= lengths[..., None]
    assert np.all(tokens[beyond] == END)
    assert not np.any(tokens[~beyond] == END)


def test_fewer_best_are_the_first_of_more(step):
    """The search for the best alone stops early, and must not miss anything by it."""
    for penalty in (0.0, 1.0):
        options = {"max_length": 9, "length_penalty": penalty}
        more = beam_search(step, [H], START, END, 5, n_best=5, **options)
        one = beam_search(step, [H], START, END, 5, n_best=1, **options)
        np.testing.assert_array_equal(one.tokens[:, 0], more.tokens[:, 0])


def searches(step):
    """Each search as a function of states, starts, limits and seeds."""
    return {
        "greedy": lambda h, start, limit, seed: greedy_search(
            step, [h], start, END, max_length=limit
        ),
        "sample": lambda h, start, limit, seed: sample_search(
            step, [h], start, END, max_length=limit, seed=seed, temperature=0.9, top_p=0.95
        ),
        "beam": lambda h, start, limit, seed: beam_search(
            step, [h], start, END, 3, max_length=limit, length_penalty=0.5, n_best=2
        ),
    }


STARTS, LIMITS, SEEDS = ([0, 1, 2], [7, 2, 5], [5, 6, 5])


@pytest.mark.parametrize("name", ["greedy", "sample", "beam"])
def test_a_batch_gives_what_its_rows_give_alone(step, name):
    """No answer depends on who else was asked."""
    search = searches(step)[name]
    numbers = [np.array(value, "int32") for value in (STARTS, LIMITS, SEEDS)]
    together = search(H, *numbers)
    for row in range(3):
        alone = search(H[row : row + 1], *(value[row : row + 1] for value in numbers))
        longest = LIMITS[row]
        np.testing.assert_array_equal(alone.tokens[0], together.tokens[row][..., :longest])
        np.testing.assert_array_equal(alone.lengths[0], together.lengths[row])
        np.testing.assert_allclose(alone.scores[0], together.scores[row], atol=1e-5)
        assert np.all(np.array(together.lengths[row]) <= longest)


def test_the_same_answers_eagerly_in_a_graph_under_xla_and_in_a_saved_model(step, tmp_path):
    """What was served is what was tested: tokens of all searches, samples bit for bit."""

    def everything(h, start, seed):
        found = searches(step)
        return [found[name](h, start, 6, seed) for name in found]

    signature = [
        tf.TensorSpec((None, 6)),
        tf.TensorSpec((None,), tf.int32),
        tf.TensorSpec((None,), tf.int32),
    ]
    module = tf.Module()
    module.run = tf.function(everything, input_signature=signature, autograph=False)
    # A module keeps what it reaches: the variables of the cell.
    module.variables_of_step = [v.value for v in tf.nest.flatten(_variables(step))]
    arguments = [tf.constant(H), tf.constant(STARTS), tf.constant(SEEDS)]
    expected = everything(*arguments)
    tf.saved_model.save(module, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    xla = tf.function(everything, jit_compile=True, autograph=False)
    for run in (module.run, xla, loaded.run):
        for found, right in zip(run(*arguments), expected, strict=True):
            np.testing.assert_array_equal(found[0], right.tokens)
            np.testing.assert_array_equal(found[1], right.lengths)
            np.testing.assert_allclose(found[2], right.scores, atol=1e-5)


def _variables(step):
    """The variables of the parts that `step_of_cell` closed over."""
    parts = [cell.cell_contents for cell in step.__closure__]
    return [v for part in parts if isinstance(part, keras.layers.Layer) for v in part.variables]


def test_any_nest_of_states_goes_with_its_hypothesis():
    """A state left behind when hypotheses change places would continue another sentence."""
    table = np.random.default_rng(0).normal(scale=2, size=(V, V, V)).astype("float32")

    def step(tokens, state):
        """The next token depends on the last two, which only the state knows."""
        logits = tf.gather_nd(tf.constant(table), tf.stack([state["last"][:, 0], tokens], -1))
        history = tf.concat([state["more"][0][:, 1:], tokens[:, None, None]], 1)
        return logits, {"last": tokens[:, None], "more": [history]}

    state = {"last": np.zeros((2, 1), "int32"), "more": [np.zeros((2, 4, 1), "int32")]}
    found = beam_search(step, state, [1, 2], END, 7, max_length=4, n_best=3)
    for row, start in enumerate((1, 2)):
        for k in range(3):
            n = int(found.lengths[row, k])
            before, last, total = 0, start, 0.0
            for token in np.array(found.tokens[row, k])[: min(n + 1, 4)]:
                total += float(tf.nn.log_softmax(table[before, last])[token])
                before, last = last, token
            np.testing.assert_allclose(found.scores[row, k], total, atol=1e-5)


def test_a_stack_of_keras_cells_is_searched(step):
    """Somebody's cells, nested states and all."""
    cell = keras.layers.StackedRNNCells([keras.layers.LSTMCell(4), keras.layers.GRUCell(3)])
    wide = keras.initializers.RandomNormal(stddev=1.5, seed=2)
    embedding = keras.layers.Embedding(V, 5, embeddings_initializer=wide)
    own = step_of_cell(cell, embedding, keras.layers.Dense(V, kernel_initializer=wide))
    draw = lambda zeros: tf.random.stateless_normal(zeros.shape, [7, zeros.shape[1]])
    state = keras.tree.map_structure(draw, cell.get_initial_state(batch_size=2))
    found = beam_search(own, state, START, END, 3, max_length=5, n_best=3)
    assert found.tokens.shape == (2, 3, 5)
    for row in range(2):
        alone = keras.tree.map_structure(lambda a, k=row: a[k : k + 1], state)
        for k in range(3):
            text = trimmed(found.tokens[row, k], int(found.lengths[row, k]), 5)
            total = log_p(own, alone, text)
            np.testing.assert_allclose(found.log_probabilities[row, k], total, atol=1e-5)


def test_sizes_may_be_numbers_of_numpy(step):
    """The longest source of a batch comes from NumPy; the length stays known in a graph."""
    found = beam_search(step, [H], START, END, np.int64(2), max_length=np.int64(4))
    expected = beam_search(step, [H], START, END, 2, max_length=4)
    np.testing.assert_array_equal(found.tokens, expected.tokens)
    search = lambda: greedy_search(step, [H], START, END, max_length=np.int32(4)).tokens
    assert tf.function(search).get_concrete_function().output_shapes.as_list() == [3, 4]


def test_forbidden_tokens_stay_out_of_the_beam():
    logits = tf.constant([[0.0, -np.inf, 1.0, -np.inf]])
    step = lambda tokens, state: (tf.repeat(logits, tf.shape(tokens)[0], 0), state)
    found = beam_search(step, [], np.array([0, 0], "int32"), END, 4, max_length=3, n_best=4)
    assert set(np.array(found.tokens).ravel()) == {0, 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, r"width must be a positive int\. Received: width=0"),
        ({"width": 2.0}, r"width must be a positive int"),
        ({"n_best": 4}, r"n_best must be an int from 1 to width=3\. Received: n_best=4"),
        ({"length_penalty": -1}, r"length_penalty must be at least 0"),
        ({"max_length": 0}, r"max_length must be a positive int"),
        ({"max_length": 4.7}, r"max_length must be a positive int.*Received: max_length=4.7"),
        ({"start": 0, "initial_state": []}, r"start must be an int, or a \(batch,\) tensor"),
        ({"step": lambda t, s: t}, r"must return \(logits, state\)"),
        ({"step": lambda t, s: (t, s)}, r"logits of shape \(batch, V\), V known"),
        ({"step": lambda t, s: (tf.zeros((9, V)), [])}, r"structure of initial_state"),
        (
            {"step": lambda t, s: (tf.zeros((9, V)), [tf.zeros((9, 7))])},
            r"expected \(9, 6\) float32\. Received: \(9, 7\) float32",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(step, change, message):
    arguments = {
        "step": step,
        "initial_state": [H],
        "start": START,
        "end": END,
        "width": 3,
        "max_length": 4,
    }
    with pytest.raises(ValueError, match=message):
        beam_search(**{**arguments, **change})


@pytest.mark.parametrize("name", ["greedy", "sample", "beam"])
def test_a_search_ends_with_its_last_row(name):
    """With room for 200 tokens, rows of up to 4 cost 4 steps: a short sentence is a fast one."""
    calls = []

    def ends_after(tokens, left):
        """The end as soon as nothing is left, and until then anything but it."""
        calls.append(1)
        others = tf.repeat([[1.0, 0.5, 0.0]], tf.shape(tokens)[0], 0)
        over = tf.where(left == 0, 50.0, -50.0)
        return tf.concat([others, over], axis=1), left - 1

    left, options = np.array([[1], [3]], "int32"), {"max_length": 200}
    if name == "greedy":
        found = greedy_search(ends_after, left, START, END, **options)
    elif name == "sample":
        found = sample_search(ends_after, left, START, END, seed=1, **options)
    else:
        found = beam_search(ends_after, left, START, END, 3, n_best=2, **options)
    assert np.array(found.lengths).reshape(2, -1)[:, 0].tolist() == [1, 3]
    assert len(calls) == 4


def test_a_longer_sentence_may_still_win():
    """The best so far has ended, but the penalty will prefer the one that is still open."""

    def step(tokens, place):
        sure = tf.where(place >= 3, [[0.0, 0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0, 0.0]])
        p = tf.where(place == 0, [[0.45, 0.0, 0.0, 0.55]], sure)
        return tf.math.log(p), place + 1

    place = np.zeros((1, 1), "int32")
    found = beam_search(step, place, START, END, 2, max_length=6, length_penalty=1.0)
    np.testing.assert_array_equal(found.tokens[0, 0], [0, 0, 0, END, END, END])
    np.testing.assert_allclose(found.scores[0, 0], np.log(0.45) / 1.5, rtol=1e-6)
