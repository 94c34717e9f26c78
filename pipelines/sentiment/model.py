"""The sentiment model: embedding, recurrent layers, pooling over time, one label."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from pipelines.cells import bidirectional_layer, recurrent_layer
from pipelines.sentiment.pooling import AttentionPooling, pool_max, pool_mean
from pipelines.text.vocabulary import PADDING

Tensor = Any
ATTENTION_UNITS = 64


@keras.saving.register_keras_serializable("rnnkit")
class SentimentModel(keras.Model):
    """P(label | text), from the numbers of its tokens.

        x_t = dropout(E[token_t])
        y_1..y_T = recurrent layers over x_1..x_T, in one direction or both
        logits = dropout(pool(y_1..y_T)) W + b

    Padding (token 0) takes part in nothing: a text padded twice as far has the same logits.

    Args:
        vocabulary: int, how many numbers of tokens there are, padding and unknown included.
        classes: int, how many labels.
        embedding: int, width of E.
        cell: name of the recurrent cell.
        units: int, width of each recurrent layer, in each direction.
        layers: int, how many are stacked.
        bidirectional: bool, whether each layer also reads from the end to the start.
        pooling: `"last"` (the output after the last token, and of the other direction after the
            first), `"mean"`, `"max"` or `"attention"`.
        dropout: float in [0, 1), share of the embeddings, of the outputs of each layer and of what
            is pooled that is dropped in training.
        bptt_steps: int or None, most steps that a gradient flows back; all by default.

    Call arguments:
        ids: (batch, T) integers, each row with one token or more.

    Returns:
        Logits (batch, classes).
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        classes: int,
        embedding: int,
        cell: str,
        units: int,
        layers: int = 1,
        bidirectional: bool = True,
        pooling: str = "max",
        dropout: float = 0.0,
        bptt_steps: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.arguments = {
            "vocabulary": vocabulary,
            "classes": classes,
            "embedding": embedding,
            "cell": cell,
            "units": units,
            "layers": layers,
            "bidirectional": bidirectional,
            "pooling": pooling,
            "dropout": dropout,
            "bptt_steps": bptt_steps,
        }
        self.pooling = pooling
        self.embedding = keras.layers.Embedding(
            vocabulary,
            embedding,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.1),
        )
        layer = bidirectional_layer if bidirectional else recurrent_layer
        self.recurrent = [
            layer(
                cell,
                units,
                return_sequences=pooling != "last" or k < layers - 1,
                truncate_gradient=bptt_steps,
                name=f"recurrent_{k}",
            )
            for k in range(layers)
        ]
        self.dropouts = [keras.layers.Dropout(dropout, seed=k) for k in range(layers + 1)]
        self.attention = AttentionPooling(ATTENTION_UNITS) if pooling == "attention" else None
        self.head = keras.layers.Dense(classes, name="head")

    def build(self, ids_shape) -> None:
        self.embedding.build(ids_shape)
        shape = (*ids_shape, self.embedding.output_dim)
        for layer in self.recurrent:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        if self.attention is not None:
            self.attention.build(shape)
        self.head.build((ids_shape[0], shape[-1]))

    def set_embeddings(self, rows: np.ndarray, first: int, found: np.ndarray) -> None:
        """Puts pretrained vectors where there are some.

        Args:
            rows: (tokens, width) vectors.
            first: int, the number of the token of the first row.
            found: (tokens,) bool, which rows are vectors.
        """
        table = ops.convert_to_numpy(self.embedding.embeddings).copy()
        table[first : first + len(rows)][found] = rows[found]
        self.embedding.embeddings.assign(table)

    def call(self, ids: Tensor, training: bool | None = None) -> Tensor:
        return self.classify(self.embedding(ids), ops.not_equal(ids, PADDING), training)

    def classify(self, embedded: Tensor, mask: Tensor, training: bool | None = None) -> Tensor:
        """The logits, from embedded tokens (batch, T, embedding) and their mask (batch, T)."""
        x = embedded
        for layer, dropout in zip(self.recurrent, self.dropouts, strict=False):
            x = layer(dropout(x, training=training), mask=mask)
        return self.head(self.dropouts[-1](self._pool(x, mask), training=training))

    def _pool(self, outputs: Tensor, mask: Tensor) -> Tensor:
        if self.attention is not None:
            return self.attention(outputs, mask)
        if self.pooling == "mean":
            return pool_mean(outputs, mask)
        return pool_max(outputs, mask) if self.pooling == "max" else outputs

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.arguments}
