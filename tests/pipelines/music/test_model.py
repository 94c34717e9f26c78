"""The music model: one step at a time equals all at once, and nothing depends on padding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.music.composing import FREE, compose, given_primer, next_frame
from pipelines.music.model import MusicModel
from pipelines.music.pieces import KEYS
from pipelines.music.scores import FrameLoss, FrameNats, nats, targets

rng = np.random.default_rng(2)


def music_model(cell="lstm", head="nade", strikes=True, layers=2):
    model = MusicModel(
        cell=cell,
        units=8,
        layers=layers,
        dropout=0.5,
        head=head,
        head_units=6,
        notes=4,
        strikes=strikes,
    )
    model.build((None, None, KEYS))
    for weight in model.weights:
        if "seed" not in weight.path:
            weight.assign(rng.normal(size=weight.shape) * 0.4)
    return model


def random_rolls(batch, steps, strikes=True):
    roll = (rng.random((batch, steps, KEYS)) < 0.06).astype("uint8")
    return roll * rng.integers(1, 3 if strikes else 2, roll.shape).astype("uint8")


@pytest.mark.parametrize("cell", ["lstm", "gru", "vanilla", "keras_lstm"])
def test_step_by_step_is_all_at_once(cell):
    model, roll = music_model(cell), random_rolls(3, 7)
    whole = keras.ops.convert_to_numpy(model.context(roll))
    states, frame = model.initial_states(3), np.zeros((3, KEYS), np.uint8)
    for t in range(7):
        context, states = model.advance(frame, states)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(context), whole[:, t], atol=1e-5)
        frame = roll[:, t]


@pytest.mark.parametrize("head", ["nade", "bernoulli"])
def test_a_step_is_predicted_from_those_before_it_only(head):
    """A model that sees the step it predicts scores brilliantly and can make nothing."""
    model, roll = music_model(head=head), random_rolls(1, 8)
    logits = keras.ops.convert_to_numpy(model(roll))
    changed = roll.copy()
    changed[:, 5:] = random_rolls(1, 3)
    after = keras.ops.convert_to_numpy(model(changed))
    np.testing.assert_allclose(after[:, :5], logits[:, :5], atol=1e-6)
    assert not np.allclose(after[:, 6:], logits[:, 6:])


def test_padding_changes_neither_loss_nor_metrics_nor_outputs():
    model, roll = music_model(), random_rolls(2, 9)
    losses, scores = [], []
    for padding in (0, 9):
        padded = np.pad(roll, ((0, 1), (0, padding), (0, 0)))  # one row only fills the batch
        weight = np.zeros(padded.shape[:2], np.float32)
        weight[:2, :9] = 1
        logits, wanted = model(padded), targets(tf.constant(padded), strikes=True)
        losses.append(float(FrameLoss()(wanted, logits, sample_weight=weight)))
        metric = FrameNats(1, name="onset_nll")
        metric.update_state(wanted, logits, sample_weight=weight)
        scores.append(float(metric.result()))
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-6)


def test_nll_is_the_mean_over_all_steps_but_each_first_one():
    """Of every piece alike, in batches of whatever padded length."""
    model, metric, costs = music_model(strikes=False), FrameNats(0, name="nll"), []
    for steps, lengths in [(6, [6, 3]), (20, [9, 11])]:
        roll = random_rolls(2, steps, strikes=False)
        weight = np.array([[t < n for t in range(steps)] for n in lengths], np.float32)
        logits = keras.ops.convert_to_numpy(model(roll)).astype("float64")[:, :, 0]
        chance = 1 / (1 + np.exp(-logits))
        cost = -np.where(roll > 0, np.log(chance), np.log(1 - chance)).sum(-1)
        costs += [cost[k, 1:n] for k, n in enumerate(lengths)]
        metric.update_state(targets(tf.constant(roll), False), model(roll), sample_weight=weight)
    np.testing.assert_allclose(float(metric.result()), np.concatenate(costs).mean(), rtol=1e-5)


def test_a_strike_is_scored_only_where_the_key_goes_on_sounding():
    roll = np.zeros((1, 4, KEYS), np.uint8)
    roll[0, :, 40] = [2, 1, 2, 0]
    wanted = keras.ops.convert_to_numpy(targets(tf.constant(roll), strikes=True))
    assert wanted[0, :, 0, 40].tolist() == [1, 1, 1, 0]
    assert wanted[0, :, 1, 40].tolist() == [-1, 0, 1, -1]
    assert (wanted[0, :, 1, :40] == -1).all()
    logits = np.full(wanted.shape, 3.0, np.float32)
    cost = keras.ops.convert_to_numpy(nats(wanted, logits))
    np.testing.assert_allclose(cost[0, 1, 1], np.log1p(np.exp(3.0)), rtol=1e-5)


def test_model_survives_saving(tmp_path):
    model, roll = music_model(), random_rolls(2, 5)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(roll), model(roll), atol=1e-6)


# --- composing -----------------------------------------------------------------------------------


def composed(model, given, length, seed, temperature=1.0):
    rows = len(given)
    return tf.function(compose, autograph=False)(
        model,
        tf.constant(given),
        tf.constant(length, tf.int32),
        tf.constant(seed, tf.int32),
        tf.fill((rows,), temperature),
    ).numpy()


def test_a_row_gets_the_same_music_alone_and_among_others():
    model = music_model()
    given = np.full((4, 10, KEYS), FREE, np.uint8)
    given[2, :3] = random_rolls(1, 3)[0]
    together = composed(model, given, [10, 4, 8, 10], [5, 6, 7, 5])
    alone = composed(model, given[2:3], [8], [7])
    np.testing.assert_array_equal(together[2], alone[0])
    np.testing.assert_array_equal(together[0], together[3])
    assert not together[1, 4:].any()
    assert (together[0] != together[1])[:4].any(), "two seeds gave the same music"


def test_primer_and_melody_are_kept():
    model, roll = music_model(), random_rolls(2, 4)
    given = given_primer(tf.constant(roll), tf.constant([4, 2]), tf.constant(8)).numpy()
    music = composed(model, given, [8, 8], [1, 1])
    np.testing.assert_array_equal(music[0, :4], roll[0])
    np.testing.assert_array_equal(music[1, :2], roll[1, :2])
    assert (given[1, 2:] == FREE).all()


def test_whole_pieces_and_the_stream_of_steps_are_the_same_music():
    model, steps = music_model(), 6
    given = np.full((1, steps, KEYS), FREE, np.uint8)
    whole = composed(model, given, [steps], [3])
    states, frame = model.initial_states(1), tf.zeros((1, KEYS), tf.uint8)
    for t in range(steps):
        free = tf.fill((1, KEYS), tf.constant(FREE, tf.uint8))
        frame, states = next_frame(
            model, frame, states, free, tf.constant([3]), tf.constant([t]), tf.constant([1.0])
        )
        np.testing.assert_array_equal(frame.numpy(), whole[:, t])


def test_the_same_music_in_a_graph_and_under_xla():
    model = music_model("gru", layers=1)
    given = np.full((2, 5, KEYS), FREE, np.uint8)
    whole = composed(model, given, [5, 5], [1, 2])

    for jit_compile in (False, True):

        @tf.function(jit_compile=jit_compile, autograph=False)
        def one_step(frame, states, step):
            free = tf.fill((2, KEYS), tf.constant(FREE, tf.uint8))
            return next_frame(
                model, frame, states, free, tf.constant([1, 2]), step, tf.constant([1.0, 1.0])
            )

        states, frame = model.initial_states(2), tf.zeros((2, KEYS), tf.uint8)
        for t in range(5):
            frame, states = one_step(frame, states, tf.fill((2,), t))
            np.testing.assert_array_equal(frame.numpy(), whole[:, t])


def test_near_zero_temperature_takes_the_likelier_value():
    model = music_model()
    given = np.full((2, 4, KEYS), FREE, np.uint8)
    cold = composed(model, given, [4, 4], [1, 2], temperature=0.0)
    np.testing.assert_array_equal(cold[0], cold[1])
