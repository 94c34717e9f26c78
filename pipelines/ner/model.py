"""The model: words and their spelling, recurrent layers in both directions, a CRF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

import rnnkit
from pipelines.cells import bidirectional_layer
from pipelines.ner.encoding import LONGEST, SHAPES
from pipelines.text.vectors import Vectors
from pipelines.text.vocabulary import FIRST, UNKNOWN

Tensor = Any


@keras.saving.register_keras_serializable("rnnkit")
class WordDropout(keras.layers.Layer):
    """In training, words at random become the unknown word.

    Without it the unknown word, which the vectors of all new words share, is seen for rare words
    alone, and known words are learnt by heart.

    Args:
        rate: float in [0, 1), share of the words.
        seed: int.

    Call arguments:
        words: int (batch, T), numbers of `pipelines.text.vocabulary`.

    Reference: M. Iyyer et al., Deep Unordered Composition Rivals Syntactic Methods for Text
    Classification, ACL 2015.
    """

    def __init__(self, rate: float, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate, self.seed = rate, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, words: Tensor, training: bool | None = None) -> Tensor:
        if not training or self.rate == 0:
            return words
        drawn = keras.random.uniform(ops.shape(words), seed=self.seed_generator)
        return ops.where((words >= FIRST) & (drawn < self.rate), UNKNOWN, words)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable("rnnkit")
class Spelling(keras.layers.Layer):
    """A vector a word from its characters: both ends of a recurrent layer over them.

    Args:
        size: int, numbers of characters, padding and the unknown one included.
        embedding: int, width of the vector of a character.
        cell: str, name of the recurrent cell.
        units: int, width of the recurrent layer in each direction.
        truncate_gradient: int or None, most characters that a gradient flows back; default all.

    Call arguments:
        characters: int (batch, T, n), 0 where a word has ended.

    Returns:
        (batch, T, m), zeros where there is no word.

    Reference: G. Lample et al., Neural Architectures for Named Entity Recognition, NAACL 2016.
    """

    def __init__(
        self,
        size: int,
        embedding: int,
        cell: str,
        units: int,
        truncate_gradient: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.arguments = {
            "size": size,
            "embedding": embedding,
            "cell": cell,
            "units": units,
            "truncate_gradient": truncate_gradient,
        }
        self.vectors = keras.layers.Embedding(
            size, embedding, mask_zero=True, dtype=self.dtype_policy, name="vectors"
        )
        self.reader = bidirectional_layer(
            cell,
            units,
            truncate_gradient=truncate_gradient,
            dtype=self.dtype_policy,
            name="reader",
        )

    def build(self, shape: Any) -> None:
        self.vectors.build(shape)
        self.reader.build((None, shape[-1], self.arguments["embedding"]))

    def call(self, characters: Tensor) -> Tensor:
        batch, steps, longest = ops.shape(characters)
        rows = ops.reshape(characters, (batch * steps, longest))
        read = self.reader(self.vectors(rows), mask=ops.not_equal(rows, 0))
        return ops.reshape(read, (batch, steps, read.shape[-1]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.arguments}


def tagger(
    *,
    labels: Sequence[str],
    scheme: str | None,
    words: int,
    characters: int,
    cell: str,
    units: int,
    layers: int,
    dropout: float,
    embedding: int,
    word_dropout: float,
    character_embedding: int,
    character_units: int,
    bptt_steps: int | None = None,
) -> keras.Model:
    """A new model from what `pipelines.ner.encoding.Encoding` gives to the potentials of a CRF.

        x_t = [E(word_t); spelling(characters_t); shape_t]     dropout
        h = BiRNN(x)                                           dropout, a layer after the other
        potentials = CRF(h W + b)

    The CRF stands there without a scheme too: where neighbouring labels tell nothing of each other
    its transitions stay near zero, and it is a softmax a token.

    Args:
        labels: what the tags' numbers mean.
        scheme: "IOBES" lets only tags follow each other that the scheme allows; None all.
        words, characters: int, sizes of the vocabularies, padding and the unknown one included.
        cell, units, layers, dropout, bptt_steps: of the recurrent layers over words.
        embedding: int, width of the vector of a word.
        word_dropout: float, see `WordDropout`.
        character_embedding, character_units: int, see `Spelling`.
    """
    inputs = {
        "words": keras.Input((None,), dtype="int32", name="words"),
        "characters": keras.Input((None, LONGEST), dtype="int32", name="characters"),
        "shapes": keras.Input((None, len(SHAPES)), dtype="float32", name="shapes"),
    }
    known = keras.layers.Embedding(words, embedding, name="word_vectors")(
        WordDropout(word_dropout, seed=1, name="word_dropout")(inputs["words"])
    )
    spelled = Spelling(
        characters, character_embedding, cell, character_units, bptt_steps, name="spelling"
    )(inputs["characters"])
    x = keras.layers.Concatenate()([known, spelled, inputs["shapes"]])
    mask = ops.not_equal(inputs["words"], 0)
    for k in range(layers):
        x = keras.layers.Dropout(dropout, seed=2 + k)(x)
        layer = bidirectional_layer(
            cell,
            units,
            return_sequences=True,
            truncate_gradient=bptt_steps,
            name=f"recurrent_{k}",
        )
        x = layer(x, mask=mask)
    x = keras.layers.Dropout(dropout, seed=2 + layers)(x)
    emissions = keras.layers.Dense(len(labels), name="emissions")(x)
    constraints = None if scheme is None else rnnkit.crf_constraints(labels, scheme)
    potentials = rnnkit.CRF(len(labels), constraints=constraints, name="crf")(emissions, mask=mask)
    return keras.Model(inputs, potentials, name="tagger")


def start_from(model: keras.Model, vectors: Vectors) -> None:
    """Puts pretrained vectors where there are some; the others stay as they were drawn.

    Args:
        model: what `tagger` made.
        vectors: of its vocabulary.
    """
    table = model.get_layer("word_vectors")
    (rows,) = table.get_weights()
    rows[FIRST:][vectors.found] = vectors.matrix[vectors.found]
    table.set_weights([rows])
