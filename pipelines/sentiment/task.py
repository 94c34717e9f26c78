"""The sentiment task: from texts with a label each to a model that labels new ones."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from pipelines.confusion import confusion, draw_confusion
from pipelines.errors import UserError
from pipelines.sentiment import answering, floors, html, inputs, plots, serving, showing
from pipelines.sentiment.model import SentimentModel
from pipelines.sentiment.reading import read_reviews
from pipelines.sentiment.reviews import Review
from pipelines.sentiment.scores import scores
from pipelines.sentiment.settings import SentimentOptions, SentimentSettings
from pipelines.sentiment.tensors import Encoder, never_empty, token_counts
from pipelines.task import Answering, Reading, Served, Task, Tensors, Typed
from pipelines.text.vectors import Vectors, read_vectors
from pipelines.text.vocabulary import FIRST, UNKNOWN, learn_vocabulary

EMBEDDING = 128  # width, where neither --embedding nor --vectors says one


class SentimentTask(Task[Review, SentimentSettings], Typed[Review], Answering):
    """Many-to-one: the label of a text, of two classes or more.

    A record is a `Review`; the model reads the numbers of its tokens, which are found inside the
    graph, in training as in the served model.
    """

    name = "sentiment"
    Settings = SentimentSettings
    Options = SentimentOptions
    metrics = ("accuracy", "macro_f1", "roc_auc", "nll", "calibration_error")
    selection = "val_error"  # the loss rises with sureness long before answers get worse

    _encoder: Encoder | None = None
    _vectors: Vectors | None = None

    # --- data -----------------------------------------------------------------------------------

    def read(self, source: str | None) -> Reading[Review]:
        """As of `read_reviews`. A run that knows its labels refuses others."""
        reading = read_reviews(source, self.settings)
        if labels := self.learnt.get("labels"):
            for records in reading.parts.values():
                _refuse_unknown(records, labels)
        return reading

    def check_parts(self, parts: Mapping[str, Sequence[Review]]) -> None:
        """Refuses one class only, and labels that no training text has."""
        labels = _labels(parts["train"])
        if len(labels) < 2:
            raise UserError(
                f"{parts['train'][0].name}: expected training texts of two classes or more. "
                f"Received: {len(parts['train'])} texts, all labelled {labels[0]!r}."
            )
        for part in ("valid", "test"):
            _refuse_unknown(parts[part], labels)

    def learn(self, records: Sequence[Review]) -> dict[str, Any]:
        settings = self.settings
        counts, lengths = token_counts((record.text for record in records), settings.tokens)
        vocabulary = learn_vocabulary(counts, minimum=settings.min_count)
        labels = _labels(records)
        shares = Counter(record.label for record in records)
        self.learnt = {
            "labels": labels,
            "class_counts": [shares[label] for label in labels],
            "vocabulary": vocabulary,
            "embedding": settings.embedding or EMBEDDING,
        }
        if settings.vectors:
            self._vectors = read_vectors(settings.vectors, vocabulary, settings.embedding)
            found = int(self._vectors.found.sum())
            self.learnt["embedding"] = self._vectors.width
            self.learnt["vectors_found"] = found
            share = 100 * found / len(vocabulary)
            _say(f"{settings.vectors}: has {found} of {len(vocabulary)} tokens ({share:.1f} %)")
        if cut := _cut(lengths, settings.max_length):
            _say(f"--max-length {settings.max_length} cuts {cut}")
        return self.learnt

    def describe(self, records: Sequence[Review]) -> dict[str, str]:
        counts, lengths = token_counts((record.text for record in records), self.settings.tokens)
        labels = Counter(record.label for record in records)
        return {
            "texts": str(len(records)),
            **{f"label {label}": str(labels[label]) for label in _labels(records)},
            "tokens": f"{sum(lengths)}, {len(counts)} of them different",
            "tokens a text": f"{min(lengths)} to {max(lengths)}, median {np.median(lengths):.0f}",
            f"cut by --max-length {self.settings.max_length}": _cut(
                lengths, self.settings.max_length
            )
            or "none",
        }

    # --- tensors --------------------------------------------------------------------------------

    @property
    def encoder(self) -> Encoder:
        """From texts to numbers of tokens, for what was learnt."""
        if self._encoder is None or self._encoder.vocabulary is not self.learnt["vocabulary"]:
            with tf.init_scope():  # its table outlives the graph that asks for it first
                self._encoder = Encoder(
                    self.learnt["vocabulary"], self.settings.tokens, self.settings.max_length
                )
        return self._encoder

    @property
    def element_spec(self) -> dict[str, tf.TensorSpec]:
        return {"text": tf.TensorSpec((), tf.string), "label": tf.TensorSpec((), tf.int32)}

    def element(self, record: Review) -> dict[str, Any]:
        return {"text": record.text, "label": self.learnt["labels"].index(record.label)}

    def prepare(self, element: Tensors) -> Tensors:
        return {"ids": self.encoder.ids(element["text"][None])[0], "label": element["label"]}

    def length(self, element: Tensors) -> tf.Tensor:
        return tf.shape(element["ids"])[0]

    def augment(self, element: Tensors, seed: tf.Tensor) -> Tensors:
        """Makes unknown tokens of some, so that the unknown one is trained for."""
        ids = element["ids"]
        dropped = tf.random.stateless_uniform(tf.shape(ids), seed) < self.settings.word_dropout
        return {**element, "ids": tf.where(dropped, UNKNOWN, ids)}

    def example(self, batch: Tensors, lengths: tf.Tensor) -> tuple[Any, Any, Any]:
        weight = tf.cast(lengths > 0, tf.float32)
        if self.settings.class_weights:
            counts = np.array(self.learnt["class_counts"], np.float32)
            weight *= tf.gather(counts.sum() / (len(counts) * counts), batch["label"])
        return never_empty(batch["ids"]), batch["label"], weight

    # --- model ----------------------------------------------------------------------------------

    def model(self) -> keras.Model:
        settings = self.settings
        model = SentimentModel(
            vocabulary=len(self.learnt["vocabulary"]) + FIRST,
            classes=len(self.learnt["labels"]),
            embedding=self.learnt["embedding"],
            cell=settings.cell,
            units=settings.units,
            layers=settings.layers,
            bidirectional=settings.bidirectional,
            pooling=settings.pooling,
            dropout=settings.dropout,
            bptt_steps=settings.bptt_steps,
        )
        model.build((None, None))
        if settings.vectors:
            if self._vectors is None:
                self._vectors = read_vectors(settings.vectors, self.learnt["vocabulary"])
            model.set_embeddings(self._vectors.matrix, FIRST, self._vectors.found)
        return model

    def compile_arguments(self) -> dict[str, Any]:
        return {
            "loss": keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, reduction="mean_with_sample_weight"
            ),
            "weighted_metrics": [keras.metrics.MeanMetricWrapper(_wrong, name="error")],
        }

    # --- scores ---------------------------------------------------------------------------------

    def scores(self, model: keras.Model, batches: tf.data.Dataset) -> dict[str, float]:
        core = serving.core(model)
        labels, probabilities = [], []
        for ids, label, weight in batches:
            real = weight.numpy() > 0  # the others only fill a batch
            labels.append(label.numpy()[real])
            probabilities.append(core(ids).numpy()[real])
        return scores(np.concatenate(labels), np.concatenate(probabilities))

    def fit_floors(self, records: Sequence[Review]) -> dict[str, np.ndarray]:
        classes = len(self.learnt["labels"])
        labels = self._numbers(records)
        return {
            **floors.fit_majority(labels, classes),
            **floors.fit_bag_of_words(self._joined(records), labels, classes),
        }

    def floors(
        self, fitted: dict[str, np.ndarray], records: Sequence[Review]
    ) -> dict[str, dict[str, float]]:
        return floors.floor_scores(fitted, self._joined(records), self._numbers(records))

    def plots(self, model: keras.Model, records: Sequence[Review], folder: str) -> None:
        """`confusion.png` and `reliability.png`."""
        probabilities = answering.probabilities(
            self.encoder, model, (record.text for record in records)
        )
        labels, numbers = self.learnt["labels"], self._numbers(records)
        counts = confusion(numbers, probabilities.argmax(1), len(labels))
        draw_confusion(counts, labels, Path(folder) / "confusion.png")
        plots.reliability(numbers, probabilities, Path(folder))

    def _numbers(self, records: Sequence[Review]) -> np.ndarray:
        number = {label: k for k, label in enumerate(self.learnt["labels"])}
        return np.array([number[record.label] for record in records])

    def _joined(self, records: Sequence[Review]) -> list[str]:
        """The tokens of each text, as the bag of words reads them."""
        tokens = self.encoder.token_lists(record.text for record in records)
        return [floors.END.join(of_text) for of_text in tokens]

    # --- use ------------------------------------------------------------------------------------

    def typed(self, texts: Sequence[str]) -> list[Review]:
        return [Review(row.columns["text"], row.text) for row in inputs.typed(texts)]

    def predict(self, model: keras.Model, records: Sequence[Review]) -> list[dict[str, Any]]:
        rows = (inputs.Row({"name": record.name}, record.text) for record in records)
        return list(answering.answers(self.encoder, model, self.learnt["labels"], rows))

    def answers(
        self, model: keras.Model, texts: Sequence[str], input: str | None, options: Any
    ) -> Iterator[dict[str, Any]]:
        """A row a text: its columns, the likeliest label, every label's probability. Of typed
        texts, and with `explain`, also how far each token moved the answer."""
        rows = inputs.typed(texts) if texts else self._rows(str(input), options)
        explain = bool(texts) or options.explain
        return answering.answers(self.encoder, model, self.learnt["labels"], rows, explain=explain)

    def _rows(self, source: str, options: SentimentOptions) -> Iterator[inputs.Row]:
        return inputs.read_rows(source, options.text_column or self.settings.text_column)

    def show(self, answers: Iterable[dict[str, Any]]) -> Iterator[Any]:
        return showing.show(answers)

    @property
    def writers(self) -> Mapping[str, Callable[[Iterable[dict[str, Any]], Path], None]]:
        return {".html": html.write}

    def served(self, model: keras.Model) -> Served:
        return serving.served(model, self.encoder, self.learnt["labels"])

    def requests(self, records: Sequence[Review]) -> dict[str, dict[str, np.ndarray]]:
        """Some texts of different lengths."""
        some = sorted(records[:100], key=lambda record: len(record.text))
        texts = [some[k].text for k in np.linspace(0, len(some) - 1, 4).astype(int)]
        return {"serving_default": {"text": np.array(texts)}}


def _wrong(labels: Any, logits: Any) -> Any:
    """1 where the likeliest label is not the true one, else 0."""
    decided = ops.cast(ops.argmax(logits, axis=-1), "int32")
    return ops.cast(ops.not_equal(decided, ops.cast(labels, "int32")), "float32")


def _labels(records: Sequence[Review]) -> list[str]:
    """In the order of numbers where all are numbers, else of letters."""
    labels = {str(record.label) for record in records}
    try:
        return sorted(labels, key=lambda label: (float(label), label))
    except ValueError:
        return sorted(labels)


def _refuse_unknown(records: Sequence[Review], labels: Sequence[str]) -> None:
    known = set(labels)
    for record in records:
        if record.label not in known:
            count = sum(other.label == record.label for other in records)
            raise UserError(
                f"{record.name}: expected a label of the training part ({', '.join(labels)}). "
                f"Received: {record.label!r}, of {count} texts. Correct it, leave these texts out, "
                "or give some of them to the training part."
            )


def _cut(lengths: Sequence[int], limit: int) -> str:
    """What a limit cuts off texts of these lengths, "" for nothing."""
    longer = [length - limit for length in lengths if length > limit]
    if not longer:
        return ""
    texts, tokens = len(longer) / len(lengths), sum(longer) / sum(lengths)
    return f"{100 * texts:.2g} % of the texts, {100 * tokens:.2g} % of all tokens"


def _say(words: str) -> None:
    print(words, file=sys.stderr)
