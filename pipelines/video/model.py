"""The model of the video task: an encoder of frames, recurrent layers, an answer a frame."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from pipelines.cells import bidirectional_layer, recurrent_layer
from pipelines.video import encoders

Tensor = Any


@keras.saving.register_keras_serializable("rnnkit")
class VideoModel(keras.Model):
    """p(label | clip), or p(label of a frame | clip) for each frame.

        v_t = encoder(frame_t)                           one vector a frame
        h_t = recurrent layers over v_1 .. v_t           in both directions: over all
        z_t = linear(h_t)                                logits of frame t
        z   = mean over t of z_t                         logits of the clip

    The mean lets every frame speak, as in the reference, and what the model believes after t
    frames is softmax(mean of z_1 .. z_t), which ends in its answer. With `differences`,
    v_t = [x_t, x_t - x_{t-1}], of pixels where the encoder is the small net, else of vectors. The
    small net reads pictures that are `standardized`.

    Args:
        frame: shape of a frame, (height, width, colours) of uint8 or (n,) of floats.
        labels: int, number of labels.
        encoder: str, "cnn" (`encoders.small_net`) or a name of keras.applications; vectors have
            none.
        filters, features: int, of `encoders.small_net`.
        fine_tune: bool, whether the weights of a keras.applications network are trained.
        cell: str, name of the recurrent cell.
        units: int, width of each recurrent layer, in each direction.
        layers: int, how many are stacked; 0: the model knows no order.
        bidirectional: bool.
        dropout: float in [0, 1), share of activations dropped in training.
        bptt_steps: int or None, most steps that a gradient flows back.
        places: bool, of `encoders.small_net`.
        differences: str, "none", "beside" or "only".
        per_frame: bool, whether every frame has a label.
        mean, spread: lists of n floats, of vectors, which are standardized by them.

    Call arguments:
        inputs: dict of `frames`, (batch, T, *frame), or (batch, T, width) of what `encode` gave
            where a network is frozen; `steps`, int (batch,): how many of the frames are real, the
            others at the end only fill the batch.

    Returns:
        (batch, labels), with `per_frame` (batch, T, labels): logits.

    Reference: J. Donahue et al., Long-term Recurrent Convolutional Networks for Visual Recognition
    and Description, CVPR 2015.
    """

    def __init__(
        self,
        *,
        frame: tuple[int, ...] | list[int],
        labels: int,
        encoder: str,
        filters: int,
        features: int,
        places: bool,
        fine_tune: bool,
        cell: str,
        units: int,
        layers: int,
        bidirectional: bool,
        dropout: float,
        bptt_steps: int | None,
        differences: str,
        per_frame: bool,
        mean: list[float] | None = None,
        spread: list[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.arguments: dict[str, Any] = {
            "frame": list(frame),
            "labels": labels,
            "encoder": encoder,
            "filters": filters,
            "features": features,
            "places": places,
            "fine_tune": fine_tune,
            "cell": cell,
            "units": units,
            "layers": layers,
            "bidirectional": bidirectional,
            "dropout": dropout,
            "bptt_steps": bptt_steps,
            "differences": differences,
            "per_frame": per_frame,
            "mean": mean,
            "spread": spread,
        }
        self.frame, self.labels, self.per_frame = tuple(frame), labels, per_frame
        self.pictures, self.bidirectional = len(frame) == 3, bidirectional
        self.own = self.pictures and encoder == encoders.OWN
        self.differences = differences
        self.encoder: Any = None
        if self.own:
            height, width, colours = frame
            shape = (height, width, colours * (2 if differences == "beside" else 1))
            self.encoder = encoders.small_net(shape, filters, features, places)
        elif self.pictures:
            self.encoder = encoders.network(encoder, self.frame)
            self.encoder.trainable = fine_tune
            self._preprocessing = encoders.preprocessing(encoder)
        layer = bidirectional_layer if bidirectional else recurrent_layer
        self.recurrent = [
            layer(
                cell,
                units,
                return_sequences=True,
                truncate_gradient=bptt_steps,
                name=f"recurrent_{k}",
            )
            for k in range(layers)
        ]
        self.dropouts = [keras.layers.Dropout(dropout, seed=k) for k in range(layers + 1)]
        self.answer = keras.layers.Dense(labels, name="answer")

    @property
    def vector_width(self) -> int:
        """Numbers of a frame that the recurrent layers read."""
        if self.own:
            return self.arguments["features"]
        return self._read_width * (2 if self.differences == "beside" else 1)

    @property
    def _read_width(self) -> int:
        """Numbers of a frame before differences are taken of them."""
        return self.frame[0] if self.encoder is None else self.encoder.output_shape[-1]

    def build(self, inputs_shape: Any = None) -> None:
        if self.own:
            height, width, colours = self.frame
            copies = 2 if self.differences == "beside" else 1
            self.encoder.build((None, height, width, colours * copies))
        shape: tuple[Any, ...] = (None, None, self.vector_width)
        for layer in self.recurrent:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.answer.build(shape)

    def call(self, inputs: dict[str, Tensor], training: bool | None = None) -> Tensor:
        logits = self.follow(inputs["frames"], inputs["steps"], training)
        if self.per_frame:
            return logits
        return believed(logits, inputs["steps"])[:, -1]

    def follow(self, frames: Tensor, steps: Tensor, training: bool | None = None) -> Tensor:
        """z_1 .. z_T, (batch, T, labels)."""
        x = self.encode(frames)
        mask = real(steps, ops.shape(x)[1])
        for layer, dropout in zip(self.recurrent, self.dropouts, strict=False):
            x = layer(dropout(x, training=training), mask=mask)
        return self.answer(self.dropouts[-1](x, training=training))

    def encode(self, frames: Tensor) -> Tensor:
        """v_1 .. v_T, (batch, T, width)."""
        return self._vectors(changes(self._looked_at(frames), self.differences))

    def _looked_at(self, frames: Tensor) -> Tensor:
        """What differences are taken of: pictures for the small net, else vectors."""
        if self.own:
            return standardized(ops.cast(frames, self.compute_dtype))
        if self.encoder is not None:
            return frames if len(frames.shape) == 3 else self.read_pictures(frames)
        x = ops.cast(frames, self.compute_dtype)
        mean, spread = (self.arguments[name] for name in ("mean", "spread"))
        if mean is None:
            return x
        return (x - np.array(mean, np.float32)) / np.array(spread, np.float32)

    def _vectors(self, x: Tensor) -> Tensor:
        return self._each(self.encoder, x) if self.own else x

    def read_pictures(self, frames: Tensor) -> Tensor:
        """What a network of keras.applications makes of them, (batch, T, its width)."""
        x = self._preprocessing(ops.cast(frames, self.compute_dtype))
        # Its statistics stay those of the pictures it was trained on: a batch of ours has few.
        return self._each(lambda pictures: self.encoder(pictures, training=False), x)

    def _each(self, read: Any, frames: Tensor) -> Tensor:
        """`read` for the frames of all clips, as one batch."""
        batch, steps = ops.shape(frames)[0], ops.shape(frames)[1]
        vectors = read(ops.reshape(frames, (-1, *frames.shape[2:])))
        return ops.reshape(vectors, (batch, steps, vectors.shape[-1]))

    # --- one frame after the other -----------------------------------------------------------

    def initial_states(self, batch_size: int | Tensor) -> list[Tensor]:
        """Before the first frame: how many there were, the sum of their logits, the last one where
        differences count, and the states of the recurrent layers."""
        states = [ops.zeros((batch_size,)), ops.zeros((batch_size, self.labels))]
        if self.differences != "none":
            last = self.frame if self.own else (self._read_width,)
            states.append(ops.zeros((batch_size, *last)))
        for layer in self.recurrent:
            states += _as_list(layer.cell.get_initial_state(batch_size=batch_size))
        return states

    def advance(self, frame: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Reads one frame, (batch, *frame), and gives the logits (batch, labels) so far, with
        `per_frame` those of this frame, and the states after it."""
        count, total, *states = states
        after: list[Tensor] = []
        x = self._looked_at(frame[:, None])
        if self.differences != "none":
            last, *states = states
            after.append(x[:, 0])
            first = ops.reshape(count, (-1,) + (1,) * (len(x.shape) - 1)) == 0
            before = ops.where(first, x, last[:, None])
            x = changes(ops.concatenate([before, x], axis=1), self.differences)[:, 1:]
        x = self._vectors(x)
        x = x[:, 0]
        for layer in self.recurrent:
            size = len(_as_list(layer.cell.state_size))
            x, ends = layer.cell(x, states[:size])
            states, after = states[size:], [*after, *_as_list(ends)]
        logits = self.answer(x)
        count, total = count + 1, total + logits
        mean = logits if self.per_frame else total / count[:, None]
        return mean, [count, total, *after]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.arguments}


def real(steps: Tensor, length: int | Tensor) -> Tensor:
    """(batch, length), True for the first `steps` of each row."""
    return ops.arange(length)[None] < ops.cast(steps, "int32")[:, None]


def believed(logits: Tensor, steps: Tensor) -> Tensor:
    """Means of z_1 .. z_t for every t, (batch, T, labels); beyond the last real frame the last."""
    weight = ops.cast(real(steps, ops.shape(logits)[1]), logits.dtype)[..., None]
    return ops.cumsum(logits * weight, axis=1) / ops.cumsum(weight, axis=1)


def standardized(pictures: Tensor) -> Tensor:
    """Each picture less its mean, over its standard deviation: how light a scene is says nothing,
    and what moves in it stands out. Without it rendered clips were not learnt at all."""
    axes = (-3, -2, -1)
    mean, spread = (f(pictures, axis=axes, keepdims=True) for f in (ops.mean, ops.std))
    return (pictures - mean) / (spread + 1.0)


def changes(x: Tensor, how: str) -> Tensor:
    """x_t; "beside": [x_t, x_t - x_{t-1}] on the last axis; "only": x_t - x_{t-1}. Of the first
    frame the difference is 0."""
    if how == "none":
        return x
    change = ops.concatenate([ops.zeros_like(x[:, :1]), x[:, 1:] - x[:, :-1]], axis=1)
    return change if how == "only" else ops.concatenate([x, change], axis=-1)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
