"""The task as a user meets it: checked, trained, scored beside the floor, asked, exported."""

from __future__ import annotations

import csv
import itertools
import json

import numpy as np
import pytest
import tensorflow as tf

import pipelines
from pipelines.batches import Batches
from pipelines.cli import main
from pipelines.errors import UserError
from pipelines.video import showing
from pipelines.video.rendering import STEPS
from pipelines.video.settings import VideoSettings
from pipelines.video.task import VideoTask
from tests.pipelines.video.conftest import SMALL


def test_the_floor_is_at_chance(discs):
    """What does not look at the order is right about one clip in four, whatever it learnt."""
    found = discs.metrics["test"]
    assert list(found["metrics"])[:3] == ["top1", "mean_class_accuracy", "nll"]
    assert found["floors"]["frames_without_order"]["top1"] == 0.25
    for name in ("confusion.png", "groups.png", "groups.csv", "contact_sheet.png"):
        assert (discs.path / "plots" / name).stat().st_size > 10, name
    card = (discs.path / "README.md").read_text()
    assert "frames_without_order" in card
    assert "nothing but order tells the class" in card


def test_predictions_of_clips(discs, tmp_path, write_clip, capsys):
    """From files to labels with their probability over time, on the command line."""
    frames = np.random.default_rng(0).integers(0, 256, (22, 24, 32, 1)).astype(np.uint8)
    path = write_clip(tmp_path / "a.mkv", frames, rate=11)
    sheet = tmp_path / "s.png"
    words = ["predict", str(discs.path), str(path)]
    assert main([*words, "--sheet", str(sheet), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["clip"] == str(path)
    assert answer["prediction"] in STEPS
    assert len(answer["time"]) == 16
    assert answer["time"][0] == 0.0
    curve = answer["over_time"][answer["prediction"]]
    assert curve[-1] == answer["confidence"] == answer[f"probability_{answer['prediction']}"]
    assert sheet.stat().st_size > 5000
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert answer["prediction"] in shown
    assert any(bar in shown for bar in showing.HEIGHTS[1:])


def test_predictions_keep_the_columns_of_a_manifest(discs, tmp_path, write_clip, numbered, capsys):
    """Answers go beside what the user knows already; what cannot be read is said."""
    write_clip(tmp_path / "a.mkv", numbered(5))
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,camera,prediction\na.mkv,north,mine\ngone.mkv,south,mine\n")
    out = tmp_path / "o.csv"
    assert main(["predict", str(discs.path), "--input", str(manifest), "--output", str(out)]) == 0
    (row,) = csv.DictReader(out.open())
    assert (row["camera"], row["prediction"]) == ("north", "mine")
    assert row["prediction_"] in STEPS
    assert "m.csv:3" in capsys.readouterr().err


def test_predictions_of_a_folder(discs, tmp_path, write_clip, numbered, capsys):
    """New clips stand in no folders of classes, or in folders that mean something else."""
    write_clip(tmp_path / "d" / "a.mkv", numbered(5))
    (tmp_path / "d" / "notes.txt").write_text("x")
    words = ["predict", str(discs.path), "--input", str(tmp_path / "d"), "--json"]
    assert main(words) == 0
    answer = capsys.readouterr()
    assert [json.loads(line)["clip"][-5:] for line in answer.out.splitlines()] == ["a.mkv"]
    assert "notes.txt: expected .mp4" in answer.err
    write_clip(tmp_path / "d" / "monday" / "b.mkv", numbered(6))
    write_clip(tmp_path / "d" / "Monday" / "c.mkv", numbered(7))
    assert main([*words, "--sheet", str(tmp_path / "s.png")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    with pytest.raises(UserError, match=r"expected one of the labels|one name a class"):
        discs.evaluate(tmp_path / "d")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["gone.mp4"], "no such file"),
        (["words"], "expected the name of a clip"),
        (["--input", "gone"], "no such file or folder"),
        (["x.mp4", "--sheet", "x.jpg"], "--sheet must end in .png"),
    ],
)
def test_wrong_questions(discs, words, expected, capsys):
    assert main(["predict", str(discs.path), *words]) == 2
    error = capsys.readouterr().err.strip()
    assert expected in error
    assert "\n" not in error


def test_check_opens_every_clip(tmp_path, write_clip, numbered, capsys):
    """Broken clips are named before anything is spent, and what was decoded is not lost."""
    for k in range(6):
        write_clip(tmp_path / "d" / "ab"[k % 2] / f"{k}.mkv", numbered(3 + k))
    (tmp_path / "d" / "a" / "broken.mp4").write_text("x")
    assert main(["check", "video", "--data", str(tmp_path / "d"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert sum(part["records"] for part in answer["parts"].values()) == 6
    assert [each["place"].endswith("broken.mp4") for each in answer["dropped"]] == [True]
    assert "in the cache" in answer["parts"]["train"]


def test_the_export_answers_like_the_run(discs, tmp_path):
    """uint8 frames in, the same probabilities out; frame by frame too, for a camera."""
    clips = discs.data().parts["test"][:3]
    expected = discs.predict(clips)
    version = discs.export(root=tmp_path)
    assert json.loads((version / "signature.json").read_text())["rate"] == 10
    assert "10 steps of an input are a second." in (version / "README.md").read_text()
    model = tf.saved_model.load(str(version))
    frames = np.stack([clip.frames() for clip in clips])
    assert frames.dtype == np.uint8
    padded = np.concatenate([frames, np.full_like(frames, 200)], axis=1)
    length = tf.constant([16, 16, 16])
    for given in (frames, padded):
        found = model.signatures["serving_default"](clip=tf.constant(given), length=length)
        for row, answer in enumerate(expected):
            assert found["label"].numpy()[row].decode() == answer["prediction"]
            labels = [label.decode() for label in found["labels"].numpy()[row]]
            curves = np.array([answer["over_time"][label] for label in labels]).T
            np.testing.assert_allclose(found["over_time"][row], curves, atol=1e-5)
    states = model.signatures["stream_init"](rows=tf.zeros(3, tf.int32))
    for t in range(16):
        found = model.signatures["stream"](x=tf.constant(frames[:, t]), **states)
        states = {name: found[name] for name in states}
    np.testing.assert_allclose(
        found["probability"], [answer["confidence"] for answer in expected], atol=1e-5
    )


def test_batches_hold_the_frames_that_were_chosen(discs):
    """Other frames of the clip in every epoch, in order; the same ones in every evaluation; a batch
    is all that is in memory."""
    task = VideoTask(VideoSettings(**{**SMALL, "frames": 4, "batch_size": 3}))
    clips = discs.data().parts["train"][:5]
    task.learn(clips)
    batches = Batches(task, clips)
    assert batches.lengths.tolist() == [4] * 5
    evaluated = [x for x, _, _ in batches.once([4])]
    np.testing.assert_array_equal(evaluated[0]["frames"][1], clips[1].frames()[[2, 6, 10, 14]])
    assert (evaluated[1]["frames"][2].numpy() == 0).all()
    whole = {clip.digest(): [f.tobytes() for f in clip.frames()] for clip in clips}
    seen = []
    for x, _, weight in batches.epochs([4], 0, 3):
        for frames in x["frames"].numpy()[weight.numpy() > 0]:
            places = [
                [all_frames.index(f.tobytes()) for f in frames]
                for all_frames in whole.values()
                if frames[0].tobytes() in all_frames
            ]
            seen.append(tuple(places[0]))
    assert len(seen) == 15
    assert len(set(seen)) > 8


def test_a_mirror_turns_pictures_round(discs):
    task = VideoTask(VideoSettings(**SMALL, mirror=True))
    (clip,) = discs.data().parts["train"][:1]
    task.learn(discs.data().parts["train"])
    seen = [x["frames"].numpy()[0] for x, _, _ in Batches(task, [clip]).epochs([16], 0, 8)]
    turned = [np.array_equal(frames, clip.frames()[:, :, ::-1]) for frames in seen]
    straight = [np.array_equal(frames, clip.frames()) for frames in seen]
    assert any(turned)
    assert any(straight)
    assert all(a or b for a, b in zip(turned, straight, strict=True))


def test_labels_of_frames_from_table_to_export(tmp_path, capsys):
    """Many-to-many: every frame of every recording is scored, and answers are stretches."""
    import keras

    rows = [
        f"c{clip},{np.sin(k):.3f},{float(k % 6 > 2)},{'on' if k % 6 > 2 else 'off'}"
        for clip in range(12)
        for k in range(10 + clip)
    ]
    source = tmp_path / "v.csv"
    source.write_text("\n".join(["clip,a,b,label", *rows]))
    settings = {"per_frame": True, "units": 4, "epochs": 2, "learning_rate": 0.05, "frames": 8}
    run = pipelines.train(
        "video", source, run=tmp_path / "r", progress=keras.callbacks.Callback(), **settings
    )
    assert run.metrics["test"]["floors"]["frames_without_order"]["top1"] == 1.0
    assert (run.path / "plots" / "contact_sheet.png").exists()
    bare = tmp_path / "bare.csv"
    bare.write_text("\n".join(["clip,a,b", *(row.rpartition(",")[0] for row in rows[:10])]))
    assert main(["predict", str(run.path), "--input", str(bare), "--json"]) == 0
    (answer,) = map(json.loads, capsys.readouterr().out.splitlines())
    stretches = answer["stretches"]
    assert stretches[0]["from"] == 0
    assert stretches[-1]["to"] == 10
    assert all(a["to"] == b["from"] for a, b in itertools.pairwise(stretches))
    wrong = tmp_path / "w.csv"
    wrong.write_text("clip,a\nx,1\n")
    with pytest.raises(UserError, match=r"expected frames of 2 numbers.*Received: 1"):
        list(run.answers(input=wrong))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"encoder": "MobileNetV2"}, "frozen random weights see nothing"),
        ({"fine_tune": True}, "need --encoder"),
        ({"encoder": "Mobile"}, "unknown encoder"),
        ({"encoder": "MobileNetV2", "encoder_weights": "x.h5", "mirror": True}, "--mirror"),
        ({"sampling": "all"}, "--sampling must be one of uniform, window"),
    ],
)
def test_settings_that_contradict_each_other(settings, words):
    with pytest.raises(UserError, match=words):
        VideoTask(VideoSettings(**settings))


def test_labels_and_frames_of_parts(tmp_path):
    """What no training clip can teach is told before training."""
    np.savez(tmp_path / "a.npz", values=np.zeros((12, 3, 2)), labels=["a", "b"] * 6)
    np.savez(tmp_path / "b.npz", values=np.zeros((2, 3, 2)), labels=["a", "c"])
    np.savez(tmp_path / "c.npz", values=np.ones((2, 3, 1)), labels=["a", "b"])
    np.savez(tmp_path / "d.npz", values=np.random.rand(12, 3, 2), labels=["a"] * 12)
    for data, test, words in (
        ("a", "b", "label c stands in the test part and nowhere"),
        ("a", "c", "expected frames of 2 numbers"),
        ("d", "a", "label b stands in the test part"),
    ):
        train, other = tmp_path / f"{data}.npz", tmp_path / f"{test}.npz"
        with pytest.raises(UserError, match=words):
            pipelines.train("video", train, valid=train, test=other, run=tmp_path / "r")


@pytest.mark.prove
def test_the_recurrent_model_solves_what_the_floor_cannot(tmp_path, record_property):
    """The default data: at least 98 % of the test clips, the floor at one in four."""
    run = pipelines.train("video", run=tmp_path / "r")
    found = run.metrics["test"]
    record_property("top1", round(found["metrics"]["top1"], 4))
    assert found["metrics"]["top1"] >= 0.98
    assert found["floors"]["frames_without_order"]["top1"] == 0.25
