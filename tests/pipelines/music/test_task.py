"""The music task end to end on pieces made here: what goes in, what comes out, how it is scored."""

import numpy as np
import pytest
import tensorflow as tf

from pipelines.errors import UserError
from pipelines.music import generating, scores
from pipelines.music.midi import write_midi
from pipelines.music.pieces import KEYS, Piece
from pipelines.music.settings import MusicSettings
from pipelines.music.task import MusicTask
from pipelines.task import GenerateRequest

rng = np.random.default_rng(3)


def piece(steps=12, name="piece"):
    """Chords of four keys, struck every second step."""
    roll = np.zeros((steps, KEYS), np.uint8)
    for t in range(0, steps, 2):
        keys = 39 + rng.choice(24, 4, replace=False)
        roll[t, keys], roll[t + 1, keys] = 2, 1
    return Piece(name, roll, steps_per_beat=2)


@pytest.fixture(scope="module")
def task():
    task = MusicTask(MusicSettings(units=6, head_units=5))
    task.learn([piece(12), piece(20), piece(16)])
    return task


@pytest.fixture(scope="module")
def model(task):
    return task.model()


def test_the_model_learns_of_the_training_part_what_it_needs(task):
    assert task.learnt == {
        "strikes": True,
        "notes": 4,
        "steps": 16,
        "steps_per_beat": 2,
        "tempo": 100.0,
    }


def test_transposition_moves_the_whole_piece_and_loses_no_note(task):
    element = {"roll": tf.constant(piece().roll)}
    shifts = set()
    for seed in range(40):
        moved = task.augment(element, tf.constant([seed, 1]))["roll"].numpy()
        (shift,) = {int(k) for k in range(-6, 7) if (np.roll(element["roll"], k, 1) == moved).all()}
        shifts.add(shift)
    assert min(shifts) == -6
    assert max(shifts) == 6


def test_transposition_stops_at_the_edge_of_the_keyboard(task):
    roll = np.zeros((3, KEYS), np.uint8)
    roll[:, [0, KEYS - 2]] = 1
    moved = {
        tuple(np.flatnonzero(task.augment({"roll": tf.constant(roll)}, (s, 0))["roll"][0]))
        for s in range(30)
    }
    assert moved == {(0, KEYS - 2), (1, KEYS - 1)}


def test_silence_can_be_transposed(task):
    silent = {"roll": tf.zeros((3, KEYS), tf.uint8)}
    assert not task.augment(silent, tf.constant([0, 0]))["roll"].numpy().any()


def test_floors_are_the_frequencies_of_the_training_part():
    train = [piece(40) for _ in range(5)]
    fitted = scores.fit_floors(train)
    frames = np.concatenate([p.roll > 0 for p in train])
    np.testing.assert_allclose(fitted["marginal"], (frames.sum(0) + 0.5) / (len(frames) + 1))
    reached = scores.floors(fitted, train)
    cost, count = 0.0, 0
    for p in train:
        on = p.roll > 0
        for t in range(1, len(on)):
            chance = fitted["markov"][on[t - 1].astype(int), np.arange(KEYS)]
            cost -= np.log(np.where(on[t], chance, 1 - chance)).sum()
            count += 1
    assert reached["markov"]["nll"] == pytest.approx(cost / count)
    assert reached["markov"]["nll"] < reached["marginal"]["nll"]


def test_scores_equal_what_the_loss_and_the_floors_count(task, model):
    """`nll` over batches is the mean over all steps of all pieces, not of batches or pieces."""
    pieces = [piece(6), piece(14)]
    batch = np.zeros((3, 14, KEYS), np.uint8)
    for row, p in zip(batch, pieces, strict=False):
        row[: len(p.roll)] = p.roll
    example = task.example({"roll": tf.constant(batch)}, tf.constant([6, 14, 0]))
    reached = scores.frame_scores(model, tf.data.Dataset.from_tensors(example))
    predicted = task.predict(model, pieces)
    surprise = np.concatenate([p["surprise"] for p in predicted])
    assert reached["nll"] == pytest.approx(surprise.mean(), abs=1e-3)
    assert 0 <= reached["frame_accuracy"] <= 1
    assert reached["onset_nll"] > 0


def test_pieces_of_one_step_cannot_be_scored(task, model):
    """The user would read nan as a score."""
    example = task.example({"roll": tf.ones((2, 1, KEYS), tf.uint8)}, tf.constant([1, 1]))
    with pytest.raises(UserError, match="two steps or more"):
        scores.frame_scores(model, tf.data.Dataset.from_tensors(example))


def test_predict_names_the_surprise_of_every_step_and_the_next_chord(task, model):
    (answer,) = task.predict(model, [piece(10)])
    assert answer["steps"] == 10
    assert len(answer["surprise"]) == 9
    assert all(21 <= note <= 108 for note in answer["next"])


def test_generate_is_fixed_by_its_seed(task, model):
    first = task.generate(model, GenerateRequest(length=8, seed=4, count=2))
    again = task.generate(model, GenerateRequest(length=8, seed=5))
    np.testing.assert_array_equal(first[1].roll, again[0].roll)
    assert first[0].roll.shape == (8, KEYS)


def written(path, notes):
    write_midi(path, np.array(notes, float), 90.0)
    return str(path)


def test_a_piece_of_no_steps_is_served(task, model):
    """Beside longer ones and alone: what a client asks for must not hang on its neighbours."""
    endpoint = task.served(model).endpoints["serving_default"]
    graph = tf.function(endpoint.function, autograph=False)
    serve = graph.get_concrete_function(**endpoint.inputs)  # of any batch, as it is exported
    given = {
        "primer": tf.zeros((2, 4, 88), tf.uint8),
        "primer_length": tf.constant([4, 0]),
        "temperature": tf.ones(2),
        "seed": tf.constant([1, 2]),
    }
    for lengths in ([0, 6], [0, 0]):
        roll = serve(length=tf.constant(lengths), **given)["roll"].numpy()
        assert roll.shape == (2, max(lengths), 88)
        assert not roll[0].any()


def test_generate_keeps_the_primer(task, model, tmp_path):
    primer = written(tmp_path / "primer.mid", [(0, 1, 60), (0, 1, 64), (1, 2, 62)])
    (music,) = task.generate(model, GenerateRequest(length=9, primer=primer))
    assert np.flatnonzero(music.roll[0]).tolist() == [39, 43]
    assert np.flatnonzero(music.roll[2]).tolist() == [41]
    assert music.tempo == pytest.approx(90.0)


def test_generate_writes_the_other_voices_under_a_given_melody(task, model, tmp_path):
    melody = written(tmp_path / "melody.mid", [(0, 1, 72), (1, 2, 71), (3, 4, 67)])
    (music,) = task.generate(model, GenerateRequest(melody=melody))
    assert len(music.roll) == 8
    top = [int(frame.nonzero()[0].max(initial=-1)) + 21 for frame in music.roll]
    assert [top[t] for t in (0, 1, 2, 3, 6, 7)] == [72, 72, 71, 71, 67, 67]
    assert max(top[4], top[5]) <= 71, "another voice took the place of the resting melody"
    assert music.roll[0, 72 - 21] == 2
    assert music.roll[1, 72 - 21] == 1


def test_a_primer_without_strikes_is_struck_where_it_begins():
    """A piano-roll file as the primer of a model that knows strikes, and the other way round."""
    roll = np.zeros((3, KEYS), np.uint8)
    roll[:, 40] = [1, 1, 0]
    held = Piece("roll", roll, steps_per_beat=2, has_strikes=False)
    assert generating.as_the_model_reads(held, strikes=True)[:, 40].tolist() == [2, 1, 0]
    assert generating.as_the_model_reads(piece(4), strikes=False).max() == 1


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"temperature": 0.0}, "--temperature must be above 0"),
        ({"length": 0}, "--length must be at least 1"),
        ({"count": 0}, "--count must be at least 1"),
        ({"primer": "nowhere.mid"}, "nowhere.mid: no such file"),
        ({"tempo": -3.0}, "--tempo must be from 10 to 1000"),
        ({"tempo": 1e-6}, "--tempo must be from 10 to 1000"),
        ({"tempo": float("nan")}, "--tempo must be from 10 to 1000"),
        ({"seed": -1}, "--seed must be from 0"),
    ],
)
def test_generate_refuses_what_cannot_be(task, model, request_, message):
    with pytest.raises(UserError, match=message):
        task.generate(model, GenerateRequest(**request_))


def test_generate_refuses_a_primer_longer_than_the_length(task, model, tmp_path):
    primer = written(tmp_path / "primer.mid", [(0, 8, 60)])
    with pytest.raises(UserError, match="16 steps, more than the length 4"):
        task.generate(model, GenerateRequest(length=4, primer=primer))


def test_generate_refuses_a_primer_outside_the_keyboard(task, model, tmp_path):
    primer = written(tmp_path / "low.mid", [(0, 1, 12)])
    with pytest.raises(UserError, match=r"low\.mid: no notes on the 88 keys") as caught:
        task.generate(model, GenerateRequest(primer=primer))
    assert str(caught.value).startswith(f"{primer}: ")


@pytest.mark.parametrize("role", ["primer", "melody"])
def test_generate_refuses_to_lose_notes_it_was_given(task, model, tmp_path, role):
    """A primer of which one note is outside the keyboard would be continued as another one."""
    path = written(tmp_path / "partly.mid", [(0, 1, 60), (1, 2, 120)])
    with pytest.raises(UserError, match=r"MIDI pitch 21 to 108\. Received: 1 outside") as caught:
        task.generate(model, GenerateRequest(**{role: path}))
    assert str(caught.value).startswith(f"{path}: ")
