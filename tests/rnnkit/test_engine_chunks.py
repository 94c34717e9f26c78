"""Training in a plain graph, where the engine goes over a sequence in chunks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnkit
from rnnkit import engine_tensorflow, engine_tensorflow_chunks
from tests.rnnkit.by_autodiff import (
    BATCH,
    INPUTS,
    MASK,
    STEPS,
    Unusual,
    assert_same,
    compare,
    layer_of,
    sample,
    unrolled,
    with_gradients,
)

pytestmark = pytest.mark.usefixtures("float64", "short_chunks")


@pytest.mark.parametrize(
    "cell",
    [
        lambda: rnnkit.RecurrentDropoutCell(rnnkit.GRUCell(4), 0.5, seed=1),
        lambda: Unusual(4),
    ],
    ids=["recurrent dropout", "unusual"],
)
def test_noise_that_is_a_state_and_weights_used_in_any_way(cell):
    compare(cell(), trainings=(True,))


def test_noise_of_a_projection_is_drawn_once(monkeypatch):
    """Zoneout draws beside it; drawn again on the way back, it would train another net."""
    found = []
    for in_chunks in (True, False):
        monkeypatch.setattr(engine_tensorflow, "in_chunks", lambda in_chunks=in_chunks: in_chunks)
        cell = rnnkit.ZoneoutCell(rnnkit.LSTMCell(4), hidden_rate=0.5, memory_rate=0.5, seed=1)
        x, states = sample(cell)
        layer = layer_of(cell)
        run = lambda x, s, layer=layer: layer(x, initial_state=s, training=True)
        found.append(with_gradients(run, cell, x, states))
    assert_same(*found)


def test_the_last_output_alone():
    compare(rnnkit.LSTMCell(4), trainings=(True,), return_sequences=False)


@pytest.mark.parametrize("steps", [1, 2, 3, 5, STEPS, STEPS + 5])
def test_truncation_counts_from_the_end_of_the_sequence_not_of_a_chunk(steps):
    compare(
        rnnkit.GRUCell(4), MASK if steps == 2 else None, trainings=(True,), truncate_gradient=steps
    )


def test_time_and_batch_may_be_unknown():
    """One traced function serves every length: shorter than a chunk, and any number of them."""
    cell = rnnkit.LSTMCell(4)
    x, _ = sample(cell)
    layer = rnnkit.RNN(cell, return_sequences=True)

    @tf.function(input_signature=[tf.TensorSpec((None, None, INPUTS), "float64")])
    def gradient(x):
        y = layer(x, training=True)
        return y, tf.gradients(y**3, x)[0]

    for part in (x, x[:2, :6], x[:1, :4], x[:, :3], x[:, :1], x[:0]):
        with tf.GradientTape() as tape:
            part = tf.constant(part)
            tape.watch(part)
            y = unrolled(cell, part, cell.get_initial_state(part.shape[0]))[0]
            loss = y**3
        assert_same(gradient(part), [y, tape.gradient(loss, part)])


@pytest.mark.parametrize("steps", range(1, 30))
def test_no_chunk_is_empty_and_none_too_long(steps):
    chunks = engine_tensorflow_chunks.Chunks.of(tf.zeros((steps, 1, 2)))
    sizes = [len(chunks.part(tf.range(steps), k)) for k in range(int(chunks.count))]
    assert sum(sizes) == steps
    assert min(sizes) >= 1
    assert max(sizes) <= 3


def test_memory_of_attention():
    """Every chunk's steps read it, and its gradient gathers those of all of them."""
    attention = rnnkit.BahdanauAttention(3)
    cell = rnnkit.AttentionCell(rnnkit.GRUCell(4), attention, attention_size=5)
    layer = rnnkit.RNN(cell, return_sequences=True)
    random = np.random.default_rng(0)
    x, memory = random.normal(size=(BATCH, STEPS, INPUTS)), random.normal(size=(BATCH, 4, 6))
    layer.build(x.shape, memory_shape=memory.shape)

    def gradients(training):
        @tf.function
        def step(x, memory):
            with tf.GradientTape() as tape:
                tape.watch([x, memory])
                y = layer(x, memory=memory, training=training)
                loss = tf.reduce_sum(tf.sin(y))
            return tape.gradient(loss, [x, memory, *(v.value for v in cell.trainable_variables)])

        return step(tf.constant(x), tf.constant(memory))

    assert_same(gradients(True), gradients(False))


def test_second_derivatives_are_those_of_autodiff():
    cell = rnnkit.VanillaCell(4)
    x, states = sample(cell)
    mask, layer = tf.constant(MASK), layer_of(cell)

    def gradient(run):
        def inner(x, states):
            with tf.GradientTape() as tape:
                tape.watch([x, states])
                loss = sum(tf.reduce_sum(tf.sin(y)) for y in tf.nest.flatten(run(x, states)))
            return tape.gradient(loss, [x, *states])

        return with_gradients(inner, cell, x, states)

    found = gradient(lambda x, s: layer(x, initial_state=s, mask=mask, training=True))
    assert_same(found, gradient(lambda x, s: unrolled(cell, x, s, mask)))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_adds_up_chunks_in_float32(policy):
    """In half precision many small gradients would vanish beside a large sum."""
    steps = 3000
    layer = rnnkit.RNN(rnnkit.VanillaCell(2, dtype=policy))
    layer.build((1, None, 1))
    kernel, bias, recurrent = layer.trainable_variables
    for variable, value in ((kernel, 0.0), (bias, 0.0), (recurrent, np.eye(2))):
        variable.assign(np.broadcast_to(value, variable.shape))

    @tf.function
    def gradient(x):  # h stays 0, and every step adds x_t = 1 to dL/dW
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(layer(x, training=True), "float32"))
        return tape.gradient(loss, kernel.value)

    found = gradient(tf.ones((1, steps, 1)))
    np.testing.assert_allclose(found, np.full((1, 2), steps), rtol=4e-3)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_weights_used_in_any_way_in_half_precision(policy, training):
    """What a cell uses by itself is in its own precision in the backward loop too."""
    layer = rnnkit.RNN(Unusual(4, dtype=policy))
    layer.build((None, None, INPUTS))

    @tf.function
    def gradients(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(layer(x, training=training), "float32"))
        return tape.gradient(loss, [v.value for v in layer.trainable_variables])

    assert all(np.all(np.isfinite(d)) for d in gradients(tf.ones((2, STEPS, INPUTS))))


class OneHot(rnnkit.OneStateCell):
    """A cell of other people's, whose inputs are no floats."""

    gates, paper = ("h",), ""

    def build_recurrent(self):
        self.recurrent_kernel = self.add_recurrent_kernel("recurrent_kernel", gates=1)

    def project(self, inputs):
        return ops.take(self.kernel, inputs[..., 0], axis=0) + self.bias

    def step(self, projected, states):
        h = ops.tanh(projected + self.dot(states[0], self.recurrent_kernel))
        return h, [h]


def test_inputs_that_are_no_floats_have_no_gradient():
    cell = OneHot(4)
    cell.build((None, 6))
    layer = rnnkit.RNN(cell, return_sequences=True)
    ids = tf.constant(np.random.default_rng(0).integers(6, size=(BATCH, STEPS, 1)))

    def gradients(training):
        @tf.function
        def step():
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(layer(ids, training=training) ** 2)
            return tape.gradient(loss, [v.value for v in cell.trainable_variables])

        return [tf.convert_to_tensor(d) for d in step()]

    assert_same(gradients(True), gradients(False))


def test_chunks_are_for_plain_graphs():
    """Under XLA two loops in each other take twice as long to compile; eagerly Python pays."""
    seen = {"eagerly": engine_tensorflow.in_chunks()}

    @tf.function
    def plain():
        seen["in a graph"] = engine_tensorflow.in_chunks()

    @tf.function
    def inner():
        seen["within what XLA compiles"] = engine_tensorflow.in_chunks()
        return tf.zeros(())

    @tf.function(jit_compile=True)
    def compiled():
        seen["under XLA"] = engine_tensorflow.in_chunks()
        return inner()

    plain()
    compiled()
    assert seen == {
        "eagerly": False,
        "in a graph": True,
        "under XLA": False,
        "within what XLA compiles": False,
    }


def test_a_gradient_may_be_taken_of_what_xla_has_compiled():
    """Only the forward pass is compiled here: nothing but dense tensors may cross the border."""
    cell = rnnkit.LSTMCell(4)
    x, _ = sample(cell)
    layer = rnnkit.RNN(cell)
    compiled = tf.function(lambda x: layer(x, training=True), jit_compile=True)
    found = []
    for run in (compiled, lambda x: layer(x, training=True)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(run(tf.constant(x)) ** 2)
        found.append(tape.gradient(loss, [v.value for v in cell.trainable_variables]))
    assert_same(*found)


def test_a_model_trains_the_same_with_and_without_xla():
    """`compile(jit_compile=...)` chooses a loop, not a result."""
    learnt = []
    for xla in (False, True):
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.Input((None, 2)), rnnkit.RNN(rnnkit.GRUCell(4))])
        model.compile("sgd", "mse", jit_compile=xla)
        x = np.random.default_rng(0).normal(size=(4, STEPS, 2))
        model.fit(x, np.ones((4, 4)), epochs=2, verbose=0)
        learnt.append(model.get_weights())
    assert_same(*learnt)
