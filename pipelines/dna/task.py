"""The dna task: from sequences to a model that says what they are, or what each letter is."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.dna import floors, plots, reading, scores, serving, tracks
from pipelines.dna.alphabets import ALPHABETS
from pipelines.dna.answering import Answerer, about, answer, unfit
from pipelines.dna.encoding import codes_of_bytes
from pipelines.dna.model import DNAModel
from pipelines.dna.scoring import score_all, scorer
from pipelines.dna.sequences import BioSequence
from pipelines.dna.settings import DNAOptions, DNASettings
from pipelines.errors import UserError
from pipelines.label_metrics import compile_arguments
from pipelines.labelled import (
    NoLabelsError,
    check_known,
    check_taught,
    count_labels,
    label_numbers,
    labels_of,
    learn_labels,
)
from pipelines.task import Answering, Dropped, Reading, Served, Task, Tensors

FEWEST_STEPS = 100  # of the recurrent layers, where the pooling is left to the task
MOST_KMERS = 1024  # numbers a step


class DNATask(Task[BioSequence, DNASettings], Answering):
    """Many-to-one: what a sequence is; with `per_base` many-to-many: what each of its letters is.

    A record is a `BioSequence`. Its bytes become codes in `example` and in the export, by
    the same function.
    """

    name = "dna"
    Settings = DNASettings
    Options = DNAOptions
    metrics = ("accuracy", "mcc", "roc_auc", "pr_auc", "nll")
    selection = "val_nll"

    def __init__(self, settings: DNASettings, learnt: dict[str, Any] | None = None) -> None:
        super().__init__(settings, learnt)
        kmers = len(ALPHABETS[settings.alphabet].letters) ** settings.kmer
        if kmers > MOST_KMERS:
            raise UserError(
                f"--kmer {settings.kmer} makes {kmers} numbers of every letter of "
                f"{settings.alphabet}, at most {MOST_KMERS} are sensible. Use a smaller --kmer."
            )
        if settings.strands == "both" and not ALPHABETS[settings.alphabet].complement:
            raise UserError(f"--strands both: {settings.alphabet} has no opposite strand.")
        if settings.per_base and settings.pool not in (None, 1):
            raise UserError(
                f"--per-base needs --pool 1, a step a letter. Received: --pool {settings.pool}."
            )

    # --- data -----------------------------------------------------------------------------------

    def read(self, source: str | None) -> Reading[BioSequence]:
        if not self.learnt:
            return reading.read_labelled(source, self.settings, training=True)
        try:
            found = reading.read_labelled(source, self.settings)
        except NoLabelsError:
            found = reading.read_unlabelled(str(source), self.settings)
        check_known(itertools.chain(*found.parts.values()), self.learnt["labels"])
        return self._fitting(found, source)

    def _fitting(self, found: Reading[BioSequence], source: str | None) -> Reading[BioSequence]:
        """The same without sequences of lengths that the trained model cannot take."""
        parts: dict[str, list[BioSequence]] = {part: [] for part in found.parts}
        dropped = list(found.dropped)
        for part, records in found.parts.items():
            for record in records:
                if reason := unfit(len(record.letters), self.learnt["length"]):
                    dropped.append(Dropped(record.name, reason))
                else:
                    parts[part].append(record)
        if not any(parts.values()):
            last = dropped[-1]
            raise UserError(f"{last.place}: {last.reason}. Nothing is left to read of {source}.")
        return dataclasses.replace(found, parts=parts, dropped=dropped)

    def linked(self, parts: dict[str, list[BioSequence]]) -> dict[str, list[BioSequence]]:
        return reading.grouped(parts, self.settings.alphabet)

    def check_parts(self, parts: Mapping[str, Sequence[BioSequence]]) -> None:
        """What is validated and tested must have labels and lengths that training can teach."""
        check_taught(parts, "sequences")
        lengths = {len(record.letters) for record in parts["train"]}
        if self.settings.per_base or len(lengths) != 1:
            return
        for part, records in parts.items():
            for record in records:
                if len(record.letters) not in lengths:
                    raise UserError(
                        f"{record.name}: {len(record.letters)} letters in the {part} part, but "
                        f"all training sequences have {min(lengths)}. Give sequences of several "
                        "lengths to train on, or cut these."
                    )

    def learn(self, records: Sequence[BioSequence]) -> dict[str, Any]:
        labels = learn_labels(records, "Give the other class, or --negatives shuffle.")
        lengths = [len(record.letters) for record in records]
        one_length = len(set(lengths)) == 1 and not self.settings.per_base
        pool = self.settings.pool
        if pool is None:
            typical = int(np.median(lengths))
            pool = 1 if self.settings.per_base else max(1, typical // FEWEST_STEPS)
        self.learnt = {
            "labels": labels,
            "length": lengths[0] if one_length else None,
            "pool": pool,
        }
        return self.learnt

    def describe(self, records: Sequence[BioSequence]) -> dict[str, str]:
        lengths = [len(record.letters) for record in records]
        kind = ALPHABETS[self.settings.alphabet]
        letters = collections.Counter("".join(record.letters for record in records))
        total = sum(lengths)
        return {
            "letters": str(total),
            "letters a sequence": f"{min(lengths)} to {max(lengths)}",
            "composition": ", ".join(
                f"{letter} {100 * letters[letter] / total:.1f} %" for letter in kind.letters[:4]
            ),
            "ambiguous": str(total - sum(letters[letter] for letter in kind.letters)),
            "groups": str(len({record.group for record in records})),
            "labels": count_labels(records),
        }

    # --- tensors --------------------------------------------------------------------------------

    @property
    def element_spec(self) -> dict[str, tf.TensorSpec]:
        label_shape = (None,) if self.settings.per_base else ()
        return {
            "letters": tf.TensorSpec((None,), tf.uint8),
            "label": tf.TensorSpec(label_shape, tf.int32),
        }

    def element(self, record: BioSequence) -> dict[str, np.ndarray]:
        numbers = label_numbers(record, self.learnt["labels"])
        return {
            "letters": np.frombuffer(record.letters.encode(), np.uint8),
            "label": numbers if self.settings.per_base else numbers[0],
        }

    def length(self, element: Tensors) -> tf.Tensor:
        return tf.shape(element["letters"])[0]

    def augment(self, element: Tensors, seed: tf.Tensor) -> Tensors:
        """Hides some letters; with both strands, turns half the sequences round."""
        kind = ALPHABETS[self.settings.alphabet]
        letters, label = element["letters"], element["label"]
        if self.settings.hide:
            draws = tf.random.stateless_uniform(tf.shape(letters), seed)
            unknown = tf.constant(ord(kind.unknown), tf.uint8)
            letters = tf.where(draws < self.settings.hide, unknown, letters)
        if self.settings.strands == "both":
            opposite = np.arange(256, dtype=np.uint8)
            for letter, other in kind.complement.items():
                opposite[ord(letter)] = ord(other)
            turn = tf.random.stateless_uniform((), seed + 1) < 0.5
            turned = tf.gather(tf.constant(opposite), tf.cast(letters, tf.int32))[::-1]
            letters = tf.where(turn, turned, letters)
            if self.settings.per_base:
                label = tf.where(turn, label[::-1], label)
        return {"letters": letters, "label": label}

    def example(self, batch: Tensors, lengths: tf.Tensor) -> tuple[Any, Any, Any]:
        letters = batch["letters"]
        codes = codes_of_bytes(letters, self.settings.alphabet)
        if self.settings.per_base:
            weight = tf.sequence_mask(lengths, tf.shape(letters)[1], dtype=tf.float32)
        else:
            weight = tf.cast(lengths > 0, tf.float32)
        return codes, batch["label"], weight

    # --- model and scores -------------------------------------------------------------------------

    def model(self) -> keras.Model:
        settings = self.settings
        model = DNAModel(
            alphabet=settings.alphabet,
            ambiguous=settings.ambiguous,
            kmer=settings.kmer,
            labels=len(self.learnt["labels"]),
            cell=settings.cell,
            units=settings.units,
            layers=settings.layers,
            dropout=settings.dropout,
            bptt_steps=settings.bptt_steps,
            filters=settings.filters,
            filter_width=settings.filter_width,
            pool=self.learnt["pool"],
            strands=settings.strands,
            per_base=settings.per_base,
            length=self.learnt["length"],
        )
        model.build((None, None))
        return model

    def compile_arguments(self) -> dict[str, Any]:
        return compile_arguments("accuracy")

    def scores(self, model: keras.Model, batches: tf.data.Dataset) -> dict[str, float]:
        return scores.model_scores(model, batches, self.learnt["labels"])

    def fit_floors(self, records: Sequence[BioSequence]) -> dict[str, np.ndarray]:
        return floors.fit(records, self.settings.alphabet, self.learnt["labels"])

    def floors(
        self, fitted: dict[str, np.ndarray], records: Sequence[BioSequence]
    ) -> dict[str, dict[str, float]]:
        return scores.floor_scores(fitted, records, self.settings.alphabet, self.learnt["labels"])

    def relate(
        self, metrics: dict[str, float], floors: dict[str, dict[str, float]]
    ) -> dict[str, float]:
        """`roc_auc_share`, of the best possible ROC-AUC, where that is known."""
        best = floors.get("bayes_optimal")
        return {} if best is None else scores.shares(metrics, best)

    def plots(self, model: keras.Model, records: Sequence[BioSequence], folder: str) -> None:
        labels = self.learnt["labels"]
        answers = list(score_all(scorer(model), (record.letters for record in records)))
        truth = [labels.index(label) for record in records for label in labels_of(record)]
        whole = np.concatenate(answers) if self.settings.per_base else np.stack(answers)
        plots.curves(whole, np.array(truth), labels, Path(folder) / "curves.png")

    # --- use ------------------------------------------------------------------------------------

    def predict(self, model: keras.Model, records: Sequence[BioSequence]) -> list[dict[str, Any]]:
        """The likeliest label of each sequence, its probability, and the probability of each."""
        for record in records:
            if reason := unfit(len(record.letters), self.learnt["length"]):
                raise UserError(f"{record.name}: has {reason}.")
        answers = score_all(scorer(model), (record.letters for record in records))
        return [
            {**about(record), **answer(probabilities, self.learnt["labels"])}
            for record, probabilities in zip(records, answers, strict=True)
        ]

    def answers(
        self, model: keras.Model, texts: Sequence[str], input: str | None, options: DNAOptions
    ) -> Iterator[dict[str, Any]]:
        return Answerer(model, self.settings, self.learnt, options).answers(texts, input)

    @property
    def writers(self) -> Mapping[str, Callable[[Iterable[dict[str, Any]], Path], None]]:
        return {
            ".bed": tracks.write_bed,
            ".bedgraph": tracks.write_bedgraph,
            ".bedGraph": tracks.write_bedgraph,
        }

    def served(self, model: keras.Model) -> Served:
        return serving.served(model, self.learnt["labels"], self.learnt["length"])

    def requests(self, records: Sequence[BioSequence]) -> dict[str, dict[str, np.ndarray]]:
        return serving.requests(records)
