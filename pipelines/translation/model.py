"""The translation model: an encoder reads the source, a decoder with attention writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import ops

import rnnkit
from pipelines.cells import recurrent_layer

Tensor = Any
Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
ATTENTIONS: dict[str, Callable[[int], keras.layers.Layer] | None] = {
    "bahdanau": rnnkit.BahdanauAttention,
    "luong": lambda units: rnnkit.LuongGeneralAttention(scale=True),
    "none": None,
}


@keras.saving.register_keras_serializable("rnnkit")
class TranslationModel(keras.Model):
    """P(target token t | the source, target tokens before t), for every t at once or one by one.

    The encoder reads the source in both directions; the first of the decoder's layers attends to
    what it found. See `rnnkit.EncoderDecoder` for the equations.

    Args:
        source_size, target_size: int, numbers of tokens; 0 is padding.
        cell: name of the recurrent cell.
        units: int, width of each layer, of the encoder in each direction, and of the attention.
        layers: int, how many the encoder and the decoder have each.
        embedding: int, width of a token's vector.
        attention: a key of `ATTENTIONS`.
        dropout: float in [0, 1).
        scheduled_sampling: float in [0, 1], share of the decoder's inputs that it drew itself.
        seed: int, of those draws.
        bptt_steps: int or None, most steps that a gradient flows back; all by default.
        vocabulary: str, fingerprint of the tokens that the numbers stand for; empty: not known.

    Call arguments:
        inputs: a dict of `source` (batch, S), and `before` (batch, T), the target tokens with the
            start before them and without the last one.

    Returns:
        Logits (batch, T, target_size).
    """

    def __init__(
        self,
        *,
        source_size: int,
        target_size: int,
        cell: str,
        units: int,
        layers: int,
        embedding: int,
        attention: str,
        dropout: float,
        scheduled_sampling: float = 0.0,
        seed: int = 0,
        bptt_steps: int | None = None,
        vocabulary: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.arguments = {
            "source_size": source_size,
            "target_size": target_size,
            "cell": cell,
            "units": units,
            "layers": layers,
            "embedding": embedding,
            "attention": attention,
            "dropout": dropout,
            "scheduled_sampling": scheduled_sampling,
            "seed": seed,
            "bptt_steps": bptt_steps,
            "vocabulary": vocabulary,
        }
        self.source_size, self.target_size = source_size, target_size

        def cells() -> list[keras.layers.Layer]:
            return [recurrent_layer(cell, units).cell for _ in range(layers)]

        first, *others = cells()
        mechanism = ATTENTIONS[attention]
        if mechanism is not None:
            first = rnnkit.AttentionCell(first, mechanism(units), attention_size=units)
        self.embedding = keras.layers.Embedding(source_size, embedding)
        self.translator = rnnkit.EncoderDecoder(
            cells(),
            [first, *others],
            vocabulary_size=target_size,
            embedding_size=embedding,
            bidirectional=True,
            feed_summary=mechanism is None,  # the one vector, at every step (Cho et al. 2014)
            dropout=dropout,
            scheduled_sampling=scheduled_sampling,
            seed=seed,
        )
        for layer in self.translator._flatten_layers():
            if isinstance(layer, rnnkit.RNN):
                layer.truncate_gradient = bptt_steps

    def build(self, shapes: Mapping[str, Any]) -> None:
        self.embedding.build(shapes["source"])
        vectors = (*shapes["source"], self.embedding.output_dim)
        self.translator.build(vectors, shapes["before"])

    def call(self, inputs: Mapping[str, Tensor], training: bool | None = None) -> Tensor:
        source = inputs["source"]
        return self.translator(
            self.embedding(source),
            inputs["before"],
            source_mask=ops.not_equal(source, 0),
            training=training,
        )

    def decoder(self, source: Tensor) -> tuple[Step, Any]:
        """A step `(tokens, state) -> (logits, state)` that translates `source` (batch, S), and the
        state before the first: what the searches of `rnnkit.decoding` ask for."""
        mask = ops.not_equal(source, 0)
        state, memory = self.translator.start(self.embedding(source), mask=mask)
        return lambda tokens, state: self.translator.step(tokens, state, memory), state

    def alignments(self, source: Tensor, before: Tensor) -> tf.Tensor:
        """How much each step of the decoder reads of each source token: (batch, T, S)."""
        mask = ops.not_equal(source, 0)
        return self.translator.alignments(self.embedding(source), before, mask=mask)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.arguments}
