"""The layer: an encoder, what carries its last states over, and a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from rnnkit.arguments import is_cell, number, positive_int
from rnnkit.cells.base import Tensor
from rnnkit.encoder_decoder.decoder import Decoder
from rnnkit.encoder_decoder.encoder import Encoder
from rnnkit.encoder_decoder.scheduled_sampling import scheduled_sampling as sampled_logits
from rnnkit.encoder_decoder.sizes import memory_size, own_sizes

States = list[Tensor]


@keras.saving.register_keras_serializable("rnnkit")
class EncoderDecoder(keras.layers.Layer):
    """A recurrent encoder reads a sequence, a recurrent decoder writes another.

        m_1..m_S, end = encoder(x_1..x_S)
        s_0 = end                                   equal sizes: state by state
        s_0 = tanh(end W + b), a W for each state   unequal sizes, two directions, other depths
        z_l, s_l = decoder(embedding(y_{l-1}), s_{l-1})         y_0 is the start token
        logits_l = z_l V + c

    That is the fixed-vector form: all of x that the decoder gets is s_0 (Sutskever 2014), and with
    `feed_summary` at every step the last output of the encoder too (Cho 2014). Long sources do not
    fit into one vector. With an `AttentionCell` among the decoder's cells, m_1..m_S is its memory.

    In training y_{l-1} is the target (teacher forcing), so that all inputs are known beforehand.
    Used freely the decoder meets its own mistakes, which it never saw in training; scheduled
    sampling mixes some in: with the chance r each y_{l-1} is a token that the decoder drew from
    its own logits a step before.

    Args:
        encoder: a cell or a list of cells, each running on the outputs of the one before:
            rnnkit's, or any with Keras's contract.
        decoder: the same; none, one or more may be an `AttentionCell`.
        vocabulary_size: positive int, target tokens, start, end and padding included.
        embedding_size: positive int, the width of the embedded target tokens.
        bidirectional: bool, default False. True gives each cell of the encoder a twin that runs
            from right to left, both outputs side by side.
        feed_summary: bool, default False; see above. Without attention worth its price: the start
            state alone is forgotten on the way.
        dropout: float in [0, 1), default 0: of the inputs of every layer of the encoder, the
            embedded targets, and the outputs of the decoder.
        scheduled_sampling: the chance r in training: a float from 0 (the default, teacher
            forcing) to 1, or a `keras.optimizers.schedules.LearningRateSchedule` of the number
            of batches seen. Bengio's linear decay of teacher forcing is `PolynomialDecay(0.0,
            10_000, 0.5)`. Decoding step by step, it trains slower than teacher forcing.
        seed: int, default 0, of the draws of scheduled sampling; the same seed draws the same.
        **kwargs: `name` and `dtype`.

    Call arguments:
        source: x, (batch, S, m) vectors, such as embedded tokens.
        targets: y_0..y_{L-1}, (batch, L) int tokens.
        source_mask: (batch, S), True where x is real; the mask that `source` carries by default.
        training: bool.

    Returns:
        logits (batch, L, vocabulary_size). They carry no mask: weigh the labels instead.

    Raises:
        ValueError: an argument outside its range, something else than cells, a source or targets
            of another rank.

    Example:

    >>> cell = rnnkit.AttentionCell(
    ...     rnnkit.GRUCell(16), rnnkit.BahdanauAttention(16), attention_size=16)
    >>> layer = rnnkit.EncoderDecoder(
    ...     [rnnkit.GRUCell(8), rnnkit.GRUCell(8)], cell, vocabulary_size=10, embedding_size=4,
    ...     bidirectional=True)
    >>> source, targets = keras.ops.zeros((2, 7, 5)), keras.ops.ones((2, 3), "int32")
    >>> layer(source, targets).shape
    TensorShape([2, 3, 10])
    >>> state, memory = layer.start(source)
    >>> step = lambda tokens, state: layer.step(tokens, state, memory)
    >>> rnnkit.decoding.beam_search(step, state, 1, 2, width=3, max_length=6).tokens.shape
    TensorShape([2, 1, 6])

    Reference: I. Sutskever, O. Vinyals and Q. Le, Sequence to Sequence Learning with Neural
    Networks, NIPS 2014; K. Cho et al., Learning Phrase Representations using RNN Encoder-Decoder
    for Statistical Machine Translation, EMNLP 2014; S. Bengio et al., Scheduled Sampling for
    Sequence Prediction with Recurrent Neural Networks, NIPS 2015.
    """

    def __init__(
        self,
        encoder: Any,
        decoder: Any,
        vocabulary_size: int,
        embedding_size: int,
        *,
        bidirectional: bool = False,
        feed_summary: bool = False,
        dropout: float = 0.0,
        scheduled_sampling: Any = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        example = "EncoderDecoder(cell, cell, vocabulary_size=8000, embedding_size=128)"
        self.vocabulary_size = positive_int("vocabulary_size", vocabulary_size, example)
        self.embedding_size = positive_int("embedding_size", embedding_size, example)
        self.feed_summary = bool(feed_summary)
        rule = "a float at least 0 and below 1", "EncoderDecoder(..., dropout=0.2)"
        self.dropout = number("dropout", dropout, *rule, lambda rate: 0 <= rate < 1)
        self.scheduled_sampling = scheduled_sampling
        if not isinstance(scheduled_sampling, keras.optimizers.schedules.LearningRateSchedule):
            self.scheduled_sampling = number(
                "scheduled_sampling",
                scheduled_sampling,
                "a float from 0 to 1, or a Keras schedule",
                "EncoderDecoder(..., scheduled_sampling=0.25)",
                lambda rate: 0 <= rate <= 1,
            )
        self.seed = int(seed)
        own = {"dropout": self.dropout, "dtype": self.dtype_policy}
        cells = _cells("encoder", encoder)
        self.encoder = Encoder(cells, bidirectional=bool(bidirectional), **own)
        cells = _cells("decoder", decoder)
        self.decoder = Decoder(cells, vocabulary_size, embedding_size, **own)
        ends, starts = self.encoder.end_sizes, [own_sizes(cell) for cell in self.decoder.cells]
        self.bridges = []  # one for each state of the decoder, none where they fit as they are
        if self.encoder.bidirectional or ends != starts:
            self.bridges = [
                keras.layers.Dense(size, "tanh", name=f"bridge_{k}", dtype=self.dtype_policy)
                for k, size in enumerate(size for cell in starts for size in cell)
            ]
        self.supports_masking = True

    def build(self, source_shape: Sequence[Any], targets_shape: Sequence[Any] = ()) -> None:
        self.encoder.build(source_shape)
        for bridge in self.bridges:
            bridge.build((None, sum(size for cell in self.encoder.end_sizes for size in cell)))
        width = self.encoder.output_size
        summary = (None, width) if self.feed_summary else None
        self.decoder.build(
            (None, None), summary_shape=summary, memory_shape=(*source_shape[:2], width)
        )
        self.batches = self.add_weight(
            name="batches", shape=(), dtype="int32", initializer="zeros", trainable=False
        )

    def call(
        self,
        source: Tensor,
        targets: Tensor,
        source_mask: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        self._check(source, targets)
        outputs, summary, state = self._encode(source, source_mask, training)
        if not training or self.scheduled_sampling == 0.0:
            given = {"state": state, "summary": summary, "outputs": outputs}
            return self.decoder(targets, **given, outputs_mask=source_mask, training=training)
        memory = self.decoder.remember(outputs, source_mask, summary)
        rate, batches = self.scheduled_sampling, ops.convert_to_tensor(self.batches)
        logits = sampled_logits(
            lambda tokens, state, keep: self.decoder.step(tokens, state, memory, keep),
            targets,
            state,
            rate(batches) if callable(rate) else rate,
            seed=self.seed,
            batch_number=batches,
            keep=self.decoder.dropout_masks(targets),
        )
        self.batches.assign(self.batches + 1)
        return ops.cast(logits, self.compute_dtype)

    def compute_output_shape(
        self, source_shape: Sequence[Any], targets_shape: Sequence[Any]
    ) -> tuple[Any, ...]:
        return (*targets_shape, self.vocabulary_size)

    def compute_mask(self, source: Tensor, mask: Any = None) -> None:
        """None: the logits are not as long as the source."""

    def alignments(self, source: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
        """What the decoder looked at, for each target: (batch, L, S), of its first attention.

        Args:
            source, targets: as for a call.
            mask: (batch, S), True where the source is real; None: everywhere.

        Raises:
            ValueError: the decoder has no attention, or the layer is not built.
        """
        self._check(source, targets)
        outputs, summary, state = self._encode(source, mask)
        return self.decoder.alignments(
            targets, state=state, summary=summary, outputs=outputs, outputs_mask=mask
        )

    def start(self, source: Tensor, mask: Tensor | None = None) -> tuple[States, States]:
        """Everything decoding needs of a source.

        Args:
            source: (batch, S, m).
            mask: (batch, S), True where the source is real; None: everywhere.

        Returns:
            `(state, memory)`, two lists of tensors with a batch axis each: what steps change, and
            what they only read. Only the state belongs to a hypothesis of a beam.

        Raises:
            ValueError: the layer is not built.
        """
        outputs, summary, state = self._encode(source, mask)
        return state, self.decoder.remember(outputs, mask, summary)

    def step(self, tokens: Tensor, state: States, memory: States) -> tuple[Tensor, States]:
        """One step of the decoder.

        Args:
            tokens: (rows,) int, the tokens before.
            state: as `start` or the step before gave it, each (rows, width).
            memory: as `start` gave it. `rows` may be a multiple of its batch: rows side by side
                share a memory, as the hypotheses of `beam_search` do.

        Returns:
            `(logits, state)`: (rows, vocabulary_size), and the state after the step.
        """
        return self.decoder.step(tokens, state, memory)

    def _encode(self, source: Tensor, mask: Tensor | None, training: bool | None = None):
        """`(outputs, summary, state)`: of every place, of the whole, and where decoding starts."""
        if not self.built:
            raise ValueError(
                f"{self.name} must be built before it decodes. Received: a layer without weights. "
                "Call it on a batch once: layer(source, targets)."
            )
        outputs, ends = self.encoder(source, mask=mask, training=training)
        summary = self.encoder.summary(outputs, mask) if self.feed_summary else None
        if self.bridges:
            joined = ops.concatenate(ends, axis=-1)
            ends = [bridge(joined) for bridge in self.bridges]
        return outputs, summary, self.decoder.first_state(ends, ops.shape(outputs)[0])

    def _check(self, source: Tensor, targets: Tensor) -> None:
        if len(source.shape) != 3 or len(targets.shape) != 2:
            raise ValueError(
                "EncoderDecoder expects a source (batch, S, m) and targets (batch, L). Received: "
                f"shapes {tuple(source.shape)} and {tuple(targets.shape)}. "
                "Example: layer(Embedding(1000, 64, mask_zero=True)(tokens), target_tokens)."
            )

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        sampling = self.scheduled_sampling
        return {
            **super().get_config(),
            "encoder": [serialize(cell) for cell in self.encoder.cells],
            "decoder": [serialize(cell) for cell in self.decoder.cells],
            "vocabulary_size": self.vocabulary_size,
            "embedding_size": self.embedding_size,
            "bidirectional": self.encoder.bidirectional,
            "feed_summary": self.feed_summary,
            "dropout": self.dropout,
            "scheduled_sampling": serialize(sampling) if callable(sampling) else sampling,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> EncoderDecoder:
        deserialize = keras.saving.deserialize_keras_object
        names = "encoder", "decoder", "scheduled_sampling"
        return cls(**{**config, **{name: deserialize(config[name]) for name in names}})


def _cells(name: str, cells: Any) -> list[keras.layers.Layer]:
    cells = list(cells) if isinstance(cells, (list, tuple)) else [cells]
    for cell in cells or [None]:
        if not is_cell(cell):
            raise ValueError(
                f"{name} must be a cell or a list of cells. Received: {cell!r}. "
                f"Example: EncoderDecoder({name}=[rnnkit.LSTMCell(64), rnnkit.LSTMCell(64)], ...)."
            )
        if name == "encoder" and memory_size(cell):
            raise ValueError(
                "An encoder has no memory to attend to. Received: encoder with "
                f"{type(cell).__name__}. Put it among the decoder's cells."
            )
    return cells
