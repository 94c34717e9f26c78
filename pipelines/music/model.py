"""The music model: recurrent layers that read the past, and a head that predicts the next step."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from pipelines.cells import recurrent_layer
from pipelines.music.heads import BernoulliHead, NADEHead, StrikeHead
from pipelines.music.pieces import KEYS

Tensor = Any


def channels(roll: Tensor, strikes: bool) -> Tensor:
    """A roll (..., 88) of 0 off, 1 held, 2 struck as floats (..., C, 88): which keys sound and,
    with `strikes`, which are struck."""
    seen = [roll > 0, roll > 1] if strikes else [roll > 0]
    return ops.cast(ops.stack(seen, axis=-2), keras.config.floatx())


@keras.saving.register_keras_serializable("rnnkit")
class MusicModel(keras.Model):
    """P(step t | steps 1..t-1) of a piano roll, for every t at once or one step at a time.

    The net is shown silence before the first step, so it can also begin a piece.

    Args:
        cell: name of the recurrent cell.
        units: int, width of each recurrent layer.
        layers: int, how many are stacked.
        dropout: float in [0, 1), share of each recurrent layer's output dropped in training.
        bptt_steps: int or None, most steps that a gradient flows back; all by default.
        head: `"nade"` or `"bernoulli"`.
        head_units: int, width of the nade head's hidden layer.
        notes: int, largest number of keys that sound together.
        strikes: bool, whether rolls tell struck (2) from held (1) keys.

    Call arguments:
        roll: (batch, T, 88), 0 off, 1 held, 2 struck.

    Returns:
        Logits (batch, T, C, 88) of the same steps, each given those before it: C = 1, that a key
        sounds; with `strikes` C = 2, also that it is struck, if it sounded before.
    """

    def __init__(
        self,
        *,
        cell: str,
        units: int,
        layers: int,
        dropout: float,
        bptt_steps: int | None = None,
        head: str,
        head_units: int,
        notes: int,
        strikes: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.arguments = {
            "cell": cell,
            "units": units,
            "layers": layers,
            "dropout": dropout,
            "bptt_steps": bptt_steps,
            "head": head,
            "head_units": head_units,
            "notes": notes,
            "strikes": strikes,
        }
        self.strikes = strikes
        self.recurrent = [
            recurrent_layer(
                cell,
                units,
                return_sequences=True,
                truncate_gradient=bptt_steps,
                name=f"recurrent_{k}",
            )
            for k in range(layers)
        ]
        self.dropouts = [keras.layers.Dropout(dropout, seed=k) for k in range(layers)]
        self.head = NADEHead(head_units, notes) if head == "nade" else BernoulliHead()
        self.strike_head = StrikeHead() if strikes else None

    def build(self, roll_shape) -> None:
        batch, time, _ = roll_shape
        shape = (batch, time, (2 if self.strikes else 1) * KEYS)
        for layer in self.recurrent:
            layer.build(shape)
            shape = (batch, time, layer.cell.output_size)
        self.head.build(shape)
        if self.strike_head is not None:
            self.strike_head.build(shape)

    def call(self, roll: Tensor, training: bool | None = None) -> Tensor:
        seen = channels(roll, self.strikes)
        context = self._context(seen, training=training)
        sounding = seen[..., 0, :]
        logits = [self.head(context, sounding)]
        if self.strike_head is not None:
            logits.append(self.strike_head(context, sounding))
        return ops.stack(logits, axis=-2)

    def context(self, roll: Tensor) -> Tensor:
        """What the recurrent layers know before each step, (batch, T, n)."""
        return self._context(channels(roll, self.strikes))

    def _context(self, seen: Tensor, training: bool | None = None) -> Tensor:
        shape = ops.shape(seen)
        flat = ops.reshape(seen, (shape[0], shape[1], seen.shape[2] * KEYS))
        x = ops.pad(flat, ((0, 0), (1, 0), (0, 0)))[:, :-1]
        for layer, dropout in zip(self.recurrent, self.dropouts, strict=True):
            x = dropout(layer(x), training=training)
        return x

    # --- one step at a time ---------------------------------------------------------------------

    def initial_states(self, batch_size: int | Tensor) -> list[Tensor]:
        """The states before the first step, all layers' in one flat list."""
        return [
            state
            for layer in self.recurrent
            for state in _as_list(layer.cell.get_initial_state(batch_size=batch_size))
        ]

    def advance(self, frame: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Takes in one step (batch, 88), the one before the first being silence, and gives the
        context (batch, n) of the next with the new states."""
        seen = channels(frame, self.strikes)
        x = ops.reshape(seen, (ops.shape(seen)[0], seen.shape[1] * KEYS))
        states, new = list(states), []
        for layer in self.recurrent:
            count = len(_as_list(layer.cell.state_size))
            x, after = layer.cell(x, states[:count])
            states = states[count:]
            new += _as_list(after)
        return x, new

    def decide(
        self, context: Tensor, frame: Tensor, thresholds: Tensor, temperature: Tensor
    ) -> Tensor:
        """The next step (batch, 88) of 0, 1, 2, after `frame`, for thresholds (batch, 2, 88): of
        sounding, and of being struck again; see `pipelines.music.heads`."""
        sounding = self.head.decide(context, thresholds[:, 0], temperature)
        if self.strike_head is None:
            return ops.cast(sounding, frame.dtype)
        likely = ops.sigmoid(self.strike_head(context, sounding) / temperature)
        struck = (thresholds[:, 1] < likely) | ops.equal(frame, 0)
        return ops.cast(sounding * ops.where(struck, 2.0, 1.0), frame.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.arguments}


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
