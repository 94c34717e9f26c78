"""The copy problem: ten symbols, a long silence, and the same ten symbols again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from pipelines.errors import UserError
from pipelines.memory.model import memory_model
from pipelines.memory.settings import CopySettings
from pipelines.memory.task import Drawn, MemoryTask, batches
from pipelines.task import Endpoint, Served, Tensors

SYMBOLS = 8
BLANK, MARK = 8, 9  # the first is also an answer, the second only an input
COUNT = 10  # symbols to remember
LETTERS = "abcdefgh-?"


@keras.saving.register_keras_serializable("rnnkit")
class StepNats(keras.metrics.SparseCategoricalCrossentropy):
    """Mean nats a step over all steps of all sequences."""

    def __init__(self, name: str = "nll", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype, from_logits=True)

    def update_state(self, y_true, y_pred, sample_weight=None):
        weight = None if sample_weight is None else ops.reshape(sample_weight, (-1,))
        logits = ops.reshape(y_pred, (-1, y_pred.shape[-1]))
        return super().update_state(ops.reshape(y_true, (-1,)), logits, weight)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}


@keras.saving.register_keras_serializable("rnnkit")
class RecallAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """Share of the symbols at the end of the sequences that are recalled."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        weight = None if sample_weight is None else ops.reshape(sample_weight[:, -COUNT:], (-1,))
        logits = ops.reshape(y_pred[:, -COUNT:], (-1, y_pred.shape[-1]))
        return super().update_state(ops.reshape(y_true[:, -COUNT:], (-1,)), logits, weight)


class CopyTask(MemoryTask[CopySettings]):
    """Many-to-many: ten symbols of eight kinds are shown once, and asked for T steps later.

        input    s_1 .. s_10   blank x (T - 1)   mark   blank x 10
        answer   blank x (T + 10)                       s_1 .. s_10

    30 bits must cross T steps in which nothing happens. A model that knows the task but remembers
    nothing answers blanks, then guesses: 10 ln 8 / (T + 20) nats a step.

    Reference: S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, Neural Computation 9, 1997,
    for the idea; the sizes are those of M. Arjovsky, A. Shah and Y. Bengio, Unitary Evolution
    Recurrent Neural Networks, ICML 2016.
    """

    name = "copy"
    Settings = CopySettings
    metrics = ("nll", "accuracy")
    selection = "val_nll"

    @property
    def steps(self) -> int:
        """Of a sequence."""
        return self.settings.length + 2 * COUNT

    @property
    def description(self) -> str:
        return (
            f"Copy problem over {self.settings.length} steps, drawn from seed {self.settings.seed}."
        )

    def draw(self, seed: tf.Tensor) -> Tensors:
        return {"symbols": tf.random.stateless_uniform((COUNT,), seed, 0, SYMBOLS, tf.int32)}

    def learn(self, records: Sequence[Drawn]) -> dict[str, Any]:
        """The letters of the answers: the labels of the export."""
        self.learnt = {"labels": list(LETTERS[: SYMBOLS + 1])}
        return self.learnt

    def describe(self, records: Sequence[Drawn]) -> dict[str, str]:
        return {
            "sequences": str(len(records)),
            "steps a sequence": str(self.steps),
            "different": str(len({record.digest() for record in records})),
        }

    # --- tensors --------------------------------------------------------------------------------

    @property
    def element_spec(self) -> dict[str, tf.TensorSpec]:
        return {"symbols": tf.TensorSpec((COUNT,), tf.int32)}

    def length(self, element: Tensors) -> tf.Tensor:
        return tf.constant(self.steps)

    def shown(self, symbols: tf.Tensor) -> tf.Tensor:
        """The input of symbols (batch, 10): (batch, T + 20) numbers from 0 to 9."""
        rows = tf.shape(symbols)[0]
        before = tf.fill((rows, self.settings.length - 1), BLANK)
        return tf.concat(
            [symbols, before, tf.fill((rows, 1), MARK), tf.fill((rows, COUNT), BLANK)], axis=1
        )

    def example(self, batch: Tensors, lengths: tf.Tensor) -> tuple[Any, Any, Any]:
        symbols = batch["symbols"]
        blanks = tf.fill((tf.shape(symbols)[0], self.settings.length + COUNT), BLANK)
        wanted = tf.concat([blanks, symbols], axis=1)
        weight = tf.cast(lengths > 0, tf.float32)[:, None] * tf.ones_like(wanted, tf.float32)
        return tf.one_hot(self.shown(symbols), SYMBOLS + 2), wanted, weight

    # --- model and scores -----------------------------------------------------------------------

    def model(self) -> keras.Model:
        return memory_model(
            self.settings, inputs=SYMBOLS + 2, outputs=SYMBOLS + 1, steps=self.steps, sequences=True
        )

    def compile_arguments(self) -> dict[str, Any]:
        return {
            "loss": keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, reduction="mean_with_sample_weight"
            ),
            "weighted_metrics": [StepNats(), RecallAccuracy(name="accuracy")],
        }

    def scores(self, model: keras.Model, batches: tf.data.Dataset) -> dict[str, float]:
        """`nll`, nats a step over all steps; `accuracy` over the recalled symbols alone."""

        @tf.function(reduce_retracing=True, autograph=False)
        def sums(x, wanted, weight):
            logits = model(x, training=False)
            cost = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=wanted, logits=logits)
            right = tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32) == wanted, tf.float32)
            asked = slice(-COUNT, None)
            return (
                tf.reduce_sum(cost * weight),
                tf.reduce_sum(weight),
                tf.reduce_sum((right * weight)[:, asked]),
                tf.reduce_sum(weight[:, asked]),
            )

        cost, steps, right, asked = np.sum(
            [[float(part) for part in sums(*batch)] for batch in batches], axis=0
        )
        return {"nll": cost / steps, "accuracy": right / asked}

    def fit_floors(self, records: Sequence[Drawn]) -> dict[str, np.ndarray]:
        return {"chance": np.full(SYMBOLS, 1 / SYMBOLS)}

    def floors(
        self, fitted: dict[str, np.ndarray], records: Sequence[Drawn]
    ) -> dict[str, dict[str, float]]:
        """`memoryless` knows when to answer and guesses what: 10 ln 8 / (T + 20)."""
        chance = np.stack([fitted["chance"][record.tensors["symbols"]] for record in records])
        nll = -np.log(chance).sum(axis=1).mean() / self.steps
        return {"memoryless": {"nll": float(nll), "accuracy": float(chance.mean())}}

    # --- use ------------------------------------------------------------------------------------

    def predict(self, model: keras.Model, records: Sequence[Drawn]) -> list[dict[str, Any]]:
        """The ten symbols that the model recalls, beside those it was shown."""
        recall = _recall(model)
        found = np.concatenate(
            [
                np.argmax(recall(self.shown(symbols))[:, -COUNT:], axis=-1)
                for symbols in batches(records, "symbols")
            ]
        )
        return [
            {
                "name": record.name,
                "recalled": _letters(row),
                "shown": _letters(record.tensors["symbols"]),
                "right": int((row == record.tensors["symbols"]).sum()),
            }
            for record, row in zip(records, found, strict=True)
        ]

    def typed(self, texts: Sequence[str]) -> list[Drawn]:
        """Ten letters a text, from a to h.

        Raises:
            UserError: a text is of another form.
        """
        for k, text in enumerate(texts, 1):
            if len(text) != COUNT or not set(text) <= set(LETTERS[:SYMBOLS]):
                raise UserError(
                    f"text {k}: expected {COUNT} letters from a to h. Received: {text}. "
                    "Example: abcdefghab"
                )
        return [
            Drawn(f"text {k}", {"symbols": np.array([LETTERS.index(s) for s in text], "int32")})
            for k, text in enumerate(texts, 1)
        ]

    def served(self, model: keras.Model) -> Served:
        """`serving_default`: sequences of the ten input symbols in, the likeliest answer of each
        step out, with all probabilities. The sequences of a request have one length, any."""
        core = _recall(model)

        def answer(symbols):
            chances = core(symbols)
            likeliest = tf.argmax(chances, axis=-1, output_type=tf.int32)
            return {"answer": likeliest, "probabilities": chances}

        return Served(
            endpoints={
                "serving_default": Endpoint(
                    answer, {"symbols": tf.TensorSpec((None, None), tf.int32)}
                )
            },
            core=core,
            core_inputs={"symbols": tf.TensorSpec((1, self.steps), tf.int32, name="symbols")},
            client=Path(__file__).with_name("copy_client.py").read_text("utf-8"),
        )

    def requests(self, records: Sequence[Drawn]) -> dict[str, dict[str, np.ndarray]]:
        symbols = np.stack([record.tensors["symbols"] for record in records[:4]])
        return {"serving_default": {"symbols": self.shown(symbols).numpy()}}


def _recall(model: keras.Model) -> Any:
    """The probabilities (batch, T, 9) that follow symbols (batch, T)."""

    @tf.function(reduce_retracing=True, autograph=False)
    def recall(symbols):
        return tf.nn.softmax(model(tf.one_hot(symbols, SYMBOLS + 2), training=False))

    return recall


def _letters(numbers: np.ndarray) -> str:
    return "".join(LETTERS[number] for number in numbers)
