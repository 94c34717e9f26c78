"""Attention against its equations in NumPy, and what an AttentionCell keeps of its promises."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnkit
from rnnkit import testing
from rnnkit.attention import alignments
from rnnkit.cells.wrappers import Wrapper
from tests import zoo

RANDOM = np.random.default_rng(0)
S, M = 4, 3
MEMORY = RANDOM.normal(size=(testing.BATCH, S, M))
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]], "bool")

FORMS = {
    "bahdanau": lambda: rnnkit.BahdanauAttention(5, dtype="float64"),
    "bahdanau normalized": lambda: rnnkit.BahdanauAttention(5, normalize=True, dtype="float64"),
    "dot": lambda: rnnkit.LuongDotAttention(dtype="float64"),
    "dot scaled": lambda: rnnkit.LuongDotAttention(scale=True, dtype="float64"),
    "general": lambda: rnnkit.LuongGeneralAttention(dtype="float64"),
    "general scaled": lambda: rnnkit.LuongGeneralAttention(scale=True, dtype="float64"),
}


def randomised(layer, seed=1):
    random = np.random.default_rng(seed)
    for weight in layer.trainable_weights:
        weight.assign(random.normal(scale=0.7, size=weight.shape))
    return {weight.name: np.array(weight) for weight in layer.trainable_weights}


def attended(name, weights, query, memory, mask):
    """One query at a time, one row at a time: `(context, alignments)` of (q, n) and (S, m)."""
    contexts, rows = [], []
    for q in query:
        scores = []
        for m in memory:
            if name.startswith("bahdanau"):
                hidden = q @ weights["query_kernel"] + m @ weights["memory_kernel"]
                v = weights["vector"]
                if "normalized" in name:
                    hidden = hidden + weights["score_bias"]
                    v = weights["score_gain"] * v / np.linalg.norm(v)
                scores.append(v @ np.tanh(hidden))
                continue
            key = m if name.startswith("dot") else m @ weights["memory_kernel"]
            scores.append(q @ key * weights.get("score_gain", 1.0))
        p = np.where(mask, np.exp(scores), 0)
        p = p / p.sum() if mask.any() else p
        rows.append(p)
        contexts.append(sum(a * m for a, m in zip(p, memory, strict=True)))
    return np.array(contexts), np.array(rows)


@pytest.mark.parametrize("name", FORMS)
def test_each_form_is_its_equations(name):
    """A transposed kernel or a score left unscaled would still learn something."""
    layer, query = FORMS[name](), RANDOM.normal(size=(3, 2, M))
    layer.build(query.shape, MEMORY.shape)
    weights = randomised(layer)
    found = layer(query, MEMORY, memory_mask=MASK, return_alignments=True)
    for row in range(3):
        expected = attended(name, weights, query[row], MEMORY[row], MASK[row])
        for value, right in zip(found, expected, strict=True):
            np.testing.assert_allclose(value[row], right, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", FORMS)
def test_alignments_sum_to_one_and_padding_has_none(name):
    """Whatever stands in the padding, and however large the scores are."""
    layer, query = FORMS[name](), RANDOM.normal(size=(3, 2, M)) * 1e6
    masked = np.where(MASK[..., None], MEMORY, np.nan)
    context, weights = layer(query, masked, memory_mask=MASK, return_alignments=True)
    weights = np.array(weights)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-12)
    assert not np.any(weights[np.broadcast_to(~MASK[:, None], weights.shape)])
    assert np.all(np.isfinite(context))
    nothing = layer(query, masked, memory_mask=np.zeros_like(MASK), return_alignments=True)
    assert not np.any(nothing[0])
    assert not np.any(nothing[1])


@pytest.mark.parametrize("name", zoo.ATTENTIONS)
def test_a_model_with_attention_alone_is_saved(name, tmp_path):
    query, memory = keras.Input((None, 2)), keras.Input((None, 2))
    model = keras.Model([query, memory], zoo.ATTENTIONS[name]()(query, memory))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    given = [RANDOM.normal(size=(3, k, 2)).astype("float32") for k in (2, 5)]
    np.testing.assert_array_equal(loaded(given), model(given))


# --- the cell -------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("tests")
class Attending(Wrapper):
    """An AttentionCell with a memory of its own, so that the checks of cells can run on it."""

    memory_size = 0

    def build(self, input_shape):
        self.cell.build_memory(MEMORY.shape)
        super().build(input_shape)

    def step(self, projected, states, training=None):
        rows, count = np.arange(testing.BATCH), states[0].shape[0]
        rows = rows if count in (None, testing.BATCH) else rows[::-1][:-1]  # as check_rows does
        memory = keras.ops.convert_to_tensor(MEMORY[rows], dtype=self.compute_dtype)
        read = self.cell.remember(memory, MASK[rows])
        y, new = self.step_within(projected, [*states, *read], training)
        return y, new[:-3]


CELLS = {
    "lstm, bahdanau": lambda: rnnkit.AttentionCell(
        rnnkit.LSTMCell(4), rnnkit.BahdanauAttention(5, normalize=True), attention_size=6
    ),
    "layer norm, general": lambda: rnnkit.AttentionCell(
        rnnkit.LayerNormLSTMCell(4), rnnkit.LuongGeneralAttention(scale=True), attention_size=6
    ),
    "keras gru, dot": lambda: rnnkit.AttentionCell(
        keras.layers.GRUCell(3), rnnkit.LuongDotAttention(), attention_size=6, activation="linear"
    ),
}


PLAIN = "lstm, bahdanau"  # the others differ from it in ways that the tests below go through
CONTRACT = [n if n == PLAIN else pytest.param(n, marks=pytest.mark.prove) for n in CELLS]


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CONTRACT)
def test_the_cell_keeps_the_contract(name, check):
    """Loops, masks, gradients by finite differences, saving, halves of sequences."""
    check(Attending(CELLS[name]()))


def sample(name):
    """A float64 layer with random weights, inputs and states."""
    cell = testing.copy_of(CELLS[name](), "float64")
    layer = rnnkit.RNN(cell, return_sequences=True, return_state=True, dtype="float64")
    x = RANDOM.normal(size=(testing.BATCH, testing.STEPS, 2))
    layer(x, memory=MEMORY)
    randomised(layer)
    states = [RANDOM.normal(size=(testing.BATCH, width)) for width in cell.state_size]
    return layer, x, states


@pytest.mark.parametrize("name", CELLS)
def test_the_cell_attends_as_its_equations_say(name):
    """Step by step in NumPy, with the cell within as the oracle of itself."""
    layer, x, states = sample(name)
    cell = layer.cell
    ys, *last = layer(x, initial_state=states, memory=MEMORY, memory_mask=MASK)
    seen = alignments(layer, x, MEMORY, initial_state=states, memory_mask=MASK)
    form = {"lstm, bahdanau": "bahdanau normalized", "layer norm, general": "general scaled"}
    weights = {w.name: np.array(w) for w in cell.attention.trainable_weights}
    kernel = np.array(cell.attention_kernel)
    act = np.tanh if name != "keras gru, dot" else (lambda a: a)
    for t in range(testing.STEPS):
        *within, fed = states
        if hasattr(cell, "feed_kernel"):
            p = np.array(cell.cell.project(x[:, t])) + np.array(fed) @ np.array(cell.feed_kernel)
            q, within = cell.cell.step(keras.ops.convert_to_tensor(p), within)
        else:
            q, within = cell.cell(np.concatenate([x[:, t], fed], -1), within)
        q = np.array(q)
        for row in range(testing.BATCH):
            context, p = attended(
                form.get(name, "dot"), weights, q[row : row + 1], MEMORY[row], MASK[row]
            )
            a = act(np.concatenate([q[row], context[0]]) @ kernel)
            np.testing.assert_allclose(ys[row, t], a, rtol=1e-9, atol=1e-11)
            np.testing.assert_allclose(seen[row, t], p[0], rtol=1e-9, atol=1e-11)
        states = [*within, np.array(ys[:, t])]
    for found, right in zip(last, states, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_gradients_reach_the_memory(name, masked):
    """Without them the encoder would never learn; also past steps that are masked."""
    layer, x, states = sample(name)
    steps = tf.constant(np.array([[1, 1, 0, 1, 0]] * 3, "bool")) if masked else None
    direction = RANDOM.normal(size=MEMORY.shape)

    def loss(memory):
        ys, *_ = layer(x, initial_state=states, memory=memory, memory_mask=MASK, mask=steps)
        return tf.reduce_sum(ys * np.cos(np.arange(ys.shape[-1])))

    memory = tf.Variable(MEMORY)
    with tf.GradientTape() as tape:
        value = loss(memory)
    slope = np.sum(np.array(tape.gradient(value, memory)) * direction)
    difference = (loss(MEMORY + 1e-6 * direction) - loss(MEMORY - 1e-6 * direction)) / 2e-6
    np.testing.assert_allclose(slope, difference, rtol=1e-6)


def test_rows_side_by_side_share_a_memory():
    """Five hypotheses a sentence read it as five copies of the sentence would."""
    layer, x, states = sample("lstm, bahdanau")
    cell = layer.cell
    many = [np.repeat(a, 5, 0) + RANDOM.normal(size=(15, a.shape[-1])) for a in (x[:, 0], *states)]
    shared = cell(many[0], [*many[1:], *cell.remember(MEMORY, MASK)])[0]
    copied = cell.remember(np.repeat(MEMORY, 5, 0), np.repeat(MASK, 5, 0))
    np.testing.assert_allclose(shared, cell(many[0], [*many[1:], *copied])[0], rtol=1e-12)


def test_a_model_with_attention_in_a_stack_is_trained_saved_and_blind_to_padding(tmp_path):
    """The mask of an Embedding gets to the memory by itself."""
    inputs, tokens = keras.Input((None, 3)), keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(9, 6, mask_zero=True)(tokens)
    memory = rnnkit.BiRNN(rnnkit.GRUCell(4), return_sequences=True)(embedded)
    cells = [CELLS["lstm, bahdanau"](), rnnkit.GRUCell(3)]
    model = keras.Model(
        [inputs, tokens], rnnkit.RNN(cells, return_sequences=True)(inputs, memory=memory)
    )
    model.compile("sgd", "mse")
    x, ids = RANDOM.normal(size=(2, 5, 3)), np.array([[1, 2, 3, 0, 0], [1, 2, 3, 4, 5]])
    before = [w.numpy() for w in model.trainable_weights]
    model.fit([x, ids], np.ones((2, 5, 3)), verbose=0)
    assert all(np.any(w != b) for w, b in zip(model.trainable_weights, before, strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    ys = model.predict([x, ids], verbose=0)
    np.testing.assert_allclose(loaded.predict([x, ids], verbose=0), ys, atol=1e-6)
    np.testing.assert_allclose(model([x[:1], ids[:1, :3]]), ys[:1], atol=1e-6)


def attention_cell(**change):
    arguments = {"cell": rnnkit.GRUCell(4), "attention": rnnkit.LuongGeneralAttention()}
    return rnnkit.AttentionCell(**{**arguments, "attention_size": 4, **change})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rnnkit.BahdanauAttention(0), r"units must be a positive int\. Received: units=0"),
        (lambda: attention_cell(attention="luong"), r"attention must be one of rnnkit's"),
        (lambda: attention_cell(attention_size=0), r"attention_size must be a positive int"),
        (lambda: attention_cell(cell=keras.layers.Dense(3)), r"needs a cell"),
        (lambda: attention_cell(cell=attention_cell()), r"attends to nothing yet"),
        (
            lambda: attention_cell(attention=rnnkit.LuongDotAttention(dtype="float64")),
            r"must be of one dtype. Received: a cell of float32, an attention of float64",
        ),
        (lambda: rnnkit.RecurrentDropoutCell(attention_cell()), r"goes into an AttentionCell"),
        (lambda: rnnkit.RNN(attention_cell())(np.zeros((2, 3, 4))), r"memory"),
        (
            lambda: rnnkit.RNN(rnnkit.GRUCell(3))(np.zeros((2, 3, 4)), memory=np.zeros((2, 3, 4))),
            r"takes no memory",
        ),
        (
            lambda: rnnkit.RNN(attention_cell(attention=rnnkit.LuongDotAttention()))(
                np.zeros((2, 3, 4)), memory=np.zeros((2, 3, 5))
            ),
            r"queries as wide as the memory, 5\. Received: queries of width 4",
        ),
        (lambda: attention_cell().build((None, 3)), r"width of its memory is known"),
        (lambda: attention_cell().remember(np.zeros((2, 3))), r"rank 3"),
        (
            lambda: alignments(rnnkit.RNN(rnnkit.GRUCell(3)), None, None),
            r"needs a built RNN with an AttentionCell",
        ),
    ],
)
def test_what_cannot_attend_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_another_memory_than_it_was_built_for_is_refused():
    layer = rnnkit.RNN(attention_cell())
    layer(np.zeros((2, 3, 4)), memory=np.zeros((2, 3, 5)))
    with pytest.raises(ValueError, match=r"a memory of width 5\. Received: .*\(2, 3, 6\)"):
        layer(np.zeros((2, 3, 4)), memory=np.zeros((2, 3, 6)))
