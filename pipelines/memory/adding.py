"""The adding problem: the sum of two marked numbers among many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.errors import UserError
from pipelines.memory.model import memory_model
from pipelines.memory.settings import AddingSettings
from pipelines.memory.task import Drawn, MemoryTask, batches
from pipelines.task import Endpoint, Served, Tensors


class AddingTask(MemoryTask[AddingSettings]):
    """Many-to-one: T numbers from [0, 1), two of them marked, one in each half; what is their sum?

        x_t = (u_t, m_t)       u_t ~ U(0, 1),  m_t = 1 at two steps and 0 elsewhere
        y   = sum_t m_t u_t

    The answer may lie T - 1 steps behind the last input that matters, and only the marks say which
    numbers matter, so that a net must keep a real number, exactly, against T - 2 distractions.
    Predicting the mean, 1, costs the variance of two uniform numbers: 1/6.

    Reference: S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, Neural Computation 9, 1997,
    section 5.4; in the form of M. Arjovsky, A. Shah and Y. Bengio, Unitary Evolution Recurrent
    Neural Networks, ICML 2016, with numbers from [0, 1) and a mark in each half.
    """

    name = "adding"
    Settings = AddingSettings
    metrics = ("mse",)
    selection = "val_mse"

    @property
    def description(self) -> str:
        return (
            f"Adding problem, {self.settings.length} steps, drawn from seed {self.settings.seed}."
        )

    def draw(self, seed: tf.Tensor) -> Tensors:
        steps = self.settings.length
        for_values, for_first, for_second = tf.unstack(
            tf.random.experimental.stateless_split(seed, 3)
        )
        values = tf.random.stateless_uniform((steps,), for_values)
        first = tf.random.stateless_uniform((), for_first, 0, steps // 2, tf.int32)
        second = tf.random.stateless_uniform((), for_second, steps // 2, steps, tf.int32)
        marks = tf.one_hot(first, steps) + tf.one_hot(second, steps)
        return {"x": tf.stack([values, marks], axis=1), "sum": tf.reduce_sum(values * marks)}

    def describe(self, records: Sequence[Drawn]) -> dict[str, str]:
        sums = [record.tensors["sum"] for record in records]
        return {
            "sequences": str(len(records)),
            "steps a sequence": str(self.settings.length),
            "sums": f"{min(sums):.3f} to {max(sums):.3f}, variance {np.var(sums):.4f}",
        }

    # --- tensors --------------------------------------------------------------------------------

    @property
    def element_spec(self) -> dict[str, tf.TensorSpec]:
        return {"x": tf.TensorSpec((None, 2), tf.float32), "sum": tf.TensorSpec((), tf.float32)}

    def length(self, element: Tensors) -> tf.Tensor:
        return tf.shape(element["x"])[0]

    def example(self, batch: Tensors, lengths: tf.Tensor) -> tuple[Any, Any, Any]:
        return batch["x"], batch["sum"][:, None], tf.cast(lengths > 0, tf.float32)

    # --- model and scores -----------------------------------------------------------------------

    def model(self) -> keras.Model:
        settings = self.settings
        return memory_model(settings, inputs=2, outputs=1, steps=settings.length, sequences=False)

    def compile_arguments(self) -> dict[str, Any]:
        return {
            "loss": keras.losses.MeanSquaredError(reduction="mean_with_sample_weight"),
            "weighted_metrics": [keras.metrics.MeanSquaredError(name="mse")],
        }

    def scores(self, model: keras.Model, batches: tf.data.Dataset) -> dict[str, float]:
        """`mse`, the mean squared error of the sum."""
        answer = _answer(model)
        squares, count = 0.0, 0.0
        for x, wanted, weight in batches:
            error = answer(x).numpy().astype("float64") - wanted.numpy()[:, 0]
            squares += float(error**2 @ weight.numpy())
            count += float(weight.numpy().sum())
        return {"mse": squares / count}

    def fit_floors(self, records: Sequence[Drawn]) -> dict[str, np.ndarray]:
        return {"mean": np.mean([record.tensors["sum"] for record in records], dtype="float64")}

    def floors(
        self, fitted: dict[str, np.ndarray], records: Sequence[Drawn]
    ) -> dict[str, dict[str, float]]:
        """`mean` predicts the mean sum of the training part: 1/6 on average."""
        sums = np.array([record.tensors["sum"] for record in records], "float64")
        return {"mean": {"mse": float(np.mean((sums - fitted["mean"]) ** 2))}}

    # --- use ------------------------------------------------------------------------------------

    def predict(self, model: keras.Model, records: Sequence[Drawn]) -> list[dict[str, Any]]:
        """The sum that the model finds, beside the true one."""
        answer = _answer(model)
        found = np.concatenate([answer(x).numpy() for x in batches(records, "x")])
        return [
            {"name": record.name, "sum": float(s), "true_sum": float(record.tensors["sum"])}
            for record, s in zip(records, found, strict=True)
        ]

    def typed(self, texts: Sequence[str]) -> list[Drawn]:
        """Sequences as numbers with spaces between, two of them marked by a star: `.3 .9* .2 .5*`.

        Raises:
            UserError: a text is of another form.
        """
        return [_typed(f"text {k}", text) for k, text in enumerate(texts, 1)]

    def served(self, model: keras.Model) -> Served:
        """`serving_default`: sequences of numbers and marks in, their sums out. The sequences of a
        request have one length, any."""
        core = _answer(model)
        return Served(
            endpoints={
                "serving_default": Endpoint(
                    lambda x: {"sum": core(x)}, {"x": tf.TensorSpec((None, None, 2), tf.float32)}
                )
            },
            core=core,
            core_inputs={"x": tf.TensorSpec((1, self.settings.length, 2), tf.float32, name="x")},
            client=Path(__file__).with_name("adding_client.py").read_text("utf-8"),
        )

    def requests(self, records: Sequence[Drawn]) -> dict[str, dict[str, np.ndarray]]:
        return {"serving_default": {"x": np.stack([r.tensors["x"] for r in records[:4]])}}


def _typed(name: str, text: str) -> Drawn:
    words = text.split()
    marks = np.array([word.endswith("*") for word in words], "float32")
    try:
        numbers = np.array([float(word.removesuffix("*")) for word in words], "float32")
    except ValueError:
        numbers = np.array([])
    if marks.sum() != 2 or not ((numbers >= 0) & (numbers <= 1)).all() or not numbers.size:
        raise UserError(
            f"{name}: expected numbers from 0 to 1, two of them with a star. Received: {text}. "
            "Example: '.3 .9* .2 .5*'"
        )
    return Drawn(name, {"x": np.stack([numbers, marks], axis=1), "sum": numbers @ marks})


def _answer(model: keras.Model) -> Any:
    """The sums (batch,) of sequences (batch, T, 2)."""

    @tf.function(reduce_retracing=True, autograph=False)
    def answer(x):
        return model(x, training=False)[:, 0]

    return answer
