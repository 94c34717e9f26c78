"""The CRF in other people's models: plain `compile` and `fit`, files, exports, any mask."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnkit

K = 3
PATTERNS = {  # one sentence of three words, however it is padded
    "plain": [0, 1, 2],
    "right": [0, 1, 2, None, None],
    "left": [None, None, 0, 1, 2],
    "holes": [0, None, 1, None, 2],
}


def padded(sentences, pattern):
    """Sentences of three words (or tags) with zeros where the pattern has None."""
    return np.array([[0 if i is None else s[i] for i in pattern] for s in sentences], "int32")


def net(constraints=None):
    """A tagger that sees one word at a time: what it knows of order, it has from the CRF."""
    keras.utils.set_random_seed(3)
    words = keras.Input((None,), dtype="int32")
    h = keras.layers.Embedding(12, 4, mask_zero=True)(words)
    emissions = keras.layers.Dense(K)(h)
    return words, rnnkit.CRF(K, constraints=constraints, initializer="orthogonal")(emissions)


def compiled(words, potentials, **options):
    model = keras.Model(words, potentials)
    model.compile(
        keras.optimizers.SGD(0.5), rnnkit.CRFLoss(), metrics=[rnnkit.CRFAccuracy()], **options
    )
    return model


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    words = random.integers(1, 12, size=(8, 3))
    return words, random.integers(K, size=(8, 3)), random.random(8).astype("float32")


@pytest.fixture(scope="module")
def unpadded(data):
    """Weights after two steps of `fit` on sentences without padding."""
    words, tags, weights = data
    model = compiled(*net())
    model.fit(words, tags, sample_weight=weights, batch_size=4, epochs=1, shuffle=False, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize("pattern", ["right", "left", "holes"])
def test_fit_learns_the_same_however_it_is_padded(data, unpadded, pattern):
    """TensorFlow Addons' CRF is silently wrong on left padding inside fit."""
    words, tags, weights = data
    model = compiled(*net())
    model.fit(
        padded(words, PATTERNS[pattern]),
        padded(tags, PATTERNS[pattern]),
        sample_weight=weights,
        batch_size=4,
        shuffle=False,
        verbose=0,
    )
    for found, expected in zip(model.get_weights(), unpadded, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_fit_minimises_what_enumeration_says(data):
    """The loss of `evaluate` is the mean of the weighted losses of the rows."""
    words, tags, weights = data
    model = compiled(*net())
    found = model.evaluate(words, tags, sample_weight=weights, verbose=0, return_dict=True)
    emissions = keras.Model(model.input, model.layers[-2].output)(words)
    crf = model.layers[-1]
    rows = -rnnkit.crf_log_likelihood(
        emissions, tags, crf.transitions, start=crf.start, end=crf.end
    )
    assert found["loss"] == pytest.approx(np.mean(rows * weights), rel=1e-5)
    best, _ = rnnkit.crf_decode(emissions, crf.transitions, start=crf.start, end=crf.end)
    right = np.asarray(best) == tags
    assert found["accuracy"] == pytest.approx(right.mean(), rel=1e-5)  # Keras: `metrics` unweighted
    metric = rnnkit.CRFAccuracy()
    metric.update_state(tags, model(words), weights)
    assert float(metric.result()) == pytest.approx(np.average(right.mean(1), weights=weights), 1e-5)


def test_what_only_the_order_tells_is_learnt():
    """A softmax a step cannot: the same word has the tags 0, 1, 2 in turn."""
    words, potentials = net()
    model = compiled(words, potentials)
    x, y = np.ones((4, 9), "int32"), np.tile([0, 1, 2], (4, 3))
    model.fit(x, y, epochs=40, verbose=0)
    tagger = keras.Model(words, rnnkit.CRFDecoder()(potentials))
    np.testing.assert_array_equal(tagger.predict(x, verbose=0), y)
    probabilities = keras.Model(words, rnnkit.CRFMarginals()(potentials)).predict(x, verbose=0)
    np.testing.assert_array_equal(probabilities.argmax(-1), y)


def test_constraints_hold_before_and_after_training(data):
    """A tagger that never opens a chunk with I-."""
    words, potentials = net(rnnkit.crf_constraints(["O", "B-X", "I-X"]))
    tagger = keras.Model(words, rnnkit.CRFDecoder()(potentials))
    model = compiled(words, potentials)
    x = np.random.default_rng(1).integers(1, 12, size=(40, 7))
    y = np.tile([0, 1, 2, 2, 0, 0, 1], (40, 1))
    for _ in range(2):
        found = np.pad(tagger.predict(x, verbose=0), ((0, 0), (1, 0)))
        assert not np.any((found[:, 1:] == 2) & (found[:, :-1] == 0))
        history = model.fit(x, y, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert np.isinf(model.evaluate(x, np.full_like(y, 2), verbose=0)[0])  # forbidden, and says so


def test_unknown_tags_do_not_count(data):
    words, tags, _ = data
    model = compiled(*net())
    loss, accuracy = model.evaluate(words, np.full_like(tags, -1), verbose=0)
    assert (loss, accuracy) == (pytest.approx(0.0, abs=1e-6), 0.0)
    part = np.where(np.arange(3) == 1, tags, -1)
    _, accuracy = model.evaluate(words, part, verbose=0)
    tagged = keras.Model(model.input, rnnkit.CRFDecoder()(model.output)).predict(words, verbose=0)
    assert accuracy == pytest.approx((tagged == tags)[:, 1].mean())


def test_one_model_with_tags_and_potentials(data):
    """The other form that the documentation shows."""
    words, potentials = net()
    model = keras.Model(words, {"crf": potentials, "tags": rnnkit.CRFDecoder()(potentials)})
    model.compile("adam", loss={"crf": rnnkit.CRFLoss()})
    model.fit(data[0], {"crf": data[1]}, verbose=0)
    model.compile("adam", {"crf": rnnkit.CRFLoss()}, metrics={"crf": [rnnkit.CRFAccuracy()]})
    history = model.fit(data[0], {"crf": data[1], "tags": data[1]}, verbose=0).history
    assert "crf_accuracy" in history
    assert model.predict(data[0], verbose=0)["tags"].shape == (8, 3)


def test_without_a_mask_behind_a_recurrent_layer():
    """Nothing is known of time in the graph of `fit`, and there is no mask that would tell."""
    x = keras.Input((None, 2))
    h = rnnkit.RNN(rnnkit.GRUCell(4), return_sequences=True)(x)
    model = compiled(x, rnnkit.CRF(K)(keras.layers.Dense(K)(h)))
    history = model.fit(np.ones((4, 5, 2)), np.ones((4, 5), "int32"), epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]


class Subclassed(keras.Model):
    """Somebody's own model, with a mask of its own."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(K)
        self.crf = rnnkit.CRF(K)

    def call(self, x):
        return self.crf(self.dense(x), mask=keras.ops.any(x != 0, axis=-1))


def test_a_subclassed_model_trains(data):
    model = Subclassed()
    model.compile("adam", rnnkit.CRFLoss(), metrics=[rnnkit.CRFAccuracy()])
    x = np.random.default_rng(2).normal(size=(8, 4, 2)).astype("float32")
    x[:, 3] = 0
    y = np.pad(data[1], ((0, 0), (0, 1)), constant_values=-1)
    losses = model.fit(x, y, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_a_file_reloads_with_loss_and_metric(data, tmp_path):
    """Nothing has to be named when it is loaded, and training goes on."""
    words, tags, _ = data
    model = compiled(*net(rnnkit.crf_constraints(["O", "B-X", "I-X"])))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    fine = np.zeros_like(tags)
    expected = model.fit(words, fine, verbose=0).history
    assert loaded.fit(words, fine, verbose=0).history == expected
    assert loaded.layers[-1].constraints == model.layers[-1].constraints


def test_the_export_answers_as_the_model(data, tmp_path):
    """Padding at either side, and under XLA with a static shape."""
    words, potentials = net(rnnkit.crf_constraints(["O", "B-X", "I-X"]))
    tagger = keras.Model(words, rnnkit.CRFDecoder()(potentials))
    tagger.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    for pattern in PATTERNS.values():
        x = padded(data[0], pattern)
        np.testing.assert_array_equal(served.serve(x), tagger.predict(x, verbose=0))
    compiled_by_xla = tf.function(served.serve, jit_compile=True)
    np.testing.assert_array_equal(compiled_by_xla(tf.constant(x)), tagger.predict(x, verbose=0))


@pytest.mark.parametrize("shape", [(0, 4, K), (2, 0, K), (0, 0, K)])
@pytest.mark.parametrize("in_a_graph", [True, False])
def test_no_row_and_no_step_are_answered(shape, in_a_graph):
    """A server asked for nothing answers nothing."""
    crf, decoder, marginals = rnnkit.CRF(K), rnnkit.CRFDecoder(), rnnkit.CRFMarginals()
    crf.build((None, None, K))

    def tag(emissions):
        potentials = crf(emissions, mask=emissions[..., 0] > 0)
        return decoder(potentials), marginals(potentials)

    if in_a_graph:
        spec = tf.TensorSpec((None, None, K), name="emissions")
        tag = tf.function(tag, input_signature=[spec], autograph=False)
    tags, probabilities = tag(tf.zeros(shape))
    assert (tags.shape, probabilities.shape) == (shape[:2], shape)


@pytest.mark.prove
def test_fit_under_xla_learns_the_same(data, unpadded):
    """XLA compiles the loss and its gradient, masks at the left included."""
    words, tags, weights = data
    model = compiled(*net(), jit_compile=True)
    x, y = padded(words, PATTERNS["left"]), padded(tags, PATTERNS["left"])
    model.fit(x, y, sample_weight=weights, batch_size=4, shuffle=False, verbose=0)
    for found, expected in zip(model.get_weights(), unpadded, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_leaves_the_sums_alone(policy):
    """Only the emissions are in half precision, and float32 ones are not made worse."""
    random = np.random.default_rng(5)
    emissions = random.normal(size=(2, 300, K)).astype("float32")
    y = random.integers(K, size=(2, 300))
    expected = -rnnkit.crf_log_likelihood(emissions.astype("float64"), y, np.zeros((K, K)))
    potentials = rnnkit.CRF(K, dtype=policy)(emissions)
    assert potentials.dtype == "float32"
    np.testing.assert_allclose(rnnkit.CRFLoss(reduction=None)(y, potentials), expected, rtol=1e-6)
    half = tf.cast(emissions, policy.removeprefix("mixed_"))
    found = rnnkit.CRFLoss(reduction=None)(y, rnnkit.CRF(K, dtype=policy)(half))
    expected = -rnnkit.crf_log_likelihood(tf.cast(half, "float64"), y, np.zeros((K, K)))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: rnnkit.CRF(0), "tags must be a positive int. Received: tags=0"),
        (lambda: rnnkit.CRF(2.5), "tags must be a positive int"),
        (
            lambda: rnnkit.CRF(3)(np.zeros((2, 5, 4))),
            r"\(batch, time, 3\). Received: .*\(2, 5, 4\)",
        ),
        (lambda: rnnkit.CRF(3)(np.zeros((2, 3))), r"Received: .*\(2, 3\)"),
        (lambda: rnnkit.CRF(2, constraints=np.ones((2, 2))), r"bool of shape \(3, 3\)"),
        (lambda: rnnkit.CRF(2, constraints=np.full((3, 3), 0.5)), r"bool of shape \(3, 3\)"),
        (lambda: rnnkit.CRF(2, constraints=np.zeros((3, 3))), "at least one sequence"),
        (
            lambda: rnnkit.CRFLoss()(np.zeros((2, 5)), np.zeros((2, 5))),
            "Expected the potentials of a rnnkit.CRF",
        ),
        (
            lambda: rnnkit.CRFLoss()(np.zeros((2, 4)), rnnkit.CRF(3)(np.zeros((2, 5, 3)))),
            r"Received: tags of shape \(2, 4\)",
        ),
        (
            lambda: rnnkit.CRFLoss()(
                np.zeros((2, 5)), rnnkit.CRF(3)(np.zeros((2, 5, 3))), np.ones((2, 5))
            ),
            "sample_weight of a CRFLoss must have the shape",
        ),
        (lambda: rnnkit.CRFDecoder()(np.zeros((2, 5, 2))), "Expected the potentials"),
    ],
)
def test_what_does_not_fit_is_refused(act, message):
    """One message that says what was expected, and what came."""
    with pytest.raises(ValueError, match=message):
        act()
