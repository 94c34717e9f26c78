"""The translation task: from pairs of sentences to a model that translates."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.errors import UserError
from pipelines.task import Answering, Comparable, Reading, Served, Task, Tensors, Typed
from pipelines.text.tokens import separated
from pipelines.text.vocabulary import fingerprint
from pipelines.translation import answering, floors, pictures, scores, serving
from pipelines.translation.language import START, Language, learn_language
from pipelines.translation.model import TranslationModel
from pipelines.translation.pairs import Pair, spaced
from pipelines.translation.reading import read_pairs
from pipelines.translation.scoring import Scorer
from pipelines.translation.searching import searcher, translator
from pipelines.translation.settings import TranslationOptions, TranslationSettings

PREPARED = 1024  # pairs whose texts become numbers at a time
SHOWN = 3  # sentences of which the alignments are drawn


class TranslationTask(Task[Pair, TranslationSettings], Answering, Comparable[Pair], Typed[Pair]):
    """Many-to-many of different lengths: a sentence in one language, the same in another.

    An encoder reads the source in both directions; a decoder writes the translation token by token,
    each time looking back at the source (`--attention`). Training shows the decoder the true
    tokens before each step; a translation is what a beam search finds.
    """

    name = "translation"
    Settings = TranslationSettings
    Options = TranslationOptions
    metrics = ("bleu", "chrf", "exact_match", "perplexity")
    selection = "val_loss"  # smoothed as in training: nats alone would punish the smoothing

    def __init__(self, settings: TranslationSettings, learnt: dict[str, Any] | None = None) -> None:
        super().__init__(settings, learnt)
        self._pairs: dict[int, Pair] = {}  # by what `element` puts into a batch for them
        self._scorer: Scorer | None = None
        self._graphs: dict[tuple[int, int], tuple[keras.Model, answering.Translate]] = {}

    # --- data -----------------------------------------------------------------------------------

    def read(self, source: str | None) -> Reading[Pair]:
        return read_pairs(source, self.settings.source, self.settings.target)

    def learn(self, records: Sequence[Pair]) -> dict[str, Any]:
        kind, most = self.settings.tokens, self.settings.vocabulary
        targets = [pair.target for pair in records]
        self.learnt = {
            "source": learn_language([pair.source for pair in records], kind, most),
            "target": learn_language(targets, kind, most),
            "bleu_tokenizer": scores.bleu_tokenizer(targets),
        }
        return self.learnt

    def describe(self, records: Sequence[Pair]) -> dict[str, str]:
        sources, targets = ([getattr(r, side) for r in records] for side in ("source", "target"))
        return {
            "pairs": str(len(records)),
            "different sources": str(len(set(sources))),
            **{
                f"words a {side}": f"{np.mean(lengths):.1f} (at most {max(lengths)})"
                for side, texts in (("source", sources), ("target", targets))
                for lengths in [[len(text.split()) for text in separated(texts)]]
            },
            "different characters": " and ".join(
                str(len(set().union(*texts))) for texts in (sources, targets)
            ),
        }

    @functools.cached_property
    def source(self) -> Language:
        """The side that is translated."""
        return Language(self.learnt["source"], self.settings.tokens)

    @functools.cached_property
    def target(self) -> Language:
        """The side with the translations."""
        return Language(self.learnt["target"], self.settings.tokens)

    @property
    def _fingerprint(self) -> str:
        return fingerprint([self.settings.tokens], self.learnt["source"], self.learnt["target"])

    # --- tensors --------------------------------------------------------------------------------

    @property
    def element_spec(self) -> dict[str, tf.TensorSpec]:
        return {
            "source": tf.TensorSpec((), tf.string),
            "target": tf.TensorSpec((), tf.string),
            "pair": tf.TensorSpec((), tf.int64),
        }

    def element(self, record: Pair) -> dict[str, np.ndarray]:
        key = int.from_bytes(record.digest()[:8], "little", signed=True)
        self._pairs[key] = record
        return {
            "source": np.array(record.source.encode(), object),
            "target": np.array(record.target.encode(), object),
            "pair": np.array(key),
        }

    def prepared(self, elements: tf.data.Dataset) -> tf.data.Dataset:
        """Texts become numbers, many at a time: one by one takes ten times as long."""

        def numbers(batch: Tensors) -> Tensors:
            return {
                **batch,
                "source": self.source.numbers(batch["source"]),
                "target": self.target.numbers(batch["target"]),
            }

        return elements.batch(PREPARED).map(numbers).unbatch()

    def length(self, element: Tensors) -> tf.Tensor:
        return tf.maximum(tf.size(element["source"]), tf.size(element["target"]))

    def example(self, batch: Tensors, lengths: tf.Tensor) -> tuple[Any, Any, Any]:
        source, target = batch["source"], batch["target"]
        before = tf.concat([tf.fill((tf.shape(target)[0], 1), START), target[:, :-1]], axis=1)
        weight = tf.cast(target != 0, tf.float32)
        inputs = {"source": source, "before": before, "pair": batch["pair"]}
        return inputs, target, weight

    # --- model ----------------------------------------------------------------------------------

    def model(self) -> keras.Model:
        settings = self.settings
        model = TranslationModel(
            source_size=self.source.size,
            target_size=self.target.size,
            cell=settings.cell,
            units=settings.units,
            layers=settings.layers,
            embedding=settings.embedding,
            attention=settings.attention,
            dropout=settings.dropout,
            scheduled_sampling=settings.scheduled_sampling,
            seed=settings.seed,
            bptt_steps=settings.bptt_steps,
            vocabulary=self._fingerprint,
        )
        model.build({"source": (None, None), "before": (None, None)})
        return model

    def compile_arguments(self) -> dict[str, Any]:
        return {
            "loss": scores.SmoothedLoss(self.settings.label_smoothing),
            "weighted_metrics": [scores.TokenNats(name="nll")],
        }

    # --- scores ---------------------------------------------------------------------------------

    def scores(self, model: keras.Model, batches: tf.data.Dataset) -> dict[str, float]:
        """`bleu`, `chrf` (0 to 100) and `exact_match` of what the search finds; `perplexity`, e to
        the mean nats a token of the references."""
        self._check(model)
        scorer = self._scorer_of(model)
        perplexity, keys = scorer.score(batches)
        reached = scores.text_scores(
            [scorer.translations[key] for key in keys],
            [self._pairs[key].target for key in keys],
            self.learnt["bleu_tokenizer"],
        )
        return {**reached, "perplexity": perplexity}

    @functools.cached_property
    def signatures(self) -> dict[str, str]:
        """sacreBLEU's: without them a figure cannot be compared."""
        return scores.signatures(self.learnt["bleu_tokenizer"])

    def _scorer_of(self, model: keras.Model) -> Scorer:
        """The same for one model, so that what it wrote is drawn without being written again."""
        if self._scorer is None or self._scorer.model is not model:
            self._scorer = Scorer(model, self.target, self.settings.beam)
        return self._scorer

    def fit_floors(self, records: Sequence[Pair]) -> dict[str, np.ndarray]:
        return floors.remember(records)

    def floors(
        self, fitted: dict[str, np.ndarray], records: Sequence[Pair]
    ) -> dict[str, dict[str, float]]:
        """`copy` answers the source itself; `memory` the training part's translation of its most
        similar sentence."""
        sources = [pair.source for pair in records]
        references = [pair.target for pair in records]
        answers = {"copy": sources, "memory": floors.look_up(fitted, sources)}
        tokenizer = self.learnt["bleu_tokenizer"]
        return {
            name: scores.text_scores(texts, references, tokenizer)
            for name, texts in answers.items()
        }

    # --- use ------------------------------------------------------------------------------------

    def typed(self, texts: Sequence[str]) -> list[Pair]:
        return [Pair(f"text {k}", spaced(text), "") for k, text in enumerate(texts, 1)]

    def predict(self, model: keras.Model, records: Sequence[Pair]) -> list[dict[str, Any]]:
        """The translation of each source, with the score that the search ranks by."""
        asked = (
            {"name": pair.name, "source": pair.source, "reference": pair.target} for pair in records
        )
        return list(answering.answered(asked, self._translate(model, self.settings.beam, 1), 1))

    def answers(
        self,
        model: keras.Model,
        texts: Sequence[str],
        input: str | None,
        options: TranslationOptions,
    ) -> Iterator[dict[str, Any]]:
        """The translations of sentences, or of each line of a file."""
        beam = options.beam or max(self.settings.beam, options.n_best)
        if options.n_best > beam:
            raise UserError(
                f"--n-best must be at most --beam. Received: --n-best {options.n_best} "
                f"--beam {beam}."
            )
        if blank := [text for text in texts if not text.strip()]:
            raise UserError(f"expected a sentence. Received: {blank[0]!r}.")
        if options.attention and self.settings.attention == "none":
            raise UserError(
                "--attention needs a run that has it. Received: one trained with --attention none."
            )
        if options.attention is not None:
            pictures.check_name(options.attention)
        asked = answering.questions(texts, input, self.settings.source)
        found = beam if options.n_best > 1 else 1  # some may be the same text
        translate = self._translate(model, beam, found)
        answers = answering.answered(asked, translate, options.n_best)
        if options.attention is None:
            return answers
        return self._drawn(model, answers, options.attention)

    def show(self, answers: Iterable[dict[str, Any]]) -> Iterator[Any]:
        return answering.show(answers)

    @property
    def writers(self) -> Mapping[str, Callable[[Iterable[dict[str, Any]], Path], None]]:
        return {".txt": answering.write_text}

    def served(self, model: keras.Model) -> Served:
        self._check(model)
        return serving.served(model, self.source, self.target, self.settings.beam)

    def requests(self, records: Sequence[Pair]) -> dict[str, dict[str, np.ndarray]]:
        return serving.requests(records)

    def plots(self, model: keras.Model, records: Sequence[Pair], folder: str) -> None:
        """BLEU by the length of the source; where the decoder looked, for some sentences."""
        self.plot_beside({"model": (self, model)}, records, folder)
        if self.settings.attention != "none":
            shown = zip(records[:SHOWN], self._written(model, records[:SHOWN]), strict=True)
            answers = [{"source": pair.source, "translation": text} for pair, text in shown]
            for _ in self._drawn(model, answers, f"{folder}/attention.png"):
                pass

    def plot_beside(
        self,
        runs: Mapping[str, tuple[TranslationTask, keras.Model]],
        records: Sequence[Pair],
        folder: str,
    ) -> None:
        """BLEU by the length of the source, a line a run; the same as `bleu_by_length.csv`."""
        curves = {
            name: scores.bleu_by_length(
                [pair.source for pair in records],
                task._written(model, records),
                [pair.target for pair in records],
                self.learnt["bleu_tokenizer"],
            )
            for name, (task, model) in runs.items()
        }
        pictures.draw_by_length(curves, Path(folder) / "bleu_by_length.png")
        pictures.write_by_length(curves, Path(folder) / "bleu_by_length.csv")

    def _written(self, model: keras.Model, records: Sequence[Pair]) -> list[str]:
        """The translations, found anew only where they were not scored just before."""
        written = self._scorer_of(model).translations
        keys = [int(self.element(pair)["pair"]) for pair in records]
        if all(key in written for key in keys):
            return [written[key] for key in keys]
        return [answer["translation"] for answer in self.predict(model, records)]

    def _translate(self, model: keras.Model, beam: int, n_best: int) -> answering.Translate:
        """One graph for each kind of search, however often it is asked for."""
        self._check(model)
        kept, graph = self._graphs.get((beam, n_best), (None, None))
        if graph is None or kept is not model:
            graph = tf.function(
                translator(searcher(model, beam, n_best), self.source, self.target),
                input_signature=[tf.TensorSpec((None,), tf.string)],
                autograph=False,
            )
            self._graphs[beam, n_best] = model, graph
        return graph

    def _drawn(
        self, model: keras.Model, answers: Iterable[dict[str, Any]], out: str
    ) -> Iterator[dict[str, Any]]:
        return pictures.drawn(answers, model, self.source, self.target, Path(out))

    def _check(self, model: keras.Model) -> None:
        """Refuses a vocabulary that does not fit the model: its config.json was changed."""
        for side, known, weights in (
            ("source", self.source.size, model.source_size),
            ("target", self.target.size, model.target_size),
        ):
            if known != weights:
                raise UserError(
                    f"the {side} vocabulary of the run does not fit its model: expected "
                    f"{weights} tokens. Received: {known}. Bring back the config.json that "
                    "training wrote, or train anew."
                )
        if model.arguments["vocabulary"] not in ("", self._fingerprint):
            raise UserError(
                "the vocabulary of the run does not fit its model: expected the tokens that it was "
                "trained with. Received: others, as many. Bring back the config.json that training "
                "wrote, or train anew."
            )
