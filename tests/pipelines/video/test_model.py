"""The model: what it may know of order, row by row, frame by frame."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.errors import UserError
from pipelines.video import encoders
from pipelines.video.clips import Clip
from pipelines.video.features import Features
from pipelines.video.model import VideoModel, believed

PICTURE, VECTOR = (12, 16, 3), (5,)


def preprocess_input(x):
    """Of the network below, as each module of keras.applications has one."""
    return x / 100 - 1


def Tiny(include_top, weights, input_shape, pooling):  # noqa: N802
    """A network like those of keras.applications, in the shape of its arguments alone."""
    assert (include_top, weights, pooling) == (False, None, "avg")
    if min(input_shape[:2]) < 10:
        raise ValueError("Input size must be at least 10x10.")
    layers = [keras.layers.Conv2D(6, 3), keras.layers.BatchNormalization()]
    return keras.Sequential(
        [keras.Input(input_shape), *layers, keras.layers.GlobalAveragePooling2D()]
    )


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(keras.applications, "Tiny", Tiny, raising=False)


def make(frame=PICTURE, **changed) -> VideoModel:
    arguments = {
        **{
            "frame": frame,
            "labels": 3,
            "encoder": "cnn",
            "filters": 2,
            "features": 6,
            "places": True,
        },
        **{"fine_tune": False, "cell": "gru", "units": 4, "layers": 1, "bidirectional": False},
        **{"dropout": 0.0, "bptt_steps": None, "differences": "none", "per_frame": False},
        **changed,
    }
    model = VideoModel(**arguments)
    model.build()
    return model


def draw(model: VideoModel, batch: int, steps: int) -> np.ndarray:
    random = np.random.default_rng(steps)
    if model.pictures:
        return random.integers(0, 256, (batch, steps, *model.frame)).astype(np.uint8)
    return random.normal(size=(batch, steps, *model.frame)).astype(np.float32)


def ask(model: VideoModel, frames: np.ndarray, steps=None) -> np.ndarray:
    steps = [frames.shape[1]] * len(frames) if steps is None else steps
    return model({"frames": tf.constant(frames), "steps": tf.constant(steps)}).numpy()


def test_without_recurrent_layers_order_is_nothing():
    """`--layers 0` is the floor that shares the encoder; with a layer, order changes the answer."""
    for layers, same in ((0, True), (1, False)):
        model = make(layers=layers)
        frames = draw(model, 2, 6)
        turned = ask(model, frames[:, ::-1])
        assert np.allclose(ask(model, frames), turned, atol=1e-6) == same


@pytest.mark.parametrize("changed", [{}, {"differences": "beside"}, {"bidirectional": True}])
@pytest.mark.parametrize("frame", [PICTURE, VECTOR])
def test_a_row_does_not_depend_on_its_batch(frame, changed):
    """Neither its neighbours nor the frames that fill the batch change an answer."""
    model = make(frame, **changed)
    frames = draw(model, 2, 7)
    alone = ask(model, frames[:1, :4])
    filled = frames.copy()
    filled[0, 4:] = 9
    np.testing.assert_allclose(ask(model, filled, [4, 7])[:1], alone, atol=1e-5)


@pytest.mark.parametrize(
    ("frame", "encoder", "differences", "per_frame"),
    [
        (PICTURE, "cnn", "none", False),
        (PICTURE, "cnn", "beside", True),
        (PICTURE, "cnn", "only", False),
        (PICTURE, "Tiny", "beside", False),
        (VECTOR, "cnn", "none", True),
        (VECTOR, "cnn", "only", False),
    ],
)
def test_frame_by_frame_is_the_whole_clip(frame, encoder, differences, per_frame, tiny):
    """A camera that is answered after every frame hears what a file would give."""
    model = make(
        frame, encoder=encoder, differences=differences, per_frame=per_frame, layers=2,
        cell="lstm", mean=[1.0] * 5, spread=[2.0] * 5,
    )  # fmt: skip
    frames = draw(model, 2, 5)
    whole = model.follow(tf.constant(frames), tf.constant([5, 5]))
    whole = whole if per_frame else believed(whole, tf.constant([5, 5]))
    states = model.initial_states(2)
    for t in range(5):
        logits, states = model.advance(tf.constant(frames[:, t]), states)
        np.testing.assert_allclose(logits, whole[:, t], atol=1e-5)


def test_belief_is_the_mean_so_far():
    """The last point of the curve is the answer."""
    logits = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    found = believed(tf.constant(logits), tf.constant([5, 3])).numpy()
    for t in range(5):
        np.testing.assert_allclose(found[0, t], logits[0, : t + 1].mean(0), rtol=1e-5)
    np.testing.assert_allclose(found[1, 4], logits[1, :3].mean(0), rtol=1e-5)
    model = make()
    frames = tf.constant(draw(model, 2, 5))
    last = believed(model.follow(frames, tf.constant([5, 3])), tf.constant([5, 3]))[:, -1]
    np.testing.assert_allclose(ask(model, frames, [5, 3]), last, atol=1e-6)


def test_a_saved_model_is_the_same(tmp_path, tiny):
    for changed in ({"differences": "beside", "bidirectional": True}, {"encoder": "Tiny"}):
        model = make(**changed)
        frames = draw(model, 2, 3)
        model.save(tmp_path / "m.keras")
        again = keras.saving.load_model(tmp_path / "m.keras", compile=False)
        np.testing.assert_allclose(ask(again, frames), ask(model, frames), atol=1e-6)


def test_a_frozen_network_is_asked_once(tiny, tmp_path, monkeypatch):
    """Features of the cache give what the pictures give, and the network is not trained."""
    monkeypatch.setenv("RNNKIT_CACHE", str(tmp_path))
    model = make(encoder="Tiny", differences="beside")
    frames = draw(model, 1, 40)
    np.save(tmp_path / "clip.npy", frames[0])
    clip = Clip("x", str(tmp_path / "clip.npy"), 0, 40, "x")
    features = Features(model, ("Tiny", "weights"))
    store = features.store(clip)
    vectors = np.load(store)
    assert vectors.shape == (40, 6)
    np.testing.assert_allclose(ask(model, vectors[None]), ask(model, frames), atol=1e-5)
    monkeypatch.setattr(features, "_read", None)
    assert features.store(clip) == store
    trained = {weight.path for weight in model.trainable_variables}
    assert not any("conv" in path for path in trained)
    tuned = make(encoder="Tiny", fine_tune=True).trainable_variables
    assert len(tuned) == len(trained) + 4


def test_weights_of_a_network_from_a_file(tiny, tmp_path):
    """Files as Keras writes them; one of another network is refused in a line."""
    net = encoders.network("Tiny", PICTURE)
    net.save(tmp_path / "w.keras")
    net.save_weights(tmp_path / "w.weights.h5")
    for name in ("w.keras", "w.weights.h5"):
        other = encoders.network("Tiny", PICTURE)
        encoders.load_weights(other, "Tiny", str(tmp_path / name))
        for ours, theirs in zip(other.weights, net.weights, strict=True):
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]).save(tmp_path / "x.keras")
    (tmp_path / "y.h5").write_text("no weights")
    for name, words in (
        ("x.keras", "expected the weights of Tiny"),
        ("y.h5", "Received"),
        ("z", "no such"),
    ):
        with pytest.raises(UserError, match=words) as error:
            encoders.load_weights(other, "Tiny", str(tmp_path / name))
        assert "\n" not in str(error.value)


def test_networks_that_do_not_fit(tiny):
    with pytest.raises(UserError, match=r"unknown encoder 'MobileNetv2'. Did you mean MobileNet"):
        encoders.check("MobileNetv2")
    with pytest.raises(UserError, match=r"Tiny cannot read pictures of 16 x 8 .* at least 10x10"):
        encoders.network("Tiny", (8, 16, 3))


@pytest.mark.prove
@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNetB0", "ResNet50"])
def test_networks_of_keras_applications(name, tmp_path):
    """The real ones: weights from a file, preprocessing, features equal to Keras's own."""
    size = (64, 64, 3)
    net = getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=size, pooling="avg"
    )
    net.save_weights(tmp_path / "w.weights.h5")
    model = make(size, encoder=name)
    encoders.load_weights(model.encoder, name, str(tmp_path / "w.weights.h5"))
    frames = draw(model, 1, 3)
    module = encoders.preprocessing(name)
    expected = net(module(frames[0].astype(np.float32)), training=False)
    np.testing.assert_allclose(model.read_pictures(frames)[0], expected, rtol=1e-3, atol=1e-4)
