"""Cells around cells that regularise them by noise: zoneout and recurrent dropout."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from rnnkit.arguments import number
from rnnkit.cells.base import BaseCell, States, Tensor
from rnnkit.cells.weights import operands_through
from rnnkit.cells.wrappers import Wrapper


@keras.saving.register_keras_serializable("rnnkit")
class ZoneoutCell(Wrapper):
    """Zoneout: some units, other ones at each step, keep their state as it was.

        h'_t, c'_t = the cell's own step from h_{t-1}, c_{t-1}
        h_t = d_h * h_{t-1} + (1 - d_h) * h'_t,     d_h ~ Bernoulli(hidden_rate) a unit and step
        c_t = d_c * c_{t-1} + (1 - d_c) * c'_t,     d_c ~ Bernoulli(memory_rate)
        y_t = h_t

    Dropout for states: where dropout would put zeros, the past goes on, and with it the gradient.
    Without training d is its mean, the rate. The states are the cell's; one that has only h has no
    use for `memory_rate`.

    Args:
        cell: the cell whose states zone out, such as `LSTMCell(64)`.
        hidden_rate: float from 0 to 1, the rate of h, the cell's first state.
        memory_rate: float from 0 to 1, the rate of c, its second one. The defaults, 0.05 and 0.5,
            are those of the paper's best language models: h, from which everything is read, bears
            little noise, c much.
        seed: int or `keras.random.SeedGenerator`; None draws one.

    Raises:
        ValueError: a rate outside [0, 1], or something else than a cell.

    Example:

    >>> cell = rnnkit.ZoneoutCell(rnnkit.LSTMCell(16))
    >>> layer = rnnkit.RNN(cell, return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3)), training=True).shape
    TensorShape([2, 5, 16])

    Reference: D. Krueger et al., Zoneout: Regularizing RNNs by Randomly Preserving Hidden
    Activations, ICLR 2017.
    """

    paper = "Krueger 2017"

    def __init__(
        self,
        cell: keras.layers.Layer,
        *,
        hidden_rate: float = 0.05,
        memory_rate: float = 0.5,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(cell, **kwargs)
        example = "ZoneoutCell(cell, hidden_rate=0.05, memory_rate=0.5)"
        rule = "a float from 0 to 1", example, lambda rate: 0 <= rate <= 1
        self.hidden_rate = number("hidden_rate", hidden_rate, *rule)
        self.memory_rate = number("memory_rate", memory_rate, *rule)
        self.seed_generator, self.seed = _generator(seed)

    @property
    def _rates(self) -> list[float]:
        return [self.hidden_rate, self.memory_rate][: len(self.state_size)]

    def project(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """What the cell projects, and in training d_h and d_c beside it.

        Drawn here, for all steps at once, the noise of a step is the same whenever the step is
        computed again.
        """
        projected = super().project(inputs, training)
        if not training:
            return projected
        noise = [
            ops.cast(_uniform(inputs, width, self.seed_generator) < rate, projected.dtype)
            for rate, width in zip(self._rates, self.state_size, strict=False)
        ]
        return ops.concatenate([projected, *noise], axis=-1)

    def step(
        self, projected: Tensor, states: States, training: bool | None = None
    ) -> tuple[Tensor, States]:
        keep: list[Any] = self._rates
        if training:
            widths = self.state_size[: len(keep)]
            ends = [projected.shape[-1] - sum(widths[k:]) for k in range(len(widths))]
            projected, *keep = ops.split(projected, ends, axis=-1)
            keep = [ops.stop_gradient(d) for d in keep]
        y, new = self.step_within(projected, states, training)
        zoned = [
            d * old + (1 - d) * state for d, old, state in zip(keep, states, new, strict=False)
        ]
        return (zoned[0] if y is new[0] else y), [*zoned, *new[len(zoned) :]]

    def get_config(self) -> dict[str, Any]:
        rates = {"hidden_rate": self.hidden_rate, "memory_rate": self.memory_rate}
        return {**super().get_config(), **rates, "seed": self.seed}


@keras.saving.register_keras_serializable("rnnkit")
class RecurrentDropoutCell(Wrapper):
    """Recurrent dropout: the recurrent kernels do not see some units of h, all sequence long.

        m ~ Bernoulli(1 - rate) / (1 - rate)        one a unit and row, for the whole sequence
        h_{t-1} U  becomes  (m * h_{t-1}) U         wherever the cell multiplies by U

    With the same m at every step the net sees one thinned net a sequence, which is what makes
    dropout between steps work (Gal and Ghahramani); a new m at each step would wipe out what is to
    be remembered. Only products with recurrent kernels are thinned: the paths on which a state goes
    on by itself, an LSTM's c and a GRU's (1 - z) * h, stay whole. Without training m = 1.

    m is a state, the last one, drawn by `get_initial_state` with the batch: the states are the
    cell's, and 1 - m. Zeros in its place drop nothing. Halves of a sequence that share their states
    share m. In a `stateful` layer m is drawn when the layer is built, and by each `reset_state`.

    Args:
        cell: a cell of rnnkit's that multiplies its state by `recurrent_kernel` or
            `candidate_kernel`.
        rate: float, at least 0 and below 1: the share of units that fall away. 0.25 is Gal and
            Ghahramani's for language models; smaller data bear more.
        seed: int or `keras.random.SeedGenerator`; None draws one.

    Raises:
        ValueError: a rate outside [0, 1), or a cell without recurrent kernels.

    Example:

    >>> cell = rnnkit.RecurrentDropoutCell(rnnkit.GRUCell(16), rate=0.25)
    >>> layer = rnnkit.RNN(cell, return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 3)), training=True).shape
    TensorShape([2, 5, 16])

    Reference: Y. Gal and Z. Ghahramani, A Theoretically Grounded Application of Dropout in
    Recurrent Neural Networks, NIPS 2016; S. Semeniuta, A. Severyn and E. Barth, Recurrent Dropout
    without Memory Loss, COLING 2016, for the paths that stay whole.
    """

    paper = "Gal 2016"

    def __init__(
        self, cell: keras.layers.Layer, rate: float = 0.25, *, seed: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(cell, **kwargs)
        example = "RecurrentDropoutCell(cell, rate=0.25)"
        rule = "a float from 0 to below 1"
        self.rate = number("rate", rate, rule, example, lambda rate: 0 <= rate < 1)
        if not isinstance(cell, BaseCell):
            raise ValueError(
                "RecurrentDropoutCell needs a cell of rnnkit's. "
                f"Received: cell={cell!r}. Example: RecurrentDropoutCell(rnnkit.LSTMCell(64))."
            )
        if cell.memory_size:
            raise ValueError(
                "RecurrentDropoutCell goes into an AttentionCell, not around it. Received: "
                f"cell={cell!r}. Example: AttentionCell(RecurrentDropoutCell(cell), ...)."
            )
        self.seed_generator, self.seed = _generator(seed)

    @property
    def state_size(self) -> list[int]:
        within = super().state_size
        return [*within, within[0]]

    def get_initial_state(self, batch_size: int | Tensor | None = None) -> States:
        width = self.state_size[-1]
        uniform = keras.random.uniform((batch_size, width), seed=self.seed_generator)
        gone = ops.where(uniform < self.rate, 1.0, -self.rate / (1 - self.rate))
        return [*super().get_initial_state(batch_size), ops.cast(gone, self.compute_dtype)]

    def step(
        self, projected: Tensor, states: States, training: bool | None = None
    ) -> tuple[Tensor, States]:
        *states, gone = states
        thinned = []

        def thin(kind: str, tensor: Tensor, weight: Any) -> Tensor:
            if kind != "dot" or weight.name not in ("recurrent_kernel", "candidate_kernel"):
                return tensor
            thinned.append(weight.name)
            return tensor * (1 - gone) if training else tensor

        with operands_through(thin):
            y, new = self.step_within(projected, states, training)
        if not thinned:
            raise ValueError(
                "RecurrentDropoutCell needs a cell with a product by recurrent_kernel or "
                f"candidate_kernel. Received: {type(self.cell).__name__}, which has none."
            )
        return y, [*new, gone]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


def _generator(seed: Any) -> tuple[keras.random.SeedGenerator, Any]:
    """The generator, and what a config keeps of it."""
    if isinstance(seed, keras.random.SeedGenerator):
        return seed, seed.get_config()["seed"]
    return keras.random.SeedGenerator(seed), seed


def _uniform(like: Tensor, width: int, seed: keras.random.SeedGenerator) -> Tensor:
    """Numbers in [0, 1), `width` of them for each row and step of `like`."""
    return keras.random.uniform((*ops.shape(like)[:-1], width), seed=seed)
