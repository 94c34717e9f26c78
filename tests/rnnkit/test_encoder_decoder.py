"""EncoderDecoder: the same net whole and step by step, trained, searched, saved and served."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnkit
from rnnkit.decoding import beam_search, greedy_search, sample_search
from rnnkit.encoder_decoder.scheduled_sampling import scheduled_sampling

V, START, END = 7, 1, 2
IDS = np.array([[1, 2, 3, 0, 0], [1, 2, 3, 4, 5], [4, 4, 0, 0, 0]], "int32")
TARGETS = np.array([[1, 3, 4, 5], [1, 6, 6, 3], [1, 2, 2, 2]], "int32")


def attending(cell, attention=None):
    return rnnkit.AttentionCell(cell, attention or rnnkit.LuongGeneralAttention(), attention_size=6)


NETS = {
    "fixed vector": lambda: rnnkit.EncoderDecoder(rnnkit.LSTMCell(4), rnnkit.LSTMCell(4), V, 5),
    "fed summary, both directions": lambda: rnnkit.EncoderDecoder(
        [rnnkit.GRUCell(4), rnnkit.GRUCell(3)],
        rnnkit.LSTMCell(5),
        V,
        5,
        bidirectional=True,
        feed_summary=True,
    ),
    "attention in a stack": lambda: rnnkit.EncoderDecoder(
        [rnnkit.LSTMCell(4), keras.layers.GRUCell(3)],
        [attending(rnnkit.LSTMCell(4)), rnnkit.GRUCell(5)],
        V,
        5,
        bidirectional=True,
        dropout=0.1,
    ),
    "wrapped, fed, two attentions": lambda: rnnkit.EncoderDecoder(
        keras.layers.LSTMCell(4),
        [
            attending(rnnkit.RecurrentDropoutCell(rnnkit.LSTMCell(4), seed=0)),
            attending(rnnkit.GRUCell(3), rnnkit.BahdanauAttention(3, normalize=True)),
        ],
        V,
        5,
        feed_summary=True,
        dropout=0.2,
        scheduled_sampling=keras.optimizers.schedules.PolynomialDecay(0.5, 10, 1.0),
        seed=3,
    ),
}


class Net:
    """A net in a plain functional model, with strong opinions."""

    def __init__(self, layer):
        source, targets = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
        self.embedding = keras.layers.Embedding(9, 6, mask_zero=True)
        self.layer = layer
        self.model = keras.Model([source, targets], layer(self.embedding(source), targets))
        random = np.random.default_rng(4)
        for weight in self.model.trainable_weights:
            weight.assign(random.normal(scale=0.8, size=weight.shape))

    def start(self, ids):
        return self.layer.start(self.embedding(ids), self.embedding.compute_mask(ids))

    def decode(self, ids):
        state, memory = self.start(ids)
        step = lambda tokens, state: self.layer.step(tokens, state, memory)
        return (
            beam_search(step, state, START, END, 3, max_length=6, n_best=3, length_penalty=0.6),
            greedy_search(step, state, START, END, max_length=6),
            sample_search(step, state, START, END, max_length=6, seed=ids[:, 0]),
        )

    def logits(self, targets):
        return np.array(self.model((IDS, targets)))


def long_proof(name):
    return pytest.param(name, marks=pytest.mark.prove)


FULL = "wrapped, fed, two attentions"  # has everything that the others have
FAST = [n if n in (FULL, "fed summary, both directions") else long_proof(n) for n in NETS]
SLOW = [n if n == FULL else long_proof(n) for n in NETS]  # a graph or training takes seconds each


@pytest.fixture(scope="module", params=FAST)
def net(request):
    return Net(NETS[request.param]())


def test_steps_give_what_the_whole_gives(net):
    """What was trained by teacher forcing is what decodes."""
    logits = net.logits(TARGETS)
    state, memory = net.start(IDS)
    for t in range(TARGETS.shape[1]):
        found, state = net.layer.step(TARGETS[:, t], state, memory)
        np.testing.assert_allclose(found, logits[:, t], atol=1e-5)


def test_teacher_forcing_on_what_it_said_says_it_again(net):
    """Of greedy the tokens themselves, of every hypothesis of the beam its log p."""
    beam, greedy, _ = net.decode(tf.constant(IDS))
    hypotheses = [(beam.tokens[:, k], beam.log_probabilities[:, k]) for k in range(3)]
    for k, (tokens, log_p) in enumerate([(greedy.tokens, greedy.scores), *hypotheses]):
        tokens = np.array(tokens)
        given = np.concatenate([np.full((3, 1), START), tokens[:, :-1]], axis=1)
        logits = net.logits(given)
        each = np.array(tf.nn.log_softmax(logits))
        each = np.take_along_axis(each, tokens[..., None], -1)[..., 0]
        ended = np.cumsum(tokens == END, -1) - (tokens == END) > 0
        np.testing.assert_allclose(np.where(ended, 0, each).sum(-1), log_p, atol=1e-4)
        if k == 0:
            np.testing.assert_array_equal(np.where(ended, END, logits.argmax(-1)), tokens)


def test_a_sentence_alone_is_translated_as_in_a_batch(net):
    """Neither padding nor neighbours change a word."""
    together = net.decode(tf.constant(IDS))
    for row in range(3):
        ids = IDS[row : row + 1, : np.count_nonzero(IDS[row])]
        for found, right in zip(net.decode(tf.constant(ids)), together, strict=True):
            np.testing.assert_array_equal(found.tokens[0], right.tokens[row])
            np.testing.assert_allclose(found.scores[0], right.scores[row], atol=1e-5)


@pytest.mark.parametrize("name", SLOW)
def test_the_same_eagerly_in_a_graph_under_xla_and_served(name, tmp_path):
    """Logits to rounding, tokens and samples bit for bit, with the memory as tensors."""
    net = Net(NETS[name]())

    def everything(ids, targets):
        return net.model((ids, targets)), *net.decode(ids)

    signature = [tf.TensorSpec((None, None), tf.int32)] * 2
    module = tf.Module()
    module.kept = [v.value for v in net.model.variables]  # seeds of dropout included
    module.run = tf.function(everything, input_signature=signature, autograph=False)
    xla = tf.function(everything, jit_compile=True, autograph=False)
    tf.saved_model.save(module, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    arguments = tf.constant(IDS), tf.constant(TARGETS)
    logits, *expected = everything(*arguments)
    for run in (module.run, xla, loaded.run):
        again, *found = run(*arguments)
        np.testing.assert_allclose(again, logits, atol=1e-5)
        for one, right in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one[0], right.tokens)
            np.testing.assert_allclose(one[2], right.scores, atol=1e-5)


@pytest.mark.parametrize("name", SLOW)
def test_it_trains_and_comes_back_from_disk(name, tmp_path):
    """By plain compile and fit; every weight moves, by its own draws too; no custom_objects."""
    net = Net(NETS[name]())
    net.model.compile(
        keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    before = [np.array(w) for w in net.model.trainable_weights]
    weights = (IDS[:, :4] > 0).astype("float32")
    net.model.fit((IDS, TARGETS), TARGETS, sample_weight=weights, epochs=3, verbose=0)
    assert int(net.layer.batches) == 3 * (net.layer.scheduled_sampling != 0)
    still = [
        w.path
        for w, b in zip(net.model.trainable_weights, before, strict=True)
        if np.array_equal(w, b)
    ]
    assert not still
    net.model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = net.logits(TARGETS)
    np.testing.assert_allclose(loaded((IDS, TARGETS)), expected, atol=1e-6)
    again = loaded.layers[-1]
    for name in ("vocabulary_size", "embedding_size", "feed_summary", "dropout", "seed"):
        assert getattr(again, name) == getattr(net.layer, name)
    assert schedule_of(again) == schedule_of(net.layer)
    cells = [
        [as_json(cell) for cell in (*layer.encoder.cells, *layer.decoder.cells)]
        for layer in (again, net.layer)
    ]
    assert cells[0] == cells[1]


def as_json(cell):
    return json.loads(json.dumps(keras.saving.serialize_keras_object(cell)))


def schedule_of(layer):
    rate = layer.scheduled_sampling
    return (type(rate), rate.get_config()) if callable(rate) else rate


def test_alignments_are_what_each_step_looked_at(net):
    embedded, mask = net.embedding(IDS), net.embedding.compute_mask(IDS)
    if not net.layer.decoder.attends:
        with pytest.raises(ValueError, match="AttentionCell"):
            net.layer.alignments(embedded, TARGETS, mask=mask)
        return
    weights = np.array(net.layer.alignments(embedded, TARGETS, mask=mask))
    assert weights.shape == (3, 4, 5)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    assert not np.any(weights[np.broadcast_to(IDS[:, None] == 0, weights.shape)])


def test_the_lectures_fixed_vector_form_in_its_own_words():
    """Sutskever's: encode, hand the last state on, decode; nothing else connects the two."""
    net = Net(NETS["fixed vector"]())
    encoder, decoder = net.layer.encoder.cells[0], net.layer.decoder
    x = np.array(net.embedding(IDS[1:2]))
    state = encoder.get_initial_state(1)
    for t in range(5):
        _, state = encoder(x[:, t], state)
    for t in range(4):
        y, state = decoder.cells[0](decoder.embedding(TARGETS[1:2, t]), state)
        logits = y @ np.array(decoder.output_layer.kernel) + np.array(decoder.output_layer.bias)
        found = net.logits(TARGETS)[1:2, t]
        np.testing.assert_allclose(found, logits, atol=1e-5)


def test_the_summary_is_the_last_output_of_each_direction():
    """Of the real steps: left to right at the last one, right to left at the first one."""
    layer = NETS["fed summary, both directions"]()
    net = Net(layer)
    outputs, _ = layer.encoder(net.embedding(IDS), mask=net.embedding.compute_mask(IDS))
    found = np.array(layer.encoder.summary(outputs, net.embedding.compute_mask(IDS)))
    lengths = np.count_nonzero(IDS, 1)
    for row in range(3):
        expected = np.concatenate([outputs[row, lengths[row] - 1, :3], outputs[row, 0, 3:]])
        np.testing.assert_array_equal(found[row], expected)


# --- scheduled sampling ---------------------------------------------------------------------------


def sampled(net, rate, batch_number=0, seed=0):
    """Logits, and the tokens that each step was given."""
    state, memory = net.start(IDS)
    given = []

    def step(tokens, state, keep):
        given.append(np.array(tokens))
        return net.layer.step(tokens, state, memory)

    logits = scheduled_sampling(
        step, TARGETS, state, rate, seed=seed, batch_number=batch_number, keep=None
    )
    return np.array(logits), np.stack(given[-TARGETS.shape[1] :], 1)


def test_scheduled_sampling_at_rate_zero_is_teacher_forcing():
    net = Net(NETS["attention in a stack"]())
    logits, given = sampled(net, 0.0)
    np.testing.assert_array_equal(given, TARGETS)
    expected = net.logits(TARGETS)
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_scheduled_sampling_feeds_its_own_draws_and_repeats_itself():
    """The same seed and batch give the same; another batch others; the start is always given."""
    net = Net(NETS["fixed vector"]())
    logits, given = sampled(net, 1.0)
    np.testing.assert_array_equal(given[:, 0], TARGETS[:, 0])
    assert np.any(given != TARGETS)
    np.testing.assert_array_equal(sampled(net, 1.0)[1], given)
    others = [sampled(net, 1.0, batch_number=k)[1] for k in range(1, 6)]
    assert any(np.any(other != given) for other in others)
    expected = net.logits(given)
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_the_rate_is_the_share_of_own_tokens():
    tokens = np.full((400, 6), 1, "int32")
    own = []

    def step(tokens, state, keep):
        own.append(np.mean(np.array(tokens) == 0))
        return tf.one_hot(tf.zeros_like(tokens), V) * 99, state

    scheduled_sampling(step, tokens, [np.zeros((400, 1), "float32")], 0.3, seed=1, batch_number=7)
    assert own[-6] == 0
    assert abs(np.mean(own[-5:]) - 0.3) < 0.03


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": "lstm"}, r"encoder must be a cell or a list of cells\. Received: 'lstm'"),
        ({"decoder": []}, r"decoder must be a cell or a list of cells"),
        ({"encoder": attending(rnnkit.GRUCell(3))}, r"An encoder has no memory to attend to"),
        ({"vocabulary_size": 0}, r"vocabulary_size must be a positive int"),
        ({"embedding_size": 2.5}, r"embedding_size must be a positive int"),
        ({"dropout": 1}, r"dropout must be a float at least 0 and below 1"),
        ({"scheduled_sampling": 2}, r"scheduled_sampling must be a float from 0 to 1"),
    ],
)
def test_what_cannot_be_built_is_refused(change, message):
    arguments = {
        "encoder": rnnkit.GRUCell(3),
        "decoder": rnnkit.GRUCell(3),
        "vocabulary_size": V,
        "embedding_size": 5,
    }
    with pytest.raises(ValueError, match=message):
        rnnkit.EncoderDecoder(**{**arguments, **change})


def test_a_source_of_another_rank_is_refused_and_decoding_before_the_weights():
    layer = NETS["fixed vector"]()
    with pytest.raises(ValueError, match="must be built before it decodes"):
        layer.start(np.zeros((2, 3, 4), "float32"))
    with pytest.raises(ValueError, match=r"source \(batch, S, m\) and targets"):
        layer(np.zeros((2, 3, 4), "float32"), np.zeros((2, 3, 4), "int32"))
