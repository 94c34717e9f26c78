"""Teacher forcing: what it saves in training, and what it costs in use."""

import keras
import numpy as np
import pytest
from keras import ops

import rnnkit
from rnnkit.testing import sample


def test_teacher_forcing_is_the_net_fed_with_the_targets():
    """All steps at once equal the steps one by one, each from the true output before it."""
    cell, xs, (first,) = sample(rnnkit.OutputRecurrentCell(4, outputs=3))
    targets = np.random.default_rng(3).normal(size=(*xs.shape[:2], 3))
    expected, before = [], first
    for t in range(xs.shape[1]):
        expected.append(cell(xs[:, t], [ops.convert_to_tensor(before)])[0])
        before = targets[:, t]
    forced = cell.teacher_forced(xs, targets, first)
    np.testing.assert_allclose(forced, np.stack(expected, axis=1), rtol=1e-12)


def test_its_own_outputs_as_targets_change_nothing():
    """Where the net is right, it is the same net with and without its teacher."""
    cell, xs, (first,) = sample(rnnkit.OutputRecurrentCell(4, outputs=3))
    layer = rnnkit.RNN(cell, return_sequences=True, dtype="float64")
    ys = layer(ops.convert_to_tensor(xs), initial_state=[ops.convert_to_tensor(first)])
    np.testing.assert_allclose(cell.teacher_forced(xs, ys, first), ys, rtol=1e-12)


def test_a_step_waits_for_no_other():
    """No gradient goes back in time: another step's input or weight of the past plays no part."""
    cell, xs, _ = sample(rnnkit.OutputRecurrentCell(4, outputs=3))
    targets = np.random.default_rng(3).normal(size=(*xs.shape[:2], 3))
    before = cell.teacher_forced(xs, targets)
    xs[:, 1] += 1
    after = cell.teacher_forced(xs, targets)
    changed = np.any(np.abs(np.asarray(after) - before) > 1e-9, axis=(0, 2))
    assert changed.tolist() == [False, True, False, False, False]


@pytest.mark.parametrize(
    ("targets", "initial_state"),
    [((3, 5), None), ((3, 5, 2), None), ((3, 4, 3), None), ((3, 5, 3), (3, 2)), ((3, 5, 3), (3,))],
)
def test_targets_of_another_shape_are_refused(targets, initial_state):
    """Labels that are not one-hot, or shifted by a step already."""
    cell = rnnkit.OutputRecurrentCell(4, outputs=3)
    first = None if initial_state is None else np.zeros(initial_state)
    with pytest.raises(ValueError, match=r"targets \(batch, T, 3\).*Received: .*\(3, 5, 2\)"):
        cell.teacher_forced(np.zeros((3, 5, 2)), np.zeros(targets), first)


class Forced(keras.Model):
    """Trains the cell on (x, targets) without a loop over time."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def call(self, inputs):
        return self.cell.teacher_forced(*inputs)


def test_the_gap_between_forced_and_free():
    """A net trained on the truth has never seen its own mistakes: used freely, it does worse.

    The series is an oscillation, y_t from y_{t-1} alone, observed with noise.
    """
    random = np.random.default_rng(0)
    phase = random.uniform(0, 2 * np.pi, (64, 1)) + 0.7 * np.arange(21)
    waves = np.stack([np.sin(phase), np.cos(phase)], axis=-1) * 0.8
    waves = (waves + random.normal(scale=0.1, size=waves.shape)).astype("float32")
    targets, first = waves[:, 1:], waves[:, 0]
    x = np.zeros((64, 20, 1), "float32")
    cell = rnnkit.OutputRecurrentCell(16, outputs=2, activation="linear")
    model = Forced(cell)
    model.compile(keras.optimizers.Adam(0.05), "mse")
    with_first = np.concatenate([first[:, None], targets], axis=1)
    padded = np.zeros((64, 21, 1), "float32")
    untrained = model.evaluate((padded, with_first), with_first, verbose=0)
    model.fit((padded, with_first), with_first, batch_size=64, epochs=30, verbose=0)
    free = rnnkit.RNN(cell, return_sequences=True)

    def loss(outputs):
        return float(ops.mean((outputs - targets) ** 2))

    forced_loss = loss(cell.teacher_forced(x, targets, first))
    free_loss = loss(free(x, initial_state=[first]))
    assert forced_loss < untrained / 5
    assert forced_loss < 0.05, "0.02 is the noise of target and input"
    gap = free_loss - forced_loss
    assert gap > forced_loss / 10, f"forced {forced_loss:.4f}, free {free_loss:.4f}: no gap"
    one_step = float(ops.mean((free(x[:, :1], initial_state=[first])[:, 0] - targets[:, 0]) ** 2))
    assert one_step < 0.05, "at the first step nobody has made a mistake yet"
