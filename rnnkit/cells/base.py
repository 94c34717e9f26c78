"""The contract of a cell: one step of a recurrent net, `(x_t, states) -> (y_t, states)`."""

from __future__ import annotations

import abc
import inspect
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from rnnkit.arguments import fits, positive_int, shape_of
from rnnkit.cells.initializers import PerGate
from rnnkit.cells.weights import use_weight

Tensor = Any
States = list[Tensor]


class BaseCell(keras.layers.Layer, abc.ABC):
    """One step of a recurrent net, in two halves: what `RNN` needs to know.

        p_t         = project(x_t)          everything that needs no past
        y_t, states = step(p_t, states)     everything that does

    Only `step` depends on the step before. `project` takes inputs of any leading shape, so `RNN`
    projects all steps of a sequence in one product before its loop, and Keras's own `RNN`, which
    knows only `call`, gets the same result step by step. Either may take `training=None`.

    `step` uses recurrent weights through `dot` (a matrix), `scale` (a vector a unit) and `shift` (a
    bias): an engine that runs the cell over time can then form the gradient of each weight once for
    the whole sequence.

    `Cell` adds the weights that most cells have; wrappers (`rnnkit.cells.wrappers`) take those of
    the cell they hold.
    """

    paper: str

    @property
    @abc.abstractmethod
    def state_size(self) -> int | list[int]:
        """Width of the state, or a list of widths, one a state."""

    @property
    @abc.abstractmethod
    def output_size(self) -> int:
        """Width of y_t."""

    @abc.abstractmethod
    def project(self, inputs: Tensor) -> Tensor:
        """x_t -> p_t: (..., m) -> (..., width)."""

    @abc.abstractmethod
    def step(self, projected: Tensor, states: States) -> tuple[Tensor, States]:
        """`(p_t, states) -> (y_t, states)`: the equations of the cell."""

    def call(self, inputs: Tensor, states: States, training: bool | None = None):
        states = list(states) if isinstance(states, (list, tuple)) else [states]
        if len(states) != len(self.state_sizes) + self.memory_size:
            memory = ", *cell.remember(memory)" if self.memory_size else ""
            raise ValueError(
                f"{type(self).__name__} has {len(self.state_sizes)} state(s), of widths "
                f"{self.state_sizes}, and {self.memory_size} tensor(s) of memory. "
                f"Received: {len(states)}. "
                f"Example: cell(x, [*cell.get_initial_state(batch_size){memory}])."
            )
        self._check_shapes(inputs, states[: len(self.state_sizes)])
        projected = self.project(inputs, **accepted(self.project, training=training))
        return self.step(projected, states, **accepted(self.step, training=training))

    def _check_shapes(self, inputs: Tensor, states: States) -> None:
        """Shapes that do not fit would be broadcast, to results that nobody asked for."""
        shape = shape_of(inputs)
        shapes = [known for state in states if (known := shape_of(state)) is not None]
        if shape is None or len(shapes) < len(states):
            return
        if len(shape) != 2:
            raise ValueError(
                f"{type(self).__name__} takes one step, (batch, features). Received: inputs of "
                f"shape {shape}. Example: rnnkit.RNN(cell)(x) for sequences."
            )
        expected = [(shape[0], width) for width in self.state_sizes]
        if not all(fits(*pair) for pair in zip(shapes, expected, strict=True)):
            raise ValueError(
                f"{type(self).__name__} has states of widths {self.state_sizes}, a row for each of "
                f"its inputs, here {shape[0]}. Received: states of shapes {shapes}. "
                "Example: cell(x, cell.get_initial_state(batch_size))."
            )

    @property
    def state_sizes(self) -> list[int]:
        """`state_size` as a list."""
        size = self.state_size
        return list(size) if isinstance(size, (list, tuple)) else [size]

    def get_initial_state(self, batch_size: int | Tensor | None = None) -> States:
        """Zeros: one (batch_size, width) tensor a state."""
        return [
            ops.zeros((batch_size, width), dtype=self.compute_dtype) for width in self.state_sizes
        ]

    @property
    def memory_size(self) -> int:
        """How many tensors of memory follow the states: none, but for an `AttentionCell`.

        They are what every step reads and none changes: `step` hands them on as they are.
        """
        return 0

    def build_memory(self, memory_shape: Sequence[int | None]) -> None:
        """Creates what depends on the width of the memory, before `build`."""

    def remember(self, memory: Tensor, mask: Tensor | None = None) -> States:
        """The tensors of memory that follow the states, from (batch, S, m)."""
        return []

    def dot(self, tensor: Tensor, kernel: Tensor) -> Tensor:
        """tensor W: (batch, a) times a weight (a, b)."""
        return use_weight("dot", tensor, kernel)

    def scale(self, tensor: Tensor, weight: Tensor) -> Tensor:
        """tensor * w: (batch, n) times a weight (n,), unit by unit."""
        return use_weight("scale", tensor, weight)

    def shift(self, tensor: Tensor, bias: Tensor) -> Tensor:
        """tensor + b: (batch, n) plus a weight (n,)."""
        return use_weight("shift", tensor, bias)


class Cell(BaseCell):
    """One step of a recurrent net with gates: an input kernel and a bias for all of them.

        p_t         = project(x_t)          x_t W + b, for all gates at once
        y_t, states = step(p_t, states)     everything that needs the past

    A concrete cell names its `gates` (the blocks of the input kernel, in order), creates its
    recurrent weights in `build_recurrent`, and writes its equations in `step`, where it uses them
    through `dot`, `scale` and `shift`; see `BaseCell` for why.

    Args:
        units: positive int, the width n of the state h.
        kernel_initializer: for the input weights W (m, gates * n), applied to each gate's (m, n)
            block by itself. Glorot keeps the variance of the pre-activations near that of x.
        recurrent_initializer: for the recurrent weights, each gate's (n, n) block by itself.
            Orthogonal blocks neither shrink nor stretch the state (Saxe et al. 2014); Keras makes
            only the fused (n, gates * n) matrix orthogonal, whose blocks are not.
        kernel_regularizer, recurrent_regularizer: a Keras regularizer or its name.

    Call arguments:
        inputs: x_t, (batch, m).
        states: list of (batch, n) tensors, as `get_initial_state` makes them.

    Returns:
        `(y_t, states)`: the output (batch, output_size) and the states after the step.

    Raises:
        ValueError: `units` is not a positive int, or `states` has not `len(state_size)` tensors.
    """

    gates: tuple[str, ...]

    def __init__(
        self,
        units: int,
        *,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive_int("units", units, f"{type(self).__name__}(64)")
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = keras.regularizers.get(recurrent_regularizer)

    @abc.abstractmethod
    def build_recurrent(self) -> None:
        """Creates the weights that `step` uses."""

    def initial_bias(self, gate: str) -> float:
        """Value at which the bias of `gate` starts."""
        return 0.0

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], len(self.gates) * self.units),
            initializer=PerGate(self.kernel_initializer, len(self.gates)),
            regularizer=self.kernel_regularizer,
        )
        self.bias = self.add_weight(
            name="bias", shape=(len(self.gates) * self.units,), initializer=self._first_bias
        )
        self.build_recurrent()

    def _first_bias(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """`initial_bias` of each gate, for its n units.

        An initializer, because what `build` assigns is lost where Keras gives weights their values
        later: in the `fit` of a subclassed model.
        """
        starts = [self.initial_bias(gate) for gate in self.gates]
        return ops.repeat(ops.array(starts, dtype=dtype), self.units)

    def project(self, inputs: Tensor) -> Tensor:
        """x W + b: (..., m) -> (..., gates * n)."""
        return ops.matmul(inputs, self.kernel) + self.bias

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": keras.initializers.serialize(self.recurrent_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "recurrent_regularizer": keras.regularizers.serialize(self.recurrent_regularizer),
        }

    def add_recurrent_kernel(self, name: str, gates: int, first: int = 0) -> Any:
        """A weight (n, gates * n), each gate's block initialised by itself; see `PerGate`."""
        return self.add_weight(
            name=name,
            shape=(self.units, gates * self.units),
            initializer=PerGate(self.recurrent_initializer, gates, first),
            regularizer=self.recurrent_regularizer,
        )


class OneStateCell(Cell):
    """A cell whose one state h, as wide as its gates, is also its output.

    A concrete cell names its `gates`, and writes `build_recurrent` and `step`.

    Args:
        units: positive int, the width n of h.
        kernel_initializer, recurrent_initializer, kernel_regularizer, recurrent_regularizer: see
            `Cell`.

    Example:

    >>> class AddingCell(rnnkit.OneStateCell):
    ...     gates, paper = ("h",), "an example"
    ...
    ...     def build_recurrent(self):
    ...         self.recurrent_kernel = self.add_recurrent_kernel("recurrent_kernel", gates=1)
    ...
    ...     def step(self, projected, states):
    ...         h = states[0]
    ...         h = h + keras.ops.tanh(projected + self.dot(h, self.recurrent_kernel))
    ...         return h, [h]
    >>> rnnkit.RNN(AddingCell(16))(keras.ops.zeros((2, 5, 3))).shape
    TensorShape([2, 16])
    """

    @property
    def state_size(self) -> int:
        return self.units

    @property
    def output_size(self) -> int:
        return self.units


def accepted(function: Any, **options: Any) -> dict[str, Any]:
    """Those options that `function` takes."""
    return {k: v for k, v in options.items() if k in inspect.signature(function).parameters}
