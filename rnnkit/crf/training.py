"""What `compile` takes for a model that ends in a `CRF`: the loss and the accuracy."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from rnnkit.crf.chain import Tensor
from rnnkit.crf.functions import crf_decode, crf_log_likelihood
from rnnkit.crf.potentials import unpack
from rnnkit.precision import working_dtype


@keras.saving.register_keras_serializable("rnnkit")
class CRFLoss(keras.losses.Loss):
    """-log p(y | x) of each row, for a model that puts out the potentials of a `CRF`.

    The loss of a row is that of its whole sequence, in nats; a row without real steps has loss
    zero. Tags may be known in part: -1 stands for a tag that is not known, and y of shape
    (batch, T, K) says which tags each step may have. Tags at masked steps are not read.

    Tags that the constraints forbid have probability zero, so that the loss is inf: it says that
    constraints and data disagree.

    Args:
        reduction: as for every Keras loss; default "sum_over_batch_size", the mean over the rows.
        name: default "crf_loss".
        dtype: default float32, or float64 where that is Keras's default; never half precision.

    Call arguments:
        y_true: (batch, T) integers, or (batch, T, K).
        y_pred: what the `CRF` put out.
        sample_weight: None or (batch,), a weight for each row.

    Raises:
        ValueError: y_pred that is not of a `CRF`, y_true of another shape, a weight for each step
            (the likelihood of a sequence is no sum over its steps: use -1 for tags to leave out).

    Example:

    >>> potentials = rnnkit.CRF(2)(keras.ops.zeros((1, 3, 2)))
    >>> loss = rnnkit.CRFLoss()
    >>> print(f"{float(loss([[0, 1, 1]], potentials)):.3f}")                      # log(2 * 2 * 2)
    2.079
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "crf_loss",
        dtype: Any = None,
    ) -> None:
        if dtype is None:
            dtype = working_dtype(keras.config.floatx())
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        if sample_weight is not None:
            shape = tuple(ops.shape(sample_weight))
            if len(shape) > 1 and any(size != 1 for size in shape[1:]):
                raise ValueError(
                    "sample_weight of a CRFLoss must have the shape (batch,), a weight for each "
                    f"sequence. Received: shape {shape}. To leave steps out, set their tags to -1."
                )
        return super().__call__(y_true, y_pred, sample_weight=sample_weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of each row, (batch,)."""
        return -crf_log_likelihood(tags=y_true, **unpack(y_pred)._asdict())


@keras.saving.register_keras_serializable("rnnkit")
class CRFAccuracy(keras.metrics.Metric):
    """The share of real steps with the right tag in the most probable sequence.

    Masked steps and steps whose tag is not known (-1) are left out. With `sample_weight`, (batch,)
    or (batch, T), each step counts by its weight.

    Args:
        name: default "accuracy".
        dtype: as for every Keras metric.

    Raises:
        ValueError: y_pred that is not of a `CRF`, y_true that is not (batch, T).

    Example:

    >>> metric = rnnkit.CRFAccuracy()
    >>> metric.update_state([[0, 1, 1]], rnnkit.CRF(2)(keras.ops.zeros((1, 3, 2))))
    >>> print(f"{float(metric.result()):.2f}")
    0.33
    """

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.right = self.add_variable((), "zeros", name="right")
        self.steps = self.add_variable((), "zeros", name="steps")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts one batch."""
        chain = unpack(y_pred)
        tags, _ = crf_decode(**chain._asdict())
        y_true = ops.cast(ops.convert_to_tensor(y_true), "int32")
        if len(y_true.shape) != 2:
            raise ValueError(
                "CRFAccuracy compares tags, (batch, time) integers. "
                f"Received: y_true of shape {tuple(y_true.shape)}."
            )
        counted = ops.cast(ops.logical_and(chain.mask, y_true >= 0), self.dtype)
        if sample_weight is not None:
            weight = ops.cast(ops.convert_to_tensor(sample_weight), self.dtype)
            counted = counted * (weight[:, None] if len(weight.shape) == 1 else weight)
        self.right.assign_add(ops.sum(ops.where(tags == y_true, counted, 0.0)))
        self.steps.assign_add(ops.sum(counted))

    def result(self) -> Tensor:
        """The share since the last `reset_state`."""
        return ops.divide_no_nan(self.right, self.steps)
