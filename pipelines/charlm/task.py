"""The character language model: from a text to a model that scores and continues text."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import tensorflow as tf

import pipelines.settings
from pipelines.charlm import floors, generating, picture, scores, serving, texts
from pipelines.charlm.model import UNKNOWN, CharacterModel
from pipelines.charlm.reading import read_source
from pipelines.charlm.settings import CharLMSettings
from pipelines.charlm.texts import Text
from pipelines.charlm.watching import Samples
from pipelines.errors import UserError
from pipelines.sources import read_all
from pipelines.task import (
    Answering,
    Contiguous,
    GenerateRequest,
    Generative,
    Reading,
    Served,
    Task,
    Tensors,
)
from pipelines.text.vocabulary import fingerprint

SHOWN = 2000  # characters of a text that `predict` colours on a terminal
DRAWN = 20_000  # that the picture of an evaluation covers
SAMPLE = 200  # characters that `--sample-every` prints


class CharLMTask(Task[Text, CharLMSettings], Contiguous[Text], Generative[Text], Answering):
    """Many-to-many: at every character of a text, which one comes next.

    A record is a `Text`, and a part is one stream: it is scored from its first character to its
    last with the state carried on. Training reads `batch_size` stretches of it side by side.
    Characters that the training part does not hold are one symbol, `UNKNOWN`, which is reserved:
    never seen as an answer, it costs what the model thinks of the impossible, and is never drawn.
    """

    name = "charlm"
    Settings = CharLMSettings
    Options = pipelines.settings.Options
    metrics = ("nll", "bits_per_char")
    selection = "val_nll"

    # --- data -----------------------------------------------------------------------------------

    def read(self, source: str | None) -> Reading[Text]:
        return read_source(source)

    def cut(self, records: Sequence[Text], missing: Sequence[str]) -> dict[str, list[Text]]:
        return texts.cut(records, missing)

    def check_parts(self, parts: Mapping[str, Sequence[Text]]) -> None:
        steps = self.settings.window
        count = sum(len(text.characters) for text in parts["train"])
        if count < steps:
            raise UserError(
                f"{parts['train'][0].name}: expected at least one --window of {steps} characters "
                f"in the training part. Received: {count}. Give a longer text or a smaller "
                "--window."
            )

    def learn(self, records: Sequence[Text]) -> dict[str, Any]:
        self.learnt = {"characters": texts.distinct(records)}
        return self.learnt

    @property
    def _vocabulary(self) -> list[str]:
        return self.learnt["characters"]

    def _ids(self, records: Sequence[Text]) -> np.ndarray:
        return texts.to_ids("".join(text.characters for text in records), self._vocabulary)

    def describe(self, records: Sequence[Text]) -> dict[str, str]:
        whole = "".join(text.characters for text in records)
        kinds = texts.distinct(records)
        unprintable = sum(not (c.isprintable() or c in "\n\t\r") for c in kinds)
        return {
            "characters": f"{len(whole):,}",
            "distinct": str(len(kinds)),
            "unprintable among them": str(unprintable),
            "lines": f"{whole.count(chr(10)):,}",
            "longest line": f"{max(map(len, whole.split(chr(10)))):,}",
        }

    # --- tensors --------------------------------------------------------------------------------

    def windows(self, records: Sequence[Text]) -> Iterator[dict[str, np.ndarray]]:
        settings = self.settings
        return texts.windows(self._ids(records), streams=settings.batch_size, steps=settings.window)

    @property
    def element_spec(self) -> dict[str, tf.TensorSpec]:
        return {
            "ids": tf.TensorSpec((None,), tf.int32),
            "next": tf.TensorSpec((None,), tf.int32),
            "first": tf.TensorSpec((), tf.bool),
            "counted": tf.TensorSpec((), tf.int32),
        }

    def element(self, record: Text) -> dict[str, np.ndarray]:
        ids = self._ids([record])
        return next(texts.windows(ids, streams=1, steps=len(ids)))

    def length(self, element: Tensors) -> tf.Tensor:
        return tf.shape(element["ids"])[0]

    def example(self, batch: Tensors, lengths: tf.Tensor) -> tuple[Any, Any, Any]:
        steps = tf.shape(batch["ids"])[1]
        weight = tf.sequence_mask(batch["counted"], steps, dtype=tf.float32)
        return {"ids": batch["ids"], "first": batch["first"]}, batch["next"], weight

    # --- model ----------------------------------------------------------------------------------

    def model(self) -> keras.Model:
        settings = self.settings
        model = CharacterModel(
            symbols=len(self._vocabulary) + 1,
            cell=settings.cell,
            units=settings.units,
            layers=settings.layers,
            embedding=settings.embedding,
            dropout=settings.dropout,
            bptt_steps=settings.bptt_steps,
            streams=settings.batch_size,
            vocabulary=fingerprint(self._vocabulary),
        )
        model.build((None, None))
        return model

    def compile_arguments(self) -> dict[str, Any]:
        loss = keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        )
        return {"loss": loss, "weighted_metrics": [scores.CharacterNats(name="nll")]}

    def callbacks(self) -> list[keras.callbacks.Callback]:
        if not self.settings.sample_every:
            return []

        def write(model: keras.Model, update: int) -> str:
            request = GenerateRequest(length=SAMPLE, seed=update)
            return self.generate(model, request)[0].characters

        return [Samples(self.settings.sample_every, len(self._vocabulary) + 1, write)]

    # --- scores ---------------------------------------------------------------------------------

    def scores(self, model: keras.Model, batches: tf.data.Dataset) -> dict[str, float]:
        """`nll` and `bits_per_char` of the text as one stream, which the rows of the batches give
        when they are laid end to end."""
        self._check(model)
        following, counted = [], []
        for _, wanted, weight in batches.as_numpy_iterator():
            following.append(wanted)
            counted.append(weight > 0)
        ids = np.concatenate(following, axis=1)[np.concatenate(counted, axis=1)]
        return scores.measures(scores.nats(model, ids))

    def fit_floors(self, records: Sequence[Text]) -> dict[str, np.ndarray]:
        return floors.fit(self._ids(records), len(self._vocabulary) + 1)

    def floors(
        self, fitted: dict[str, np.ndarray], records: Sequence[Text]
    ) -> dict[str, dict[str, float]]:
        found = floors.nats(fitted, self._ids(records))
        return {name: scores.measures(nats) for name, nats in found.items()}

    # --- use ------------------------------------------------------------------------------------

    def predict(self, model: keras.Model, records: Sequence[Text]) -> list[dict[str, Any]]:
        """How surprising each character of each text is, in nats."""
        self._check(model)
        return [self._answer(model, record) for record in records]

    def answers(
        self, model: keras.Model, texts: Sequence[str], input: str | None, options: Any
    ) -> Iterator[dict[str, Any]]:
        self._check(model)
        typed = [Text(f"text {k}", text) for k, text in enumerate(texts, 1)]
        records = cast("list[Text]", read_all(self, input)) if input is not None else typed
        return (self._answer(model, record) for record in records)

    def _answer(self, model: keras.Model, record: Text) -> dict[str, Any]:
        if not record.characters:
            raise UserError(f"{record.name}: expected at least one character. Received: none.")
        ids = self._ids([record])
        nats = scores.nats(model, ids)
        return {
            "name": record.name,
            "text": record.characters,
            "characters": len(ids),
            "unknown": int((ids == UNKNOWN).sum()),
            **scores.measures(nats),
            "surprise": [round(float(value), 4) for value in nats],
        }

    def show(self, answers: Iterable[dict[str, Any]]) -> Iterator[Any]:
        """Each text with the more surprising characters redder, and its score."""
        for answer in answers:
            yield picture.coloured(answer["text"][:SHOWN], answer["surprise"][:SHOWN])
            rest = answer["characters"] - SHOWN
            unknown = f", {answer['unknown']} of them unknown" if answer["unknown"] else ""
            yield (
                f"{f'(and {rest} more) ' if rest > 0 else ''}{answer['name']}: "
                f"{answer['characters']} characters{unknown}, {answer['nll']:.3f} nats each, "
                f"{answer['bits_per_char']:.3f} bits"
            )

    @property
    def writers(self) -> Mapping[str, Callable[[Iterable[dict[str, Any]], Path], None]]:
        def png(answers: Iterable[dict[str, Any]], path: Path) -> None:
            first, *others = itertools.islice(answers, 2)
            if others:
                raise UserError(f"{path.name}: a picture shows one text. Received: several.")
            picture.draw(first["text"], np.array(first["surprise"]), path)

        return {".png": png}

    def plots(self, model: keras.Model, records: Sequence[Text], folder: str) -> None:
        self._check(model)
        whole = "".join(text.characters for text in records)[:DRAWN]
        nats = scores.nats(model, texts.to_ids(whole, self._vocabulary))
        picture.draw(whole, nats, Path(folder) / "surprise.png")

    def generate(self, model: keras.Model, request: GenerateRequest) -> list[Text]:
        """New texts. `length` counts characters, the primer included; without it 500 follow the
        primer, which is a text, or a file of one. A temperature of 0 takes the likeliest."""
        self._check(model)
        return generating.generate(model, self._vocabulary, request)

    def write(self, records: Sequence[Text], out: str) -> list[str]:
        return generating.write(records, out)

    def preview(self, record: Text) -> str:
        return record.characters

    def served(self, model: keras.Model) -> Served:
        self._check(model)
        return serving.served(model, self._vocabulary)

    def requests(self, records: Sequence[Text]) -> dict[str, dict[str, np.ndarray]]:
        return serving.requests(records)

    def _check(self, model: keras.Model) -> None:
        """Refuses characters that do not fit the model: its config.json was changed."""
        expected, received = model.arguments["symbols"] - 1, len(self._vocabulary)
        same = model.arguments["vocabulary"] in ("", fingerprint(self._vocabulary))
        if received != expected or not same:
            raise UserError(
                f"the vocabulary of the run does not fit its model: expected the {expected} "
                f"characters that it was trained with. Received: {received}"
                f"{', not the same' if received == expected else ''}. Bring back the config.json "
                "that training wrote, or train anew."
            )
