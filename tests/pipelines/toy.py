"""A task of a few lines: the next value of a noisy sine. Small, but it draws random numbers in
every place where a real task does: initial weights, dropout, augmentation, shuffling."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import pipelines
from pipelines.errors import UserError
from pipelines.settings import Settings, setting
from pipelines.task import Reading, Served, Task, Tensors


@dataclass(frozen=True, kw_only=True)
class ToySettings(Settings):
    units: int = setting(3, "units", minimum=1)
    dropout: float = setting(0.3, "dropout", minimum=0)
    epochs: int = setting(3, "epochs", minimum=1)
    batch_size: int = setting(4, "batch size", minimum=1)
    learning_rate: float = setting(0.03, "step size", above=0)


@dataclass(frozen=True)
class Wave:
    name: str
    values: tuple[float, ...]

    @property
    def group(self) -> str:
        return self.name

    def digest(self) -> bytes:
        return hashlib.sha256(repr(self).encode()).digest()


def waves(count: int, seed: int = 0) -> list[Wave]:
    draw = np.random.default_rng(seed)
    lengths = draw.integers(5, 24, count)
    starts = draw.uniform(0, 6, count)
    return [
        Wave(f"wave {i}", tuple(np.sin(start + np.arange(length)).round(4).tolist()))
        for i, (start, length) in enumerate(zip(starts, lengths, strict=True))
    ]


class StepError(keras.metrics.MeanSquaredError):
    """Mean over steps; see `Task.compile_arguments`."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        flat = (keras.ops.reshape(tensor, (-1, 1)) for tensor in (y_true, y_pred, sample_weight))
        return super().update_state(*flat)


class ToyTask(Task):
    name = "toy"
    Settings = ToySettings
    metrics = ("mse",)
    selection = "val_mse"

    def read(self, source: str | None) -> Reading:
        if source is None:
            parts = {
                "train": waves(13, seed=1),
                "valid": waves(5, seed=2),
                "test": waves(4, seed=3),
            }
        else:
            try:
                content = json.loads(Path(source).read_text("utf-8"))
            except OSError as error:
                raise UserError(f"{source}: cannot be read ({error.strerror}).") from None
            parts = {"all": [Wave(f"wave {i}", tuple(values)) for i, values in enumerate(content)]}
        return Reading(parts=parts, description="Sines.")

    def learn(self, records: Sequence[Wave]) -> dict[str, Any]:
        self.learnt = {"mean": float(np.mean(np.concatenate([r.values for r in records])))}
        return self.learnt

    def describe(self, records: Sequence[Wave]) -> dict[str, str]:
        return {"waves": str(len(records))}

    @property
    def element_spec(self) -> Tensors:
        return {"values": tf.TensorSpec((None,), tf.float32)}

    def element(self, record: Wave) -> dict[str, np.ndarray]:
        return {"values": np.array(record.values, np.float32)}

    def length(self, element: Tensors) -> tf.Tensor:
        return tf.shape(element["values"])[0]

    def augment(self, element: Tensors, seed: tf.Tensor) -> Tensors:
        noise = tf.random.stateless_normal(tf.shape(element["values"]), seed, stddev=0.1)
        return {"values": element["values"] + noise}

    def example(self, batch: Tensors, lengths: tf.Tensor):
        values = batch["values"] - self.learnt["mean"]
        weights = tf.sequence_mask(lengths - 1, tf.shape(values)[1] - 1, tf.float32)
        return values[:, :-1, None], values[:, 1:, None], weights

    def model(self) -> keras.Model:
        initial = keras.initializers.GlorotUniform(seed=self.settings.seed)
        inputs = keras.Input((None, 1))
        hidden = keras.layers.Conv1D(  # compiles sooner than a loop over time
            self.settings.units, 3, padding="causal", activation="tanh", kernel_initializer=initial
        )(inputs)
        hidden = keras.layers.Dropout(self.settings.dropout)(hidden)
        return keras.Model(inputs, keras.layers.Dense(1, kernel_initializer=initial)(hidden))

    def compile_arguments(self) -> dict[str, Any]:
        return {
            "loss": keras.losses.MeanSquaredError(reduction="mean_with_sample_weight"),
            "weighted_metrics": [StepError(name="mse")],
        }

    def scores(self, model: keras.Model, batches: tf.data.Dataset) -> dict[str, float]:
        metric = StepError()
        for x, y, weights in batches:
            metric.update_state(y, model(x, training=False), weights)
        return {"mse": float(metric.result())}

    def fit_floors(self, records: Sequence[Wave]) -> dict[str, np.ndarray]:
        return {"mean": np.mean(np.concatenate([r.values for r in records]))}

    def floors(self, fitted, records: Sequence[Wave]) -> dict[str, dict[str, float]]:
        values = np.concatenate([r.values[1:] for r in records])
        return {"mean": {"mse": float(np.mean((values - fitted["mean"]) ** 2))}}

    def predict(self, model: keras.Model, records: Sequence[Wave]) -> list[dict[str, Any]]:
        mean = self.learnt["mean"]
        answers = (model(np.array([r.values])[..., None] - mean)[0, -1, 0] for r in records)
        return [{"next": float(answer) + mean} for answer in answers]

    def served(self, model: keras.Model) -> Served:
        raise NotImplementedError

    def requests(self, records: Sequence[Wave]) -> dict[str, dict[str, np.ndarray]]:
        return {"serving_default": {"wave": np.array([0.5, 0.25])}}


ROW = pipelines.TaskRow(
    task=f"{__name__}:ToyTask",
    settings=f"{__name__}:ToySettings",
    shape="many-to-many",
    input="sines",
    output="the next value",
    metric="mse",
    data="sines",
)
