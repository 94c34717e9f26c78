"""EncoderDecoder: one sequence in, another out, of another length.

Training, by teacher forcing in a plain functional model (`targets` are start, y_1, .., y_{L-1}; the
labels y_1, .., y_L; a weight a label is 0 in the padding):

    source = keras.Input((None,), dtype="int32")
    targets = keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(source_vocabulary, 128, mask_zero=True)
    translator = rnnkit.EncoderDecoder(
        rnnkit.LSTMCell(128),
        rnnkit.AttentionCell(
            rnnkit.LSTMCell(128), rnnkit.LuongGeneralAttention(), attention_size=128),
        vocabulary_size=target_vocabulary, embedding_size=128, bidirectional=True)
    model = keras.Model([source, targets], translator(embedding(source), targets))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, weighted_metrics=[])
    model.fit((source_ids, target_inputs), target_labels, sample_weight=weights)

Decoding, eagerly, or for export in a `tf.function`; everything is tensors, none is a variable:

    embedded = embedding(source_ids)                  # carries its mask
    state, memory = translator.start(embedded, mask=embedding.compute_mask(source_ids))
    step = lambda tokens, state: translator.step(tokens, state, memory)
    found = rnnkit.decoding.beam_search(
        step, state, start=1, end=2, width=5, max_length=60, length_penalty=0.6, n_best=3)
    found.tokens[:, 0], found.lengths[:, 0]           # greedy_search, sample_search: the same way

For an export that decodes step by step, `state` and `memory` are two lists of tensors with a batch
axis each: inputs and outputs of a signature like any other.

What was looked at, for tokens known (y_1, .., y_L, as a search found them):

    weights = translator.alignments(embedded, target_inputs, mask=mask)     (batch, L, S)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops, tree

from rnnkit.attention import alignments
from rnnkit.birnn import BiRNN
from rnnkit.cells.base import Tensor
from rnnkit.cells.wrappers import Wrapper
from rnnkit.recurrent import RNN
from rnnkit.scheduled_sampling import scheduled_sampling as sampled_logits

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
        encoder, decoder = _cells("encoder", encoder), _cells("decoder", decoder)
        self.vocabulary_size = _positive("vocabulary_size", vocabulary_size)
        self.embedding_size = _positive("embedding_size", embedding_size)
        self.bidirectional = bool(bidirectional)
        self.feed_summary = bool(feed_summary)
        self.dropout = _fraction("dropout", dropout, below=1)
        self.scheduled_sampling = scheduled_sampling
        if not isinstance(scheduled_sampling, keras.optimizers.schedules.LearningRateSchedule):
            self.scheduled_sampling = _fraction("scheduled_sampling", scheduled_sampling)
        self.seed = int(seed)
        own = {"dtype": self.dtype_policy}
        both = {"return_sequences": True, "return_state": True}
        directions = BiRNN if self.bidirectional else RNN
        self.encoder_layers = [directions(cell, **both, **own) for cell in encoder]
        self.decoder_layer = RNN(decoder, **both, **own)
        self.embedding = keras.layers.Embedding(vocabulary_size, embedding_size, **own)
        self.output_layer = keras.layers.Dense(vocabulary_size, name="logits", **own)
        self.drop = keras.layers.Dropout(self.dropout, **own)
        self.bridges: list[keras.layers.Dense] = []
        self.supports_masking = True

    @property
    def encoder_cells(self) -> list[keras.layers.Layer]:
        """The encoder's cells, those from left to right."""
        layers = self.encoder_layers
        single = [layer.forward_layer if self.bidirectional else layer for layer in layers]
        return [layer.cell for layer in single]

    @property
    def decoder_cells(self) -> list[keras.layers.Layer]:
        """The decoder's cells."""
        return list(self.decoder_layer.cell.cells)

    # --- building -----------------------------------------------------------------------------

    def build(self, source_shape: Sequence[Any], targets_shape: Sequence[Any] = ()) -> None:
        batch, time, width = source_shape
        for layer in self.encoder_layers:
            layer.build((batch, time, width))
            width = self._encoder_width(layer)
        ends = self._end_widths
        starts = [size for cell in self.decoder_cells for size in _own_sizes(cell)]
        if not self._hands_on:
            for k, size in enumerate(starts):
                bridge = keras.layers.Dense(
                    size, activation="tanh", name=f"bridge_{k}", dtype=self.dtype_policy
                )
                bridge.build((batch, sum(ends)))
                self.bridges.append(bridge)
        self.embedding.build((batch, None))
        inputs = self.embedding_size + width * self.feed_summary
        memory = (batch, time, width) if self._attends else None
        self.decoder_layer.build((batch, None, inputs), memory_shape=memory)
        self.output_layer.build((batch, None, _output_size(self.decoder_cells[-1])))
        self.batches = self.add_weight(
            name="batches", shape=(), dtype="int32", initializer="zeros", trainable=False
        )

    def _encoder_width(self, layer: Any) -> int:
        if self.bidirectional:
            return 2 * _output_size(layer.forward_layer.cell)
        return _output_size(layer.cell)

    @property
    def _end_widths(self) -> list[int]:
        sizes = [size for cell in self.encoder_cells for size in _sizes(cell)]
        return sizes * (1 + self.bidirectional)

    @property
    def _hands_on(self) -> bool:
        """Whether the last states of the encoder fit the decoder as they are, cell by cell."""
        return not self.bidirectional and [_own_sizes(c) for c in self.decoder_cells] == [
            _sizes(c) for c in self.encoder_cells
        ]

    @property
    def _attends(self) -> bool:
        return any(getattr(cell, "memory_size", 0) for cell in self.decoder_cells)

    # --- all steps ----------------------------------------------------------------------------

    def call(
        self,
        source: Tensor,
        targets: Tensor,
        source_mask: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        self._check(source, targets)
        outputs, summary, state = self._encode(source, source_mask, training)
        if training and self.scheduled_sampling != 0.0:
            memory = self._memory(outputs, summary, source_mask)
            return self._sampled(targets, state, memory)
        inputs = self._decoder_inputs(targets, summary, training)
        memory = {"memory": outputs, "memory_mask": source_mask} if self._attends else {}
        nested = self._nested(state)
        ys, *_ = self.decoder_layer(inputs, initial_state=nested, training=training, **memory)
        return self.output_layer(self.drop(ys, training=training))

    def compute_output_shape(
        self, source_shape: Sequence[Any], targets_shape: Sequence[Any]
    ) -> tuple[Any, ...]:
        return (*targets_shape, self.vocabulary_size)

    def compute_mask(self, source: Tensor, mask: Any = None) -> None:
        """None: the logits are not as long as the source."""

    def alignments(self, source: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
        """What the decoder looked at, for each target: (batch, L, S), of its first attention.

        Args:
            source, targets, mask: as for a call.

        Raises:
            ValueError: the decoder has no attention.
        """
        self._check(source, targets)
        self._check_built()
        outputs, summary, state = self._encode(source, mask, training=False)
        return alignments(
            self.decoder_layer,
            self._decoder_inputs(targets, summary, training=False),
            outputs,
            initial_state=state,
            memory_mask=mask,
        )

    # --- step by step -------------------------------------------------------------------------

    def start(self, source: Tensor, mask: Tensor | None = None) -> tuple[States, States]:
        """Everything decoding needs of a source.

        Args:
            source: (batch, S, m).
            mask: (batch, S), True where the source is real; None: everywhere.

        Returns:
            `(state, memory)`, two lists of tensors with a batch axis each: what steps change, and
            what they only read. Only the state belongs to a hypothesis of a beam.
        """
        self._check_built()
        outputs, summary, state = self._encode(source, mask, training=False)
        return state, self._memory(outputs, summary, mask)

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
        return self._advance(tokens, state, memory)

    def _advance(
        self, tokens: Tensor, state: States, memory: States, keep: Tensor | None = None
    ) -> tuple[Tensor, States]:
        """`step`; `keep` are the masks of dropout in training, of embedding and output."""
        x = self.embedding(tokens)
        if keep is not None:
            x = x * ops.cast(keep[:, : self.embedding_size], x.dtype)
        memory = list(memory)
        if self.feed_summary:
            *memory, summary = memory
            x = _beside(x, summary)
        state = list(state)
        new: States = []
        for cell in self.decoder_cells:
            count, size = len(_sizes(cell)), getattr(cell, "memory_size", 0)
            own, state = state[:count], state[count:]
            read, memory = memory[:size], memory[size:]
            x, after = cell(x, [*own, *read])
            new += tree.flatten(after)[:count]
        if keep is not None:
            x = x * ops.cast(keep[:, self.embedding_size :], x.dtype)
        return self.output_layer(x), new

    # --- parts --------------------------------------------------------------------------------

    def _encode(self, source: Tensor, mask: Tensor | None, training: bool | None):
        """`(outputs, summary, state)`: of every place, of the whole, and where decoding starts."""
        source = ops.convert_to_tensor(source, dtype=self.compute_dtype)
        ends: States = []
        for layer in self.encoder_layers:
            dropped = self.drop(source, training=training)
            source, *states = layer(dropped, mask=mask, training=training)
            ends += tree.flatten(states)
        summary = self._summary(source, mask) if self.feed_summary else None
        return source, summary, self._first_state(ends, ops.shape(source)[0])

    def _summary(self, outputs: Tensor, mask: Tensor | None) -> Tensor:
        """The last output of each direction: (batch, width)."""
        if not self.bidirectional:
            return outputs[:, -1]  # which repeats the last real one
        half = outputs.shape[-1] // 2
        if mask is None:
            return ops.concatenate([outputs[:, -1, :half], outputs[:, 0, half:]], axis=-1)
        real = ops.cast(mask, "int32")
        first = ops.argmax(real, axis=-1)
        last = ops.shape(real)[1] - 1 - ops.argmax(ops.flip(real, axis=-1), axis=-1)
        at = lambda place: ops.cast(place, "int32")[:, None, None]
        forward = ops.take_along_axis(outputs[..., :half], at(last), axis=1)[:, 0]
        backward = ops.take_along_axis(outputs[..., half:], at(first), axis=1)[:, 0]
        return ops.concatenate([forward, backward], axis=-1)

    def _first_state(self, ends: States, batch: Any) -> States:
        """The decoder's states before its first step, of all cells in a row.

        The encoder speaks to the innermost cells; what wrappers add starts as they say.
        """
        if not self._hands_on:
            joined = ops.concatenate(ends, axis=-1)
            ends = [bridge(joined) for bridge in self.bridges]
        state: States = []
        for cell in self.decoder_cells:
            own, ends = ends[: len(_own_sizes(cell))], ends[len(_own_sizes(cell)) :]
            added = []
            if len(own) < len(_sizes(cell)):
                added = tree.flatten(cell.get_initial_state(batch_size=batch))[len(own) :]
            state += [*own, *added]
        return state

    def _memory(self, outputs: Tensor, summary: Tensor | None, mask: Tensor | None) -> States:
        """What steps read: what each attending cell remembers, and the summary if it is fed."""
        memory = []
        for cell in self.decoder_cells:
            if getattr(cell, "memory_size", 0):
                memory += cell.remember(outputs, mask)
        return memory if summary is None else [*memory, summary]

    def _decoder_inputs(
        self, targets: Tensor, summary: Tensor | None, training: bool | None
    ) -> Tensor:
        x = self.drop(self.embedding(targets), training=training)
        if summary is None:
            return x
        every = ops.zeros_like(x[..., :1]) + summary[:, None]
        return ops.concatenate([x, every], axis=-1)

    def _nested(self, state: States) -> Any:
        """The state as `RNN` takes it: a list, or a list of lists for a stack."""
        counts = [len(_sizes(cell)) for cell in self.decoder_cells]
        starts = [sum(counts[:k]) for k in range(len(counts))]
        return [state[a : a + n] for a, n in zip(starts, counts, strict=True)]

    def _sampled(self, targets: Tensor, state: States, memory: States) -> Tensor:
        """Logits, where decoded tokens take the place of some targets."""
        rate = self.scheduled_sampling
        rate = rate(self.batches) if callable(rate) else rate
        keep = None
        if self.dropout:
            width = self.embedding_size + _output_size(self.decoder_cells[-1])
            ones = ops.ones((*ops.shape(targets), width), dtype=self.compute_dtype)
            keep = self.drop(ones, training=True)
        logits = sampled_logits(
            lambda tokens, state, keep: self._advance(tokens, state, memory, keep),
            targets,
            state,
            rate,
            seed=self.seed,
            batch_number=ops.convert_to_tensor(self.batches),
            keep=keep,
        )
        self.batches.assign(self.batches + 1)
        return ops.cast(logits, self.compute_dtype)

    def _check(self, source: Tensor, targets: Tensor) -> None:
        if len(source.shape) != 3 or len(targets.shape) != 2:
            raise ValueError(
                "EncoderDecoder expects a source (batch, S, m) and targets (batch, L). Received: "
                f"shapes {tuple(source.shape)} and {tuple(targets.shape)}. "
                "Example: layer(Embedding(1000, 64, mask_zero=True)(tokens), target_tokens)."
            )

    def _check_built(self) -> None:
        if not self.built:
            raise ValueError(
                f"{self.name} must be built before it decodes. Received: a layer without weights. "
                "Call it on a batch once: layer(source, targets)."
            )

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        sampling = self.scheduled_sampling
        return {
            **super().get_config(),
            "encoder": [serialize(cell) for cell in self.encoder_cells],
            "decoder": [serialize(cell) for cell in self.decoder_cells],
            "vocabulary_size": self.vocabulary_size,
            "embedding_size": self.embedding_size,
            "bidirectional": self.bidirectional,
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
        if not isinstance(cell, keras.layers.Layer) or not hasattr(cell, "state_size"):
            raise ValueError(
                f"{name} must be a cell or a list of cells. Received: {cell!r}. "
                f"Example: EncoderDecoder({name}=[rnnkit.LSTMCell(64), rnnkit.LSTMCell(64)], ...)."
            )
        if name == "encoder" and getattr(cell, "memory_size", 0):
            raise ValueError(
                "An encoder has no memory to attend to. Received: encoder with "
                f"{type(cell).__name__}. Put it among the decoder's cells."
            )
    return cells


def _sizes(cell: Any) -> list[int]:
    return tree.flatten(cell.state_size)


def _own_sizes(cell: Any) -> list[int]:
    """Widths of the states of the cell within all wrappers, which are the first ones."""
    while isinstance(cell, Wrapper):
        cell = cell.cell
    return _sizes(cell)


def _output_size(cell: Any) -> int:
    return getattr(cell, "output_size", None) or _sizes(cell)[0]


def _beside(x: Tensor, summary: Tensor) -> Tensor:
    """Rows (rows, e), and beside each its summary (batch, n), rows side by side sharing one."""
    batch, width = ops.shape(summary)[0], x.shape[-1] + summary.shape[-1]
    grouped = ops.reshape(x, (batch, -1, x.shape[-1]))
    every = ops.zeros_like(grouped[..., :1]) + summary[:, None]
    joined = ops.concatenate([grouped, every], axis=-1)
    return ops.reshape(joined, (ops.shape(x)[0], width))


def _positive(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(
            f"{name} must be a positive int. Received: {name}={value!r}. "
            f"Example: EncoderDecoder(cell, cell, vocabulary_size=8000, embedding_size=128)."
        )
    return value


def _fraction(name: str, value: Any, below: float | None = None) -> float:
    fits = isinstance(value, (int, float)) and 0 <= value <= 1 and value != below
    if not fits:
        expected = "at least 0 and below 1" if below else "from 0 to 1, or a Keras schedule"
        raise ValueError(f"{name} must be a float {expected}. Received: {name}={value!r}.")
    return float(value)
