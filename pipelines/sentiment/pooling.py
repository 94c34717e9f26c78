"""From an output a step to one output a text."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any
LOWEST = -1e9  # below every output and score; finite, so that nothing becomes nan


def pool_mean(sequences: Tensor, mask: Tensor) -> Tensor:
    """The mean over real steps: sum_t m_t y_t / sum_t m_t.

    Args:
        sequences: (batch, T, n).
        mask: (batch, T), True where a step is real.

    Returns:
        (batch, n); zeros for a row without a real step.
    """
    weight = ops.cast(mask, sequences.dtype)[:, :, None]
    return ops.sum(sequences * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)


def pool_max(sequences: Tensor, mask: Tensor) -> Tensor:
    """The largest value of each feature over real steps.

    Args:
        sequences: (batch, T, n).
        mask: (batch, T), True where a step is real.

    Returns:
        (batch, n).
    """
    return ops.max(ops.where(mask[:, :, None], sequences, LOWEST), axis=1)


@keras.saving.register_keras_serializable("rnnkit")
class AttentionPooling(keras.layers.Layer):
    """A weighted mean whose weights are learnt.

        s_t = v . tanh(y_t W + b)
        a_t = exp(s_t) / sum_k exp(s_k)     over real steps
        out = sum_t a_t y_t

    Args:
        units: int, width of the hidden layer tanh(...).

    Call arguments:
        sequences: (batch, T, n).
        mask: (batch, T), True where a step is real.

    Returns:
        (batch, n).

    Reference: Z. Yang et al., Hierarchical Attention Networks for Document Classification, NAACL
    2016.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.units = units
        self.hidden = keras.layers.Dense(units, "tanh", dtype=self.dtype_policy, name="hidden")
        self.score = keras.layers.Dense(1, use_bias=False, dtype=self.dtype_policy, name="score")

    def build(self, sequences_shape) -> None:
        self.hidden.build(sequences_shape)
        self.score.build((*sequences_shape[:-1], self.units))

    def weights_of(self, sequences: Tensor, mask: Tensor) -> Tensor:
        """The weights a_t, (batch, T), zero where the mask is False."""
        scores = self.score(self.hidden(sequences))[:, :, 0]
        return ops.softmax(ops.where(mask, scores, LOWEST), axis=1)

    def call(self, sequences: Tensor, mask: Tensor) -> Tensor:
        return ops.sum(self.weights_of(sequences, mask)[:, :, None] * sequences, axis=1)

    def compute_mask(self, *arguments: Any, **keywords: Any) -> None:
        """None: there is no time any more."""

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}
