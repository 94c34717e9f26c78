"""The character model: an embedding, recurrent layers, and the odds of each next character."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from pipelines.cells import recurrent_layer

Tensor = Any
UNKNOWN = 0
"""The id of what the model cannot know: a character that its training part does not hold, and the
one before the first. Its embedding is learnt where streams begin; as an answer it is never
drawn."""


@keras.saving.register_keras_serializable("rnnkit")
class CharacterModel(keras.Model):
    """P(x_t | x_1..x_{t-1}) of the characters of a text.

        e_t = E[x_{t-1}]                                        x_0 is unknown
        h_t = the recurrent layers at e_t, dropout behind each
        P(x_t = c | x_1..x_{t-1}) = softmax(h_t V + b)_c

    As a Keras model it reads the windows of several texts side by side and remembers where each
    ended: the next call begins there, which is truncated backpropagation through time with a
    carried state. These states are no weights. `follow` and `advance` are the same without memory,
    for any number of texts, states in and states out.

    Args:
        symbols: int, ids of characters, the unknown one included.
        cell: name of the recurrent cell.
        units: int, width of each recurrent layer.
        layers: int, how many are stacked.
        embedding: int, width of E.
        dropout: float in [0, 1), share of each recurrent layer's output dropped in training.
        bptt_steps: int or None, most steps that a gradient flows back inside a window.
        streams: int, rows of a batch where a symbolic input does not tell.
        vocabulary: str, fingerprint of the characters that the ids stand for; empty: not known.

    Call arguments:
        inputs: `{"ids": (batch, T), "first": (batch,)}`, the ids of x_0..x_{T-1} of each
            window, and True where a text begins: there the state before is the initial one.

    Returns:
        Logits (batch, T, symbols) of x_1..x_T.

    Reference: A. Graves, Generating Sequences With Recurrent Neural Networks, arXiv:1308.0850,
    2013, section 3.
    """

    def __init__(
        self,
        *,
        symbols: int,
        cell: str,
        units: int,
        layers: int,
        embedding: int,
        dropout: float,
        bptt_steps: int | None,
        streams: int,
        vocabulary: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.arguments: dict[str, Any] = {
            "symbols": symbols,
            "cell": cell,
            "units": units,
            "layers": layers,
            "embedding": embedding,
            "dropout": dropout,
            "bptt_steps": bptt_steps,
            "streams": streams,
            "vocabulary": vocabulary,
        }
        self.embedding = keras.layers.Embedding(symbols, embedding)
        self.recurrent = [
            recurrent_layer(
                cell,
                units,
                return_sequences=True,
                return_state=True,
                truncate_gradient=bptt_steps,
                name=f"recurrent_{k}",
            )
            for k in range(layers)
        ]
        self.dropouts = [keras.layers.Dropout(dropout, seed=k) for k in range(layers)]
        self.head = keras.layers.Dense(symbols, name="head")
        self._carried = _Carried()

    def build(self, ids_shape: Any) -> None:
        self.embedding.build(ids_shape)
        shape = (None, None, self.arguments["embedding"])
        for layer in self.recurrent:
            layer.build(shape)
            shape = (None, None, layer.cell.output_size)
        self.head.build(shape)

    def call(self, inputs: dict[str, Tensor], training: bool | None = None) -> Tensor:
        rows = inputs["ids"].shape[0] or self.arguments["streams"]
        beginning = self.initial_states(rows)
        carried = self._carried.by_rows(rows, beginning)
        first = ops.cast(inputs["first"], "bool")[:, None]
        states = [
            ops.where(first, start, ops.cast(before, start.dtype))
            for start, before in zip(beginning, carried, strict=True)
        ]
        logits, states = self.follow(inputs["ids"], states, training)
        for before, after in zip(carried, states, strict=True):
            before.assign(ops.cast(ops.stop_gradient(after), before.dtype))
        return logits

    def initial_states(self, batch_size: int | Tensor) -> list[Tensor]:
        """The states before x_0, all layers' in one flat list."""
        return [
            state
            for layer in self.recurrent
            for state in _as_list(layer.cell.get_initial_state(batch_size=batch_size))
        ]

    def follow(
        self, ids: Tensor, states: list[Tensor], training: bool | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Reads x_0..x_{T-1}, (batch, T), and gives the logits (batch, T, symbols) of x_1..x_T and
        the states after them."""
        after: list[Tensor] = []
        x, states = self.embedding(ids), list(states)
        for layer, dropout in zip(self.recurrent, self.dropouts, strict=True):
            count = len(_as_list(layer.cell.state_size))
            x, *ends = layer(x, initial_state=states[:count], training=training)
            states, after = states[count:], [*after, *ends]
            x = dropout(x, training=training)
        return self.head(x), after

    def advance(self, ids: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Reads one character, (batch,), and gives the logits (batch, symbols) of the next."""
        after: list[Tensor] = []
        x, states = self.embedding(ids), list(states)
        for layer in self.recurrent:
            count = len(_as_list(layer.cell.state_size))
            x, ends = layer.cell(x, states[:count])
            states, after = states[count:], [*after, *_as_list(ends)]
        return self.head(x), after

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.arguments}


class _Carried:
    """Where each stream is, between two windows. Keras sees no weights here: nothing of it is
    learnt or saved, since every epoch begins its streams anew."""

    def __init__(self) -> None:
        self._states: dict[int, list[tf.Variable]] = {}

    def by_rows(self, rows: int, like: list[Tensor]) -> list[tf.Variable]:
        """The states of so many streams, zero at first."""
        if rows not in self._states:
            with tf.init_scope():
                self._states[rows] = [
                    tf.Variable(tf.zeros((rows, *state.shape[1:]), state.dtype), trainable=False)
                    for state in like
                ]
        return self._states[rows]


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
