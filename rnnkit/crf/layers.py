"""The CRF as Keras layers: scores in, potentials out; potentials in, tags or probabilities out."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from rnnkit.arguments import positive_int
from rnnkit.crf.chain import Tensor
from rnnkit.crf.functions import crf_decode, crf_marginals
from rnnkit.crf.potentials import pack, unpack
from rnnkit.precision import working_dtype


@keras.saving.register_keras_serializable("rnnkit")
class CRF(keras.layers.Layer):
    """A linear-chain conditional random field on top of any network.

        score(y | x) = start(y_1) + sum_t emissions_t(y_t) + sum_t transitions(y_{t-1}, y_t)
                       + end(y_n)
        p(y | x)     = exp(score(y | x)) / sum over all y' of exp(score(y' | x))

    The layer puts out the potentials of this chain, as a Dense without activation puts out the
    logits of a softmax: `CRFLoss` and `CRFAccuracy` read them while training, `CRFDecoder` makes
    tags of them and `CRFMarginals` probabilities. `rnnkit.crf` shows the whole use, and why.

    Transitions begin as zeros by default, where the CRF is a softmax a step.

    Args:
        tags: positive int, the number K of tags; the emissions come from a `Dense(tags)`.
        constraints: None, or bool (K + 1, K + 1): [i, j] whether tag j may follow tag i; the last
            row says which tags may come first, the last column which may come last. What is not
            allowed has probability zero. `crf_constraints(labels, scheme)` makes those of IOB2,
            IOBES and IOB1.
        initializer: of the transitions; default "zeros". Start and end begin as zeros.
        regularizer: of transitions, start and end; default None.
        **kwargs: `name`, `trainable` and `dtype` of the layer.

    Call arguments:
        emissions: (batch, T, K); T and batch may be unknown.
        mask: (batch, T), True where a step is real: anywhere, in any number. By default the mask
            that comes with the emissions, from `Embedding(mask_zero=True)` say.

    Returns:
        The potentials, (batch, T + K, K + 2), to be read by the classes above; never in half
        precision, whatever the policy.

    Raises:
        ValueError: `tags` or `constraints` of a wrong form, constraints that allow no sequence at
            all, emissions of another shape.

    Example:

    >>> layer = rnnkit.CRF(3, constraints=rnnkit.crf_constraints(["O", "B-PER", "I-PER"]))
    >>> potentials = layer(keras.ops.zeros((2, 5, 3)))
    >>> rnnkit.CRFDecoder()(potentials).shape
    TensorShape([2, 5])

    Reference: J. Lafferty, A. McCallum and F. Pereira, Conditional Random Fields: Probabilistic
    Models for Segmenting and Labeling Sequence Data, ICML 2001; on recurrent networks: Z. Huang,
    W. Xu and K. Yu, Bidirectional LSTM-CRF Models for Sequence Tagging, arXiv:1508.01991.
    """

    def __init__(
        self,
        tags: int,
        *,
        constraints: Any = None,
        initializer: Any = "zeros",
        regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # emissions in float32 stay in float32
        self.tags = positive_int("tags", tags, "CRF(9)")
        self.constraints = None if constraints is None else _checked(constraints, self.tags)
        self.initializer = keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        if len(input_shape) != 3 or input_shape[-1] != self.tags:
            raise ValueError(
                f"{self.name} scores {self.tags} tags: it expects emissions of shape (batch, time, "
                f"{self.tags}). Received: emissions of shape {tuple(input_shape)}. "
                f"Example: CRF({self.tags})(keras.layers.Dense({self.tags})(outputs))."
            )
        k = self.tags
        for name, shape in (("transitions", (k, k)), ("start", (k,)), ("end", (k,))):
            weight = self.add_weight(
                name=name,
                shape=shape,
                initializer=self.initializer if name == "transitions" else "zeros",
                regularizer=self.regularizer,
            )
            setattr(self, name, weight)

    def call(self, emissions: Tensor, mask: Tensor | None = None) -> Tensor:
        if len(emissions.shape) != 3 or emissions.shape[-1] != self.tags:
            self.build(emissions.shape)  # says what is wrong
        dtype = working_dtype(emissions.dtype, self.variable_dtype)
        transitions, start, end = (
            ops.cast(weight, dtype) for weight in (self.transitions, self.start, self.end)
        )
        if self.constraints is not None:
            allowed = np.array(self.constraints)
            transitions = ops.where(allowed[:-1, :-1], transitions, -np.inf)
            start = ops.where(allowed[-1, :-1], start, -np.inf)
            end = ops.where(allowed[:-1, -1], end, -np.inf)
        return pack(ops.cast(emissions, dtype), transitions, start, end, mask)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """None: the mask is within the potentials."""
        return

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        batch, steps, k = input_shape
        return batch, None if steps is None else steps + k, k + 2

    def compute_output_spec(self, emissions: Any, mask: Any = None) -> keras.KerasTensor:
        dtype = working_dtype(emissions.dtype, self.variable_dtype)
        return keras.KerasTensor(self.compute_output_shape(emissions.shape), dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "tags": self.tags,
            "constraints": self.constraints,
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
        }


class _Reader(keras.layers.Layer):
    """A layer without weights on the potentials of a `CRF`; the mask comes from within them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True

    def compute_mask(self, potentials: Tensor, previous_mask: Any = None) -> Tensor:
        """(batch, T), True where a step is real."""
        return unpack(potentials).mask

    def _sizes(self, potentials_shape: Any) -> tuple[int | None, int | None, int]:
        """Batch, T and K of potentials (batch, T + K, K + 2)."""
        batch, rows, columns = potentials_shape
        return batch, None if rows is None else rows - (columns - 2), columns - 2


@keras.saving.register_keras_serializable("rnnkit")
class CRFDecoder(_Reader):
    """The most probable tags under the potentials of a `CRF` (Viterbi).

    Args:
        **kwargs: `name` and `dtype` of the layer.

    Call arguments:
        potentials: what a `CRF` put out.

    Returns:
        int32 (batch, T), the tags; 0 at masked steps, with the mask of the emissions.

    Example:

    >>> emissions = keras.ops.array([[[1.0, 0.0], [0.0, 2.0]]])
    >>> potentials = rnnkit.CRF(2)(emissions)
    >>> keras.ops.convert_to_numpy(rnnkit.CRFDecoder()(potentials)).tolist()
    [[0, 1]]
    """

    def call(self, potentials: Tensor) -> Tensor:
        return crf_decode(**unpack(potentials)._asdict())[0]

    def compute_output_shape(self, potentials_shape: Any) -> tuple[int | None, ...]:
        return self._sizes(potentials_shape)[:2]

    def compute_output_spec(self, potentials: Any) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(potentials.shape), "int32")


@keras.saving.register_keras_serializable("rnnkit")
class CRFMarginals(_Reader):
    """The probability of each tag at each step under the potentials of a `CRF`.

    Args:
        **kwargs: `name` and `dtype` of the layer.

    Call arguments:
        potentials: what a `CRF` put out.

    Returns:
        (batch, T, K), rows that sum to one; zeros at masked steps.

    Example:

    >>> potentials = rnnkit.CRF(2)(keras.ops.zeros((1, 3, 2)))
    >>> keras.ops.convert_to_numpy(rnnkit.CRFMarginals()(potentials))[0].tolist()
    [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    """

    def call(self, potentials: Tensor) -> Tensor:
        return crf_marginals(**unpack(potentials)._asdict())

    def compute_output_shape(self, potentials_shape: Any) -> tuple[int | None, ...]:
        return self._sizes(potentials_shape)

    def compute_output_spec(self, potentials: Any) -> keras.KerasTensor:
        shape = self.compute_output_shape(potentials.shape)
        return keras.KerasTensor(shape, working_dtype(potentials.dtype))


def _checked(constraints: Any, tags: int) -> list[list[bool]]:
    allowed = np.asarray(constraints)
    if allowed.shape != (tags + 1, tags + 1) or not np.isin(allowed, (0, 1)).all():
        raise ValueError(
            f"constraints must be bool of shape {(tags + 1, tags + 1)}: [i, j] whether tag j may "
            "follow tag i, with the last row for the start and the last column for the end. "
            f"Received: {allowed.dtype} of shape {allowed.shape}. "
            "Example: CRF(3, constraints=crf_constraints(['O', 'B-PER', 'I-PER']))."
        )
    allowed = allowed.astype(bool)
    reached = allowed[-1, :-1]
    for _ in range(tags):
        reached = reached | (reached @ allowed[:-1, :-1])
    if not (reached & allowed[:-1, -1]).any():
        raise ValueError(
            "constraints must allow at least one sequence of tags. Received: constraints under "
            "which no tag that may come last can be reached from one that may come first."
        )
    return allowed.tolist()
