"""Truncated backpropagation through time as a transform of the data, with a state that is carried.

A sequence of T steps becomes windows of k2 steps, one every k1 steps:

    window w covers steps w k1 + 1 .. w k1 + k2          w = 0, 1, ..
    it begins in the state after step w k1, as window w - 1 computed it, without its gradient
    its loss counts the steps that no window before it counted: the last k1 (the first window all)

So each step's loss counts once, and its gradient flows back through k2 - k1 + 1 to k2 steps. Memory
and the cost of an update grow with k2, not with T, and the weights are updated after every k1
steps. k1 = k2 is Keras's stateful training; k1 = 1 is the truncated backpropagation of the
lectures, an update after every step and a gradient through exactly k2 steps; k2 = T is
backpropagation through time in full. `RNN(cell, truncate_gradient=k)` instead cuts the gradient
inside a long sequence, with one update for all of it.

Reference: R. Williams and J. Peng, An Efficient Gradient-Based Algorithm for On-Line Training of
Recurrent Network Trajectories, Neural Computation 2, 1990, whose BPTT(h; h') is h = k2, h' = k1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops, tree

from rnnkit.arguments import fits, is_positive_int, positive_int
from rnnkit.recurrent import RNN

Tensor = Any


class Windows(NamedTuple):
    """What `windows` makes: rows for `fit`, in an order that must be kept."""

    x: np.ndarray  # (rows, k2, ...)
    first: np.ndarray  # (rows,) bool, whether the window begins a sequence
    y: np.ndarray  # (rows, k2, ...)
    weight: np.ndarray  # (rows, k2), 1 where a step's loss counts in this window, else 0


def windows(
    x: np.ndarray, y: np.ndarray, *, every: int, steps: int, batch_size: int | None = None
) -> Windows:
    """Cuts sequences into windows, for `fit(..., batch_size=batch_size, shuffle=False)`.

    A batch holds the same window of `batch_size` sequences, and the next batch their next window:
    `WindowedRNN` carries the states of the rows from one to the other.

    Args:
        x: (N, T, ...) inputs.
        y: (N, T, ...) what is wanted at each step.
        every: int, k1: steps from one window to the next, at least 1 and at most `steps`.
        steps: int, k2: steps of a window, at most T.
        batch_size: int, divides N; all N sequences by default.

    Returns:
        `Windows(x, first, y, weight)`. What a last window has beyond step T is zeros of weight 0.

    Raises:
        ValueError: sizes that do not fit together.

    Example:

    >>> import numpy as np, rnnkit.windows
    >>> x = np.arange(6.0).reshape(1, 6, 1)
    >>> cut = rnnkit.windows.windows(x, x, every=2, steps=4)
    >>> cut.x[..., 0].tolist()
    [[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0, 5.0]]
    >>> cut.weight.tolist()
    [[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim < 2 or x.shape[:2] != y.shape[:2]:
        raise ValueError(
            "x and y must be (N, T, ...) with the same N and T. "
            f"Received: shapes {x.shape} and {y.shape}."
        )
    count, time = x.shape[:2]
    if not (is_positive_int(every) and is_positive_int(steps) and every <= steps <= time):
        raise ValueError(
            "every and steps must be ints with 1 <= every <= steps <= T. "
            f"Received: every={every}, steps={steps}, T={time}. "
            "Example: windows(x, y, every=10, steps=30)."
        )
    size = count if batch_size is None else batch_size
    if not is_positive_int(size) or count % size:
        raise ValueError(
            "batch_size must divide the number of sequences, because a batch carries the states of "
            f"its rows. Received: batch_size={size} of {count} sequences. "
            f"Example: windows(x, y, every=10, steps=30, batch_size={max(count, 1)})."
        )
    last = -(-(time - steps) // every)  # rounded up
    starts = every * np.arange(last + 1)
    at = starts[:, None] + np.arange(steps)  # (windows, k2)
    new = np.where(starts[:, None] == 0, True, np.arange(steps) >= steps - every) & (at < time)
    first = np.repeat(starts == 0, size)

    def cut(array: np.ndarray) -> np.ndarray:
        beyond = np.zeros((count, at.max() + 1 - time, *array.shape[2:]), array.dtype)
        rows = np.concatenate([array, beyond], axis=1)[:, at]  # (N, windows, k2, ...)
        groups = rows.reshape(-1, size, *rows.shape[1:]).swapaxes(1, 2)
        return groups.reshape(-1, *rows.shape[2:])

    groups = count // size
    weight = np.tile(np.repeat(new, size, axis=0), (groups, 1)).astype(keras.config.floatx())
    return Windows(cut(x), np.tile(first, groups), cut(y), weight)


@keras.saving.register_keras_serializable("rnnkit")
class WindowedRNN(keras.layers.Layer):
    """A cell over the windows of long sequences, beginning where the window before left it.

        y_1..y_k2, s_k1 = RNN(x_1..x_k2 from s)      s := s_k1, without its gradient

    The state that is carried is the one after k1 steps, where the next window begins, and not the
    one after k2. To use the trained net on whole sequences, take its `rnn`, which knows masks and
    initial states; here `windows` says with weights which steps count.

    Args:
        cell: what `RNN` takes, a cell or a list of cells.
        every: positive int, k1 of `windows`.

    Call arguments:
        sequences: (batch, k2, m), of fixed batch size and length.
        first: (batch,) bool; True begins a row with the cell's initial state.

    Returns:
        y_1..y_k2, (batch, k2, n).

    Raises:
        ValueError: `every` below 1, or inputs whose batch size or length is unknown or too short.

    Example:

    >>> import numpy as np, rnnkit.windows
    >>> x, y = np.ones((4, 100, 3)), np.ones((4, 100, 1))
    >>> cut = rnnkit.windows.windows(x, y, every=10, steps=30, batch_size=2)
    >>> sequences = keras.Input(batch_shape=(2, 30, 3))
    >>> first = keras.Input(batch_shape=(2,), dtype="bool")
    >>> hidden = rnnkit.windows.WindowedRNN(rnnkit.GRUCell(8), every=10)(sequences, first)
    >>> model = keras.Model([sequences, first], keras.layers.Dense(1)(hidden))
    >>> loss = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    >>> model.compile("adam", loss)
    >>> history = model.fit([cut.x, cut.first], cut.y, sample_weight=cut.weight, batch_size=2,
    ...                     shuffle=False, verbose=0)

    Reference: see `rnnkit.windows`.
    """

    def __init__(self, cell: Any, every: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.every = positive_int("every", every, "WindowedRNN(cell, every=10)")
        self.rnn = RNN(cell, return_sequences=True, return_state=True)

    def build(self, sequences_shape) -> None:
        batch, steps = sequences_shape[:2]
        if batch is None or steps is None or steps < self.every:
            raise ValueError(
                f"Expected windows (batch, steps, features) of a fixed batch size and at least "
                f"every={self.every} steps. Received: shape {tuple(sequences_shape)}. "
                "Example: keras.Input(batch_shape=(32, 30, 3))."
            )
        self.rnn.build(sequences_shape)
        self.carried = [
            self.add_weight(
                name=f"carried_{k}", shape=(batch, width), initializer="zeros", trainable=False
            )
            for k, width in enumerate(tree.flatten(self.rnn.state_size))
        ]

    def call(self, sequences: Tensor, first: Tensor, training: bool | None = None) -> Tensor:
        batch = self.carried[0].shape[0]
        if not fits(sequences.shape[:1], (batch,)):
            raise ValueError(
                f"{self.name} carries the states of {batch} rows. Received: a batch of shape "
                f"{tuple(sequences.shape)}. Example: model.fit(..., batch_size={batch})."
            )
        beginning = self.rnn.get_initial_state(sequences.shape[0])
        fresh = ops.cast(first, "bool")[:, None]
        before = [
            ops.where(fresh, start, ops.cast(state, start.dtype))
            for start, state in zip(tree.flatten(beginning), self.carried, strict=True)
        ]
        states = tree.pack_sequence_as(beginning, before)
        ys, *states = self.rnn(sequences[:, : self.every], initial_state=states, training=training)
        for variable, state in zip(self.carried, tree.flatten(states), strict=True):
            variable.assign(ops.stop_gradient(state))
        if sequences.shape[1] == self.every:
            return ys
        rest, *_ = self.rnn(sequences[:, self.every :], initial_state=states, training=training)
        return ops.concatenate([ys, rest], axis=1)

    def compute_output_shape(self, sequences_shape, first_shape=None):
        return (*sequences_shape[:2], *self.rnn.compute_output_shape(sequences_shape)[0][2:])

    def get_config(self) -> dict[str, Any]:
        cell = keras.saving.serialize_keras_object(self.rnn.cell)
        return {**super().get_config(), "cell": cell, "every": self.every}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WindowedRNN:
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**{**config, "cell": cell})
