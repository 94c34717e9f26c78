"""The task of named entities: from tagged sentences to a model that marks people and places."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import rnnkit
from pipelines.errors import UserError
from pipelines.ner import floors, inputs, plots, serving, showing, writing
from pipelines.ner.encoding import Encoding, learn_characters, learn_words
from pipelines.ner.metrics import count_entities, entity_scores, label_scores
from pipelines.ner.model import start_from, tagger
from pipelines.ner.objectives import PREFIXES, EntityF1, RecallOrientedLoss, outside_of
from pipelines.ner.reading import read_sentences
from pipelines.ner.schemes import OUTSIDE, iob2, lenient_entities, split_tag
from pipelines.ner.sentences import Sentence
from pipelines.ner.settings import NerOptions, NerSettings
from pipelines.ner.tagging import Tagger, answer, cut
from pipelines.task import Answering, Reading, Served, Task, Tensors, Typed
from pipelines.text.vectors import read_vectors
from pipelines.text.vocabulary import FIRST

OTHER = "not in training"  # the type, or label, of what the training part does not have
PREPARED_AT_ONCE = 256  # sentences
EMBEDDING = 100  # width of word vectors, where neither --embedding nor --vectors says one


class NerTask(Task[Sentence, NerSettings], Typed[Sentence], Answering):
    """Many-to-many: a tag a token.

    A record is a `Sentence`. With `scheme none` its labels are anything, and there are no entities.
    """

    name = "ner"
    Settings = NerSettings
    Options = NerOptions
    metrics = ("f1_strict", "precision_strict", "recall_strict", "f1_lenient", "accuracy")
    selection = "val_error"
    _last: Tagger | None = None

    @property
    def _has_scheme(self) -> bool:
        return self.settings.scheme != "none"

    @property
    def _labels(self) -> list[str]:
        return self.learnt["labels"]

    # --- data -----------------------------------------------------------------------------------

    def read(self, source: str | None) -> Reading[Sentence]:
        return read_sentences(
            source, scheme=self.settings.scheme, tag_column=self.settings.tag_column
        )

    def check_parts(self, parts: Mapping[str, Sequence[Sentence]]) -> None:
        """A type that files of validation or test have and the training files lack is an error; one
        that the split of a file put there alone is told, and its entities count as missed."""
        known = {kind for sentence in parts["train"] for kind in self._kinds(sentence)}
        if not known:
            raise UserError(
                f"{parts['train'][0].name}: expected entities in the training part. Received: "
                f"{len(parts['train'])} sentences with the tag O alone."
            )
        files = {_file(sentence) for sentence in parts["train"]}
        for part in ("valid", "test"):
            told: Counter[str] = Counter()
            for sentence in parts[part]:
                for kind in self._kinds(sentence) - known:
                    if _file(sentence) not in files:
                        raise UserError(
                            f"{sentence.name}: expected the types of the training part "
                            f"({', '.join(sorted(known))}). Received: {kind}, in the {part} part "
                            "alone. Add sentences with it to the training part, or take it out."
                        )
                    told[kind] += 1
            for kind, count in told.items():
                print(
                    f"note: {kind} is in the {part} part alone, in {count} sentences: no model can "
                    "learn it, and what it missed counts",
                    file=sys.stderr,
                )

    def _kinds(self, sentence: Sentence) -> set[str]:
        """The types of its entities, or its labels."""
        assert sentence.tags is not None
        if not self._has_scheme:
            return set(sentence.tags)
        return {split_tag(tag)[1] for tag in sentence.tags if tag != OUTSIDE}

    def learn(self, records: Sequence[Sentence]) -> dict[str, Any]:
        settings, tokens = self.settings, [record.tokens for record in records]
        kinds = sorted({kind for record in records for kind in self._kinds(record)})
        words = learn_words(tokens, settings.min_count)
        self.learnt = {
            "labels": [OUTSIDE, *(f"{p}-{kind}" for kind in kinds for p in PREFIXES)]
            if self._has_scheme
            else kinds,
            "characters": learn_characters(tokens),
            "embedding": settings.embedding or EMBEDDING,
        }
        if settings.vectors:
            # A rare word has no vector of its own to learn, but it may have one in the file.
            every = learn_words(tokens, 1)
            vectors = read_vectors(settings.vectors, every, settings.embedding)
            frequent = set(words)
            words = [w for w, has in zip(every, vectors.found, strict=True) if has or w in frequent]
            self.learnt["embedding"] = vectors.width
            self.learnt["vectors_found"] = found = int(vectors.found.sum())
            print(
                f"{settings.vectors}: has {found} of the {len(every)} words of the training part "
                f"({found / len(every):.1%})",
                file=sys.stderr,
            )
        self.learnt["words"] = words
        return self.learnt

    def describe(self, records: Sequence[Sentence]) -> dict[str, str]:
        lengths = [len(record.tokens) for record in records]
        counts: Counter[str] = Counter()
        for record in records:
            assert record.tags is not None
            if self._has_scheme:
                counts.update(entity.type for entity in lenient_entities(record.tags))
            else:
                counts.update(record.tags)
        what = "entities" if self._has_scheme else "labels"
        named = ", ".join(f"{kind} {count}" for kind, count in counts.most_common(20))
        return {
            "sentences": str(len(records)),
            "tokens": str(sum(lengths)),
            "tokens a sentence": f"{min(lengths)} to {max(lengths)}, {np.median(lengths):.0f} in "
            "the middle",
            "documents or texts": str(len({record.group for record in records})),
            what: f"{counts.total()} ({named})" if counts else "none",
        }

    # --- tensors --------------------------------------------------------------------------------

    @cached_property
    def _encoding(self) -> Encoding:
        return Encoding(self.learnt["words"], self.learnt["characters"])

    @property
    def element_spec(self) -> dict[str, tf.TensorSpec]:
        return {
            "tokens": tf.TensorSpec((None,), tf.string),
            "tags": tf.TensorSpec((None,), tf.int32),
        }

    def element(self, record: Sentence) -> dict[str, np.ndarray]:
        tokens = np.array([token.encode() for token in record.tokens], dtype=object)
        tags = record.tags or (self._labels[0],) * len(record.tokens)
        return {"tokens": tokens, "tags": np.array([self._number(tag) for tag in tags], np.int32)}

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {label: number for number, label in enumerate(self._labels)}

    def _number(self, tag: str) -> int:
        """A negative number for a tag that was not learnt, by its prefix: see `EntityF1`."""
        if tag in self._numbers:
            return self._numbers[tag]
        return -1 - PREFIXES.index(split_tag(tag)[0] if self._has_scheme else "S")

    def prepared(self, elements: tf.data.Dataset) -> tf.data.Dataset:
        """The encoding of many sentences at a time is ten times as fast as one by one."""
        encode = self._encoding  # made outside of the graph, as its tables must be

        def encoded(batch: Tensors) -> Tensors:
            features = encode(batch["tokens"].to_tensor(""))
            lengths = tf.cast(batch["tags"].row_lengths(), tf.int32)
            return {**features, "tags": batch["tags"].to_tensor(0), "length": lengths}

        def trimmed(element: Tensors) -> Tensors:
            length = element.pop("length")
            return {name: values[:length] for name, values in element.items()}

        return elements.ragged_batch(PREPARED_AT_ONCE).map(encoded).unbatch().map(trimmed)

    def length(self, element: Tensors) -> tf.Tensor:
        return tf.shape(element["words"])[0]

    def example(self, batch: Tensors, lengths: tf.Tensor) -> tuple[Any, Any, Any]:
        x = {name: values for name, values in batch.items() if name != "tags"}
        return x, batch["tags"], tf.cast(lengths > 0, tf.float32)

    # --- model ----------------------------------------------------------------------------------

    def model(self) -> keras.Model:
        settings, words = self.settings, self.learnt["words"]
        model = tagger(
            labels=self._labels,
            scheme="IOBES" if self._has_scheme else None,
            words=FIRST + len(words),
            characters=FIRST + len(self.learnt["characters"]),
            cell=settings.cell,
            units=settings.units,
            layers=settings.layers,
            dropout=settings.dropout,
            embedding=self.learnt["embedding"],
            word_dropout=settings.word_dropout,
            character_embedding=settings.character_embedding,
            character_units=settings.character_units,
            bptt_steps=settings.bptt_steps,
        )
        if settings.vectors:
            start_from(model, read_vectors(settings.vectors, words, self.learnt["embedding"]))
        return model

    def compile_arguments(self) -> dict[str, Any]:
        name = "f1_strict" if self._has_scheme else "accuracy"
        outside = outside_of(self._labels, self._has_scheme)
        return {
            "loss": RecallOrientedLoss(self.settings.recall_cost, outside),
            "weighted_metrics": [EntityF1(self._labels, self._has_scheme, name=name)],
        }

    # --- scores ---------------------------------------------------------------------------------

    def scores(self, model: keras.Model, batches: tf.data.Dataset) -> dict[str, float]:
        decoder = rnnkit.CRFDecoder()
        decoded = tf.function(lambda x: decoder(model(x, training=False)), autograph=False)
        sentences = []
        for x, y, weight in batches:
            lengths = tf.math.count_nonzero(x["words"], axis=1).numpy()
            tags, true = decoded(x).numpy(), y.numpy()
            for row in np.flatnonzero(weight.numpy()):
                count = lengths[row]
                sentences.append((self._tags(true[row, :count]), self._tags(tags[row, :count])))
        return self._scored(sentences)

    def _tags(self, numbers: np.ndarray) -> list[str]:
        prefixes = [f"{p}-{OTHER}" if self._has_scheme else OTHER for p in PREFIXES]
        names = [*self._labels, *reversed(prefixes)]  # so that -1 - k is the k-th prefix
        return [names[number] for number in numbers]

    def _scored(self, sentences: Any) -> dict[str, float]:
        return entity_scores(sentences) if self._has_scheme else label_scores(sentences)

    def fit_floors(self, records: Sequence[Sentence]) -> dict[str, np.ndarray]:
        return floors.fit(records)

    def floors(
        self, fitted: dict[str, np.ndarray], records: Sequence[Sentence]
    ) -> dict[str, dict[str, float]]:
        sentences = [
            (self._tags(self.element(record)["tags"]), predicted)
            for record, predicted in zip(records, floors.tags(fitted, records), strict=True)
        ]
        return {"most_frequent_tag": self._scored(sentences)}

    # --- use ------------------------------------------------------------------------------------

    def typed(self, texts: Sequence[str]) -> list[Sentence]:
        return [*cut(texts)]

    def predict(self, model: keras.Model, records: Sequence[Sentence]) -> list[dict[str, Any]]:
        """The text, its entities with their places in it, its tokens and their tags in iob2."""
        return [*self._answers(model, records)]

    def answers(
        self, model: keras.Model, texts: Sequence[str], input: str | None, options: NerOptions
    ) -> Iterator[dict[str, Any]]:
        records = cut(texts) if input is None else inputs.read(input, options.columns)
        return self._answers(model, records)

    def _answers(self, model: keras.Model, records: Iterable[Sentence]) -> Iterator[dict[str, Any]]:
        for tagged in self._tagger(model).tag(records):
            yield answer(tagged, self._has_scheme)

    def _tagger(self, model: keras.Model) -> Tagger:
        if self._last is None or self._last.model is not model:  # tracing takes seconds
            labels = [iob2(label) for label in self._labels] if self._has_scheme else self._labels
            self._last = Tagger(model, self._encoding, labels)
        return self._last

    def show(self, answers: Iterable[dict[str, Any]]) -> Iterator[Any]:
        return showing.show(answers)

    @property
    def writers(self) -> Mapping[str, Callable[[Iterable[dict[str, Any]], Path], None]]:
        return {".conll": writing.write_columns}

    def served(self, model: keras.Model) -> Served:
        return serving.served(self._tagger(model))

    def requests(self, records: Sequence[Sentence]) -> dict[str, dict[str, np.ndarray]]:
        return serving.requests(records)

    def plots(self, model: keras.Model, records: Sequence[Sentence], folder: str) -> None:
        """Precision, recall and F1 of each type."""
        if self._has_scheme:
            pairs = [
                (tagged.sentence.tags or (), tagged.tags)
                for tagged in self._tagger(model).tag(records)
            ]
            counts = count_entities(pairs, lenient_entities)
            plots.entities(counts, Path(folder) / "entities.png")


def _file(sentence: Sentence) -> str:
    return sentence.name.rpartition(":")[0]
