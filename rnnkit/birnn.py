"""BiRNN: one cell from left to right, another from right to left."""

from __future__ import annotations

from typing import Any

import keras

from rnnkit.recurrent import RNN, carried_mask

_MERGES = ("concat", "sum", "mul", "ave", None)


@keras.saving.register_keras_serializable("rnnkit")
class BiRNN(keras.layers.Bidirectional):
    """A bidirectional recurrent layer: every output sees the whole sequence.

        forward_t,  s_t  = cell(x_t, s_{t-1})               t = 1..T
        backward_t, s'_t = backward_cell(x_t, s'_{t+1})     t = T..1
        y_t = merge(forward_t, backward_t)

    It is `keras.layers.Bidirectional` around two `rnnkit.RNN`. Without `return_sequences` the
    output merges the two ends, forward_T and backward_1. Under a mask, outputs at masked steps are
    zero, and both directions pass over them.

    Args:
        cell: a cell or a list of cells, as for `RNN`. Its configuration is copied, so that the cell
            itself stays free.
        backward_cell: the cell from right to left; by default one like `cell` with weights of its
            own.
        merge_mode: "concat" (the default, outputs twice as wide, loses nothing), "sum", "mul",
            "ave", or None for the pair `(forward, backward)`.
        return_sequences: bool, default False. True gives y_1..y_T, in the order of the inputs.
        return_state: bool, default False. True gives the last states of both directions too.
        truncate_gradient: positive int or None, as for `RNN`, in each direction.
        stateful: bool, default False, as for `RNN`, in each direction.
        **kwargs: `name` and `dtype` of the layer.

    Call arguments:
        sequences: (batch, T, m).
        initial_state: the forward states followed by the backward ones.
        mask: (batch, T), True where a step is real; by default the mask that `sequences` carries.

    Returns:
        The output, with merge_mode None both outputs; with `return_state` followed by the forward
        and the backward states.

    Raises:
        ValueError: an unknown `merge_mode`, a cell with a memory, and whatever `RNN` raises.

    Example:

    >>> layer = rnnkit.BiRNN(rnnkit.LSTMCell(16), return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 5, 32])

    Reference: M. Schuster and K. Paliwal, Bidirectional Recurrent Neural Networks, IEEE
    Transactions on Signal Processing 45, 1997.
    """

    def __init__(
        self,
        cell: Any,
        backward_cell: Any = None,
        *,
        merge_mode: str | None = "concat",
        return_sequences: bool = False,
        return_state: bool = False,
        truncate_gradient: int | None = None,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        if merge_mode not in _MERGES:
            raise ValueError(
                f"merge_mode must be one of {', '.join(map(repr, _MERGES))}. "
                f"Received: merge_mode={merge_mode!r}. Example: BiRNN(cell, merge_mode='sum')."
            )
        options: dict[str, Any] = {
            "return_sequences": return_sequences,
            "return_state": return_state,
            "truncate_gradient": truncate_gradient,
            "stateful": stateful,
        }
        backward = backward_cell
        if backward is not None:
            backward = RNN(backward, go_backwards=True, **options, name="backward")
        super().__init__(
            RNN(cell, **options, name="rnn"), merge_mode, backward_layer=backward, **kwargs
        )
        if self.forward_layer._attending or self.backward_layer._attending:
            raise ValueError(
                "BiRNN takes cells without a memory. Received: an AttentionCell, which decodes, "
                "step after step. Example: RNN(attention_cell)(x, memory=BiRNN(cell)(source))."
            )
        self.supports_masking = True
        self.truncate_gradient = truncate_gradient

    def call(self, sequences, initial_state=None, mask=None, training=None):
        mask = carried_mask(sequences) if mask is None else mask
        return super().call(sequences, initial_state, mask, training)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["layer"], config["backward_layer"]
        return {
            **config,
            "cell": keras.saving.serialize_keras_object(self.forward_layer.cell),
            "backward_cell": keras.saving.serialize_keras_object(self.backward_layer.cell),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "truncate_gradient": self.truncate_gradient,
            "stateful": self.stateful,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> BiRNN:
        cells = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in ("cell", "backward_cell")
        }
        return cls(**{**config, **cells})
