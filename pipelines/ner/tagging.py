"""From strings to tags, in the graph: what predictions and the export are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import keras
import tensorflow as tf

import rnnkit
from pipelines.ner.encoding import LONGEST, SHAPES, Encoding
from pipelines.ner.schemes import Entity, lenient_entities
from pipelines.ner.sentences import Sentence
from pipelines.text.tokens import words

MOST_TOKENS = 4096  # that are tagged at a time
AT_ONCE = 64  # texts that are cut at a time
Tensors = dict[str, tf.Tensor]


class Tagged(NamedTuple):
    """A sentence, what its tokens are tagged as, and how probable each tag is."""

    sentence: Sentence
    tags: list[str]
    probability: list[float]


class Tagger:
    """A model with everything around it that a sentence needs.

    Args:
        model: what `pipelines.ner.model.tagger` made.
        encoding: of the vocabularies it was trained with.
        labels: what its tags' numbers mean; tags of entities are given out in iob2.
    """

    def __init__(self, model: keras.Model, encoding: Encoding, labels: Sequence[str]) -> None:
        self.model, self.encoding = model, encoding
        self._labels = tf.constant(list(labels))
        decoder, marginals = rnnkit.CRFDecoder(), rnnkit.CRFMarginals()

        @tf.function(autograph=False)
        def core(words: tf.Tensor, characters: tf.Tensor, shapes: tf.Tensor) -> Tensors:
            potentials = model(
                {"words": words, "characters": characters, "shapes": shapes}, training=False
            )
            tags = decoder(potentials)
            likely = tf.gather(marginals(potentials), tags, batch_dims=2)
            return {"tags": tags, "probability": tf.cast(likely, tf.float32)}

        self.core = core
        self.core_inputs = {
            "words": tf.TensorSpec((1, 8), tf.int32, name="words"),
            "characters": tf.TensorSpec((1, 8, LONGEST), tf.int32, name="characters"),
            "shapes": tf.TensorSpec((1, 8, len(SHAPES)), tf.float32, name="shapes"),
        }
        spec = tf.TensorSpec((None, None), tf.string)
        self._of_tokens = tf.function(self.of_tokens, input_signature=[spec], autograph=False)

    def of_tokens(self, tokens: tf.Tensor) -> Tensors:
        """Tags, and how probable each is, of tokens: string (batch, T), "" after a sentence's end.

        Both are (batch, T), "" and 0 where there is no token.
        """
        shape = tf.shape(tokens)
        padded = tf.pad(tokens, [[0, 0], [0, tf.cast(shape[1] == 0, tf.int32)]])  # T of 1 or more
        found = self.core(**self.encoding(padded))
        real = padded != ""
        tags = tf.where(real, tf.gather(self._labels, found["tags"]), "")
        probability = tf.where(real, found["probability"], 0.0)
        return {"tags": tags[:, : shape[1]], "probability": probability[:, : shape[1]]}

    def of_sentences(self, sentence: tf.Tensor) -> Tensors:
        """The tokens of raw sentences, string (batch,), where each starts and ends in code points,
        its tag and how probable that is: (batch, T) each, "" and 0 where there is no token."""
        found = words(sentence)
        tokens = found.text.to_tensor("")
        return {
            "tokens": tokens,
            "start": found.start.to_tensor(0),
            "end": found.end.to_tensor(0),
            **self.of_tokens(tokens),
        }

    def tag(self, sentences: Iterable[Sentence]) -> Iterator[Tagged]:
        """Each sentence with its tags, in a stream."""
        for some in _batches(sentences):
            tokens = tf.ragged.constant([s.tokens for s in some], tf.string, ragged_rank=1)
            found = self._of_tokens(tokens.to_tensor(""))
            tags, probability = found["tags"].numpy(), found["probability"].numpy()
            for row, sentence in enumerate(some):
                count = len(sentence.tokens)
                yield Tagged(
                    sentence,
                    [tag.decode() for tag in tags[row, :count]],
                    probability[row, :count].tolist(),
                )


def _batches(sentences: Iterable[Sentence]) -> Iterator[list[Sentence]]:
    """As many at a time as fit into so many tokens, padding included."""
    some: list[Sentence] = []
    longest = 1
    for sentence in sentences:
        longest = max(longest, len(sentence.tokens))
        if some and (len(some) + 1) * longest > MOST_TOKENS:
            yield some
            some, longest = [], max(1, len(sentence.tokens))
        some.append(sentence)
    if some:
        yield some


def cut(texts: Iterable[str], name: str = "text") -> Iterator[Sentence]:
    """Raw sentences as records, in a stream."""
    remaining = iter(texts)
    number = 0
    while some := list(islice(remaining, AT_ONCE)):
        found = words(tf.constant(some))
        rows = zip(some, found.text, found.start, found.end, strict=True)
        for text, tokens, starts, ends in rows:
            number += 1
            yield Sentence(
                f"{name}:{number}",
                tuple(token.decode() for token in tokens.numpy()),
                text=text,
                places=tuple(zip(starts.numpy().tolist(), ends.numpy().tolist(), strict=True)),
            )


def answer(tagged: Tagged, scheme: bool) -> dict[str, Any]:
    """What `predict` tells of a sentence. The probability of an entity is that of its least
    probable tag, which it cannot exceed."""
    sentence, tags, probability = tagged
    spans, text = sentence.spans, sentence.sentence
    told: dict[str, Any] = {"text": text}
    if scheme:
        told["entities"] = [
            _entity(entity, text, spans, probability) for entity in lenient_entities(tags)
        ]
    told |= {"tokens": list(sentence.tokens), "tags": tags}
    return told if sentence.cells is None else {**told, "columns": sentence.cells}


def _entity(
    entity: Entity, text: str, spans: Sequence[tuple[int, int]], probability: Sequence[float]
) -> dict[str, Any]:
    start, end = spans[entity.start][0], spans[entity.end - 1][1]
    return {
        "text": text[start:end],
        "type": entity.type,
        "start": start,
        "end": end,
        "probability": round(min(probability[entity.start : entity.end]), 4),
    }
