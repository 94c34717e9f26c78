"""Loss and metrics of an epoch where each sequence, or each of its steps, has one label."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def compile_arguments(accuracy: str) -> dict[str, Any]:
    """Of `keras.Model.compile`, for logits of labels; `accuracy` names the share of right ones."""
    return {
        "loss": keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
        "weighted_metrics": [LabelNats(), LabelAccuracy(name=accuracy)],
    }


@keras.saving.register_keras_serializable("rnnkit")
class LabelNats(keras.metrics.SparseCategoricalCrossentropy):
    """Mean nats a label, of sequences or of all steps of all sequences, from logits."""

    def __init__(self, name: str = "nll", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype, from_logits=True)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return super().update_state(*_flat(y_true, y_pred, sample_weight))

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}


@keras.saving.register_keras_serializable("rnnkit")
class LabelAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """Share of right labels, of sequences or of all steps of all sequences."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return super().update_state(*_flat(y_true, y_pred, sample_weight))


def _flat(y_true: Any, y_pred: Any, weight: Any) -> tuple[Any, Any, Any]:
    """Keras's means average over steps before they weigh rows; on one axis they do not."""
    logits = ops.reshape(y_pred, (-1, y_pred.shape[-1]))
    weight = None if weight is None else ops.reshape(weight, (-1,))
    return ops.reshape(y_true, (-1,)), logits, weight
