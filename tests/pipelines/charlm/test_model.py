"""The model: what it computes, what it carries from window to window, and what it cannot see."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.charlm import scores, texts
from pipelines.charlm.model import CharacterModel

SYMBOLS = 7
draw = np.random.default_rng(4)


def make(cell="gru", streams=2, layers=2, dropout=0.0, bptt_steps=None) -> CharacterModel:
    model = CharacterModel(
        symbols=SYMBOLS,
        cell=cell,
        units=6,
        layers=layers,
        embedding=5,
        dropout=dropout,
        bptt_steps=bptt_steps,
        streams=streams,
    )
    model.build((None, None))
    for weight in model.trainable_weights:  # biases too, and gates that differ
        weight.assign(draw.normal(size=weight.shape) * 0.5)
    return model


def ids(*shape: int) -> np.ndarray:
    return draw.integers(1, SYMBOLS, shape).astype(np.int32)


def window(x: np.ndarray, first: bool) -> dict:
    return {"ids": tf.constant(x), "first": tf.fill((len(x),), first)}


def follow(model: CharacterModel, x: np.ndarray) -> np.ndarray:
    return model.follow(tf.constant(x), model.initial_states(len(x)))[0].numpy()


@pytest.mark.parametrize("cell", ["gru", "peephole_lstm", "min_gru", "keras_lstm"])
def test_one_character_at_a_time_is_the_same_model(cell):
    """What a server streams is what was scored."""
    model, x = make(cell), ids(3, 9)
    states, logits = model.initial_states(3), []
    for t in range(9):
        step, states = model.advance(tf.constant(x[:, t]), states)
        logits.append(step)
    np.testing.assert_allclose(np.stack(logits, 1), follow(model, x), atol=1e-5)


@pytest.mark.parametrize("cell", ["gru", "lstm", "min_gru", "keras_gru"])
def test_two_windows_score_as_one(cell):
    """The state goes on from window to window, and a text that begins starts anew."""
    model, x = make(cell), ids(2, 12)
    for _ in range(2):  # the second time the state must be thrown away
        halves = [model(window(x[:, :5], True)), model(window(x[:, 5:], False))]
        np.testing.assert_allclose(np.concatenate(halves, 1), follow(model, x), atol=1e-5)


@pytest.mark.parametrize("cell", ["gru", "min_gru"])
def test_later_characters_change_no_earlier_prediction(cell):
    """A score below what is possible would be a leak of the future."""
    model, x = make(cell, layers=1), ids(1, 6)
    for t in range(6):
        changed = x.copy()
        changed[:, t:] = (changed[:, t:] % (SYMBOLS - 1)) + 1
        one, other = follow(model, x), follow(model, changed)
        np.testing.assert_array_equal(one[:, :t], other[:, :t])
        assert (one[:, t] != other[:, t]).any()


def test_the_gradient_ends_where_the_window_begins():
    """Truncation: the carried state is a number, not a path back into the window before."""
    model, x = make("gru"), ids(2, 8)
    model(window(x[:, :4], True))
    states = [tf.identity(state) for state in model._carried.by_rows(2, [])]

    def gradient(read) -> list[np.ndarray]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(scores.cost(x[:, 4:], read()))
        found = tape.gradient(loss, [w.value for w in model.trainable_weights])
        return [tf.convert_to_tensor(g).numpy() for g in found]

    carried = gradient(lambda: model(window(x[:, 4:], False)))
    alone = gradient(lambda: model.follow(tf.constant(x[:, 4:]), states)[0])
    for a, b in zip(carried, alone, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_one_window_of_the_whole_is_backpropagation_in_full():
    """An update of ours is the update of Keras's own layers and autodiff on the whole text."""
    steps, x = 11, ids(2, 11)
    before = np.pad(x, ((0, 0), (1, 0)))[:, :-1]
    ours = make("lstm", layers=1)
    entrance = keras.Input((steps,), dtype="int32")
    embedding = keras.layers.Embedding(SYMBOLS, 5)
    lstm = keras.layers.LSTM(6, return_sequences=True)
    head = keras.layers.Dense(SYMBOLS)
    theirs = keras.Model(entrance, head(lstm(embedding(entrance))))
    cell = ours.recurrent[0].cell
    pairs = [
        (embedding.embeddings, ours.embedding.embeddings),
        (lstm.cell.kernel, cell.kernel),
        (lstm.cell.recurrent_kernel, cell.recurrent_kernel),
        (lstm.cell.bias, cell.bias),
        (head.kernel, ours.head.kernel),
        (head.bias, ours.head.bias),
    ]
    for a, b in pairs:
        a.assign(b)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for model, inputs in ((ours, window(before, True)), (theirs, before)):
        model.compile(keras.optimizers.SGD(0.5), loss)
        model.train_on_batch(inputs, x)
    for a, b in pairs:
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5)


def test_carried_states_are_no_weights():
    """The number of parameters is the net's, whatever the batch size; no stream is saved."""
    small, large = make("lstm", streams=1), make("lstm", streams=50)
    for model in (small, large):
        model(window(ids(model.arguments["streams"], 3), True))
    assert small.count_params() == large.count_params()
    assert len(small.weights) == len(small.trainable_weights) == 1 + 2 * 3 + 2


def test_an_untrained_model_knows_nothing():
    """Karpathy's and the lectures' first number: 25 characters cost 25 ln V."""
    model = CharacterModel(
        symbols=65,
        cell="gru",
        units=64,
        layers=1,
        embedding=16,
        dropout=0.0,
        bptt_steps=None,
        streams=1,
    )
    model.build((None, None))
    nats = scores.nats(model, draw.integers(1, 65, 2000).astype(np.int32))
    assert 25 * nats.mean() == pytest.approx(25 * math.log(65), rel=0.01)


def test_a_score_is_the_sum_of_log_chances(monkeypatch):
    """Against softmax in NumPy, one step after the other; and however the text is cut."""
    model, x = make("gru"), ids(23)
    states, before, wanted = model.initial_states(1), 0, []
    for character in x:
        logits, states = model.advance(tf.constant([before]), states)
        odds = np.exp(logits[0].numpy().astype(np.float64))
        wanted.append(-np.log(odds[character] / odds.sum()))
        before = character
    for at_a_time in (1024, 5):
        monkeypatch.setattr(scores, "AT_A_TIME", at_a_time)
        np.testing.assert_allclose(scores.nats(model, x), wanted, atol=1e-5)


def test_the_metric_counts_characters_not_rows():
    """Padding of the last window has no say."""
    logits, x = tf.constant(draw.normal(size=(3, 4, SYMBOLS)), tf.float32), ids(3, 4)
    weight = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], np.float32)
    metric = scores.CharacterNats()
    metric.update_state(x, logits, sample_weight=weight)
    cost = scores.cost(x, logits).numpy()
    assert float(metric.result()) == pytest.approx((cost * weight).sum() / 5, rel=1e-5)


@pytest.mark.parametrize("streams", [3, 8])
def test_windows_and_the_model_fit_each_other(streams):
    """Reading batches with carried state gives each stretch the scores it has by itself."""
    model, x = make("gru", streams=streams), ids(50)
    batch = list(texts.windows(x, streams=streams, steps=4))
    found = []
    for start in range(0, len(batch), streams):
        rows = batch[start : start + streams]
        stacked = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
        found.append(scores.cost(stacked["next"], model(stacked)).numpy())
    lengths = [len(stretch) for stretch in np.array_split(x, streams)]
    for row, stretch in enumerate(np.array_split(x, streams)):
        nats = np.concatenate(found, 1)[row, : lengths[row]]
        before = np.pad(stretch, (1, 0))[None, :-1]
        np.testing.assert_allclose(nats, scores.cost(stretch, follow(model, before)[0]), atol=1e-5)
