"""From the state of the recurrent layers to the keys that sound: two output heads.

Both give, in training, the logits of all keys at once, given the true keys (`call`), and in
generation the keys that sound, one threshold a key (`decide`): key k sounds when its probability,
given the keys decided before it, exceeds its threshold. Uniform random thresholds sample from the
model, 0.5 everywhere takes the likelier value key by key, a threshold below 0 forces a key on and
one above 1 forces it off.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from pipelines.music.pieces import KEYS

Tensor = Any
_FEW_SOUND = keras.initializers.Constant(-3.0)  # sigmoid(-3) = 0.05: about 4 of 88 keys


def _dense(width: int, name: str, owner: keras.layers.Layer, **arguments: Any):
    return keras.layers.Dense(width, name=name, dtype=owner.dtype_policy, **arguments)


@keras.saving.register_keras_serializable("rnnkit")
class BernoulliHead(keras.layers.Layer):
    """Each key by itself, given the past.

        P(v | s) = prod_k sigmoid(b_k)^v_k (1 - sigmoid(b_k))^(1 - v_k),      b = s B + b_0

    Keys of one step know nothing of each other, so likely notes come together even where they do
    not make a chord.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bias = _dense(KEYS, "bias", self, bias_initializer=_FEW_SOUND)

    def build(self, context_shape, *_: Any) -> None:
        self.bias.build(context_shape)

    def call(self, context: Tensor, sounding: Tensor | None = None) -> Tensor:
        """Logits (..., 88) of the keys, from the context (..., n)."""
        return self.bias(context)

    def decide(self, context: Tensor, thresholds: Tensor, temperature: Tensor) -> Tensor:
        """The keys that sound, (batch, 88) of 0 and 1, for thresholds (batch, 88) and a
        temperature (batch, 1) that divides the logits."""
        likely = ops.sigmoid(self.bias(context) / temperature)
        return ops.cast(thresholds < likely, context.dtype)


@keras.saving.register_keras_serializable("rnnkit")
class NADEHead(keras.layers.Layer):
    """The keys of a step jointly, highest first: a neural autoregressive distribution estimator.

        a_k = c + sum of W_j over the sounding keys j above k
        P(v_k = 1 | v_above, s) = sigmoid(b_k + V_k . relu(a_k))
        b = s B + b_0,   c = s C + c_0

    Both biases come from the recurrent layers' state s (RNN-NADE). Silent keys add nothing to a, so
    a changes only at a sounding key: a step with k notes has k + 1 different hidden layers, not 88.
    Training computes just these (and generation looks for one sounding key after another), which
    gives the same numbers as going key by key at a fraction of the work. Keys after the first
    `notes` sounding ones no longer change a; set it to the largest chord of the data and nothing is
    lost. The hidden layer is rectified, where the paper has sigmoids: it learns several times
    faster and ends lower (`benchmarks/music.md`).

    Args:
        units: positive int, width of the hidden layer.
        notes: positive int, how many sounding keys the hidden layer takes in.

    Reference: H. Larochelle and I. Murray, The Neural Autoregressive Distribution Estimator,
    AISTATS 2011; N. Boulanger-Lewandowski, Y. Bengio and P. Vincent, Modeling Temporal Dependencies
    in High-Dimensional Sequences, ICML 2012.
    """

    def __init__(self, units: int, notes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.notes = notes
        self.bias = _dense(KEYS, "bias", self, bias_initializer=_FEW_SOUND)
        self.hidden_bias = _dense(units, "hidden_bias", self)

    def build(self, context_shape, *_: Any) -> None:
        self.bias.build(context_shape)
        self.hidden_bias.build(context_shape)
        shape, initializer = (KEYS, self.units), keras.initializers.RandomNormal(stddev=0.1)
        self.encoder = self.add_weight(name="encoder", shape=shape, initializer=initializer)
        self.decoder = self.add_weight(name="decoder", shape=shape, initializer=initializer.clone())

    def call(self, context: Tensor, sounding: Tensor) -> Tensor:
        """Logits (..., 88) of the keys, from the context (..., n) and the keys that truly sound
        (..., 88); the logit of a key depends on those above it only."""
        descending = ops.flip(sounding, -1)
        above = ops.cumsum(descending, -1) - descending  # sounding keys above each key
        level = ops.minimum(above, self.notes)[..., None, :]
        levels = ops.arange(self.notes + 1, dtype=context.dtype)[:, None]
        at_level = ops.cast(ops.equal(level, levels), context.dtype)  # (..., notes + 1, 88)

        nth_key = at_level[..., :-1, :] * descending[..., None, :]
        added = ops.cumsum(ops.matmul(nth_key, ops.flip(self.encoder, 0)), -2)
        base = self.hidden_bias(context)[..., None, :]
        hidden = ops.relu(ops.concatenate([base, base + added], -2))
        logits = ops.matmul(hidden, ops.transpose(ops.flip(self.decoder, 0)))
        return self.bias(context) + ops.flip(ops.sum(logits * at_level, -2), -1)

    def decide(self, context: Tensor, thresholds: Tensor, temperature: Tensor) -> Tensor:
        """The keys that sound, (batch, 88) of 0 and 1, for thresholds (batch, 88) and a
        temperature (batch, 1) that divides the logits."""
        bias = self.bias(context)
        keys = ops.arange(KEYS)

        def searching(sounding, hidden, lowest, count):
            return ops.any(lowest > 0)

        def next_key(sounding, hidden, lowest, count):
            logits = bias + ops.matmul(ops.relu(hidden), ops.transpose(self.decoder))
            sounds = (thresholds < ops.sigmoid(logits / temperature)) & (keys < lowest)
            key = ops.max(ops.where(sounds, keys, -1), axis=-1, keepdims=True)
            chosen = ops.cast(ops.equal(keys, key), bias.dtype)  # all zero when none sounds
            taken_in = ops.cast(count < self.notes, bias.dtype)
            hidden = hidden + taken_in * ops.matmul(chosen, self.encoder)
            return sounding + chosen, hidden, ops.maximum(key, 0), count + 1

        start = (
            ops.zeros_like(bias),
            self.hidden_bias(context),
            ops.full_like(ops.cast(bias[:, :1], "int32"), KEYS),
            0,
        )
        sounding, *_ = ops.while_loop(searching, next_key, start)
        return sounding

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "notes": self.notes}


@keras.saving.register_keras_serializable("rnnkit")
class StrikeHead(keras.layers.Layer):
    """Which of the keys that go on sounding are struck again.

        P(strike_k | v, s) = sigmoid(d_k),      d = s D + v E + d_0

    given the context s and all keys v of the step. A key that was silent before is always struck.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.from_context = _dense(KEYS, "from_context", self)
        self.from_keys = _dense(KEYS, "from_keys", self, use_bias=False)

    def build(self, context_shape, *_: Any) -> None:
        self.from_context.build(context_shape)
        self.from_keys.build((*context_shape[:-1], KEYS))

    def call(self, context: Tensor, sounding: Tensor) -> Tensor:
        """Logits (..., 88) of a strike."""
        return self.from_context(context) + self.from_keys(sounding)
