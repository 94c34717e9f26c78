"""The contract of a task: what a sequence problem is."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import keras
import numpy as np
import tensorflow as tf

import pipelines.settings

Tensors = dict[str, tf.Tensor]


class Record(Protocol):
    """One decoded sequence: a piece, a review, a tagged sentence, a clip."""

    @property
    def name(self) -> str:
        """Where it comes from, for messages: a file, a line, an index."""

    @property
    def group(self) -> str:
        """Records of one group (the same tune, patient, scene) never stand on two sides of a split.
        Equal records have equal groups."""

    def digest(self) -> bytes:
        """A hash of its content, for the fingerprint of the data."""


R = TypeVar("R", bound=Record)  # the records of a task
S = TypeVar("S", bound=pipelines.settings.Settings)  # its settings


@dataclass(frozen=True)
class Dropped:
    """A record that was left out."""

    place: str  # the file, or file:line
    reason: str


@dataclass(frozen=True)
class Reading(Generic[R]):
    """What a task found in a source, before any split is made."""

    parts: dict[str, list[R]]  # {"all": [...]}, or the given "train", "valid", "test"
    description: str  # of the data, for reports and the model card
    dropped: list[Dropped] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)  # what was changed in reading, counted


@dataclass(frozen=True)
class Endpoint:
    """A signature of the export: a named function of a batch of raw inputs."""

    function: Callable[..., Tensors]
    inputs: dict[str, tf.TensorSpec]  # every one with a batch dimension


@dataclass(frozen=True)
class Served:
    """What a task exports."""

    endpoints: dict[str, Endpoint]  # "serving_default", "stream", "stream_init"
    core: Callable[..., Any]  # a tf.function, the numeric part: the `tpu_func` alias
    core_inputs: dict[str, tf.TensorSpec]  # its arguments by name, with static shapes
    client: str  # source of an example client that needs only TensorFlow
    rate: float | None = None  # steps a second, where inputs that were measured in time have one
    tables: tuple[Any, ...] = ()  # layers that hold lookup tables; weights are found without


class Task(abc.ABC, Generic[R, S]):
    """A sequence problem: how to read it, what goes in, what comes out, how it is scored.

    The life of a task object: `Task(settings)`; `read`; `learn` from the training part, or
    `Task(settings, learnt)` when a run is loaded; then everything else.

    Args:
        settings: an instance of the task's `Settings` class.
        learnt: what `learn` returned (JSON): vocabulary, labels, what the data hold.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[pipelines.settings.Settings]]
    metrics: ClassVar[tuple[str, ...]]  # names, the first one leads
    selection: ClassVar[str]  # column of metrics.csv that picks the best epoch; lower is better

    def __init__(self, settings: S, learnt: dict[str, Any] | None = None) -> None:
        self.settings = settings
        self.learnt = learnt or {}

    # --- data -----------------------------------------------------------------------------------

    @abc.abstractmethod
    def read(self, source: str | None) -> Reading[R]:
        """Reads the embedded default (None), a path, or `tfds:NAME`.

        Raises:
            UserError: nothing usable is left, or the source is none of the known kinds.
        """

    def linked(self, parts: dict[str, list[R]]) -> dict[str, list[R]]:
        """The same records, read from several sources, with groups that hold over all of them: for
        a task that finds groups by comparing records, which `read` can do in one source alone."""
        return parts

    def check_parts(self, parts: Mapping[str, Sequence[R]]) -> None:
        """Looks at "train", "valid" and "test" together, before anything is learnt.

        Raises:
            UserError: no model can be trained or scored on them, such as for a label that stands
                in the test part alone.
        """

    @abc.abstractmethod
    def learn(self, records: Sequence[R]) -> dict[str, Any]:
        """What the model must know of the training part, as JSON; also set as `self.learnt`."""

    @abc.abstractmethod
    def describe(self, records: Sequence[R]) -> dict[str, str]:
        """Counts worth a look before training: `{"frames": "13807", ...}`."""

    # --- tensors --------------------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def element_spec(self) -> Tensors:
        """TensorSpecs of one element; an axis of None is time."""

    @abc.abstractmethod
    def element(self, record: R) -> dict[str, np.ndarray]:
        """A record as arrays, nothing padded."""

    def prepare(self, element: Tensors) -> Tensors:
        """What is computed inside the graph once an element: text into numbers of tokens, by the
        function that does it in the served model."""
        return element

    def prepared(self, elements: tf.data.Dataset) -> tf.data.Dataset:
        """Every element, prepared: a task that does it faster for many at a time overrides this."""
        return elements.map(self.prepare)

    @abc.abstractmethod
    def length(self, element: Tensors) -> tf.Tensor:
        """Steps of a prepared element, by which batches are bucketed."""

    def augment(self, element: Tensors, seed: tf.Tensor) -> Tensors:
        """A random variation of a training element; `seed` is an int32 (2,) for stateless ops."""
        return element

    @abc.abstractmethod
    def example(self, batch: Tensors, lengths: tf.Tensor) -> tuple[Any, Any, Any]:
        """A padded batch as `(x, y, sample_weight)`. Weights of padding are zero; rows that only
        fill the batch have length 0."""

    # --- model ----------------------------------------------------------------------------------

    @abc.abstractmethod
    def model(self) -> keras.Model:
        """A new, uncompiled model, its weights drawn from `settings.seed`."""

    @abc.abstractmethod
    def compile_arguments(self) -> dict[str, Any]:
        """`loss` and `weighted_metrics` of `model.compile`.

        Losses reduce by `"mean_with_sample_weight"`. Metrics of a value a step are given their
        values and weights as one axis: Keras takes means over all axes but the first, padding
        included, before it weighs, and batches padded to other lengths would count differently.
        """

    # --- scores ---------------------------------------------------------------------------------

    @abc.abstractmethod
    def scores(self, model: keras.Model, batches: tf.data.Dataset) -> dict[str, float]:
        """Every metric over `batches` of `example`s, exact whatever the padding."""

    @abc.abstractmethod
    def fit_floors(self, records: Sequence[R]) -> dict[str, np.ndarray]:
        """The models without recurrence, fitted on the training part; saved with the run."""

    @abc.abstractmethod
    def floors(
        self, fitted: dict[str, np.ndarray], records: Sequence[R]
    ) -> dict[str, dict[str, float]]:
        """What they reach on `records`: `{"markov": {"nll": 10.49}, ...}`."""

    def relate(
        self, metrics: dict[str, float], floors: dict[str, dict[str, float]]
    ) -> dict[str, float]:
        """Further metrics that need both: the share of a known optimum that is reached, say."""
        return {}

    @property
    def signatures(self) -> dict[str, str]:
        """Of metrics that have many ways to be computed, by their names: which way this is, as one
        cites it. They stand in every answer, in metrics.json and in the model card."""
        return {}

    # --- use ------------------------------------------------------------------------------------

    @abc.abstractmethod
    def predict(self, model: keras.Model, records: Sequence[R]) -> list[dict[str, Any]]:
        """An answer a record, as JSON."""

    @abc.abstractmethod
    def served(self, model: keras.Model) -> Served:
        """What an export of `model` offers."""

    @abc.abstractmethod
    def requests(self, records: Sequence[R]) -> dict[str, dict[str, np.ndarray]]:
        """Real inputs an endpoint, as a batch: for warm-up and for the export's check of itself."""

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """What looks on while a model is trained, and changes nothing of it."""
        return []

    def plots(self, model: keras.Model, records: Sequence[R], folder: str) -> None:
        """Pictures of the task's own, written into `folder`, which is there: of the validation
        part when training ends, of what is scored when `rnnkit evaluate` is called."""


@dataclass(frozen=True, kw_only=True)
class GenerateRequest:
    """What `generate` was asked for; each task documents which fields it reads."""

    length: int | None = None  # steps, the primer included; None: the task's default
    temperature: float = 1.0
    primer: str | None = None  # a file or a text
    seed: int = 0
    count: int = 1
    tempo: float | None = None  # quarter notes a minute; None: the primer's, or the task's default
    melody: str | None = None  # a file whose top voice is kept


class Contiguous(abc.ABC, Generic[R]):
    """What a task offers besides when its records are stretches of a stream: they are cut by
    position, and their windows follow one another from batch to batch, in training too, so that a
    model can carry its state. A state is carried within an epoch, never from one to the next:
    training that is resumed at an epoch's start needs none."""

    @abc.abstractmethod
    def cut(self, records: Sequence[R], missing: Sequence[str]) -> dict[str, list[R]]:
        """The part "train", and the `missing` ones ("valid", "test"): the end of the stream."""

    @abc.abstractmethod
    def windows(self, records: Sequence[R]) -> Iterator[dict[str, np.ndarray]]:
        """Elements of one length, in the order that batches keep; a batch is
        `settings.batch_size` of them."""


class Comparable(abc.ABC, Generic[R]):
    """What a task offers besides when a picture of its own can show several runs:
    `rnnkit evaluate RUN --beside OTHER`."""

    @abc.abstractmethod
    def plot_beside(
        self, runs: Mapping[str, tuple[Any, keras.Model]], records: Sequence[R], folder: str
    ) -> None:
        """The picture of `plots` with all of `runs`, each the task and the model by the run's
        name, in place of the one that `plots` has written into `folder`."""


class Typed(abc.ABC, Generic[R]):
    """What a task offers besides when its records can be typed: `rnnkit predict RUN TEXT`."""

    @abc.abstractmethod
    def typed(self, texts: Sequence[str]) -> list[R]:
        """A record a text."""


class Answering(abc.ABC):
    """What a task offers besides when `rnnkit predict` can do more than answer each record."""

    Options: ClassVar[type[pipelines.settings.Options]]
    """The flags of `rnnkit predict RUN` besides the common ones. The task's row in `TASKS` names
    the class too, as `options`, so that the command line need not import the task."""

    @abc.abstractmethod
    def answers(
        self, model: keras.Model, texts: Sequence[str], input: str | None, options: Any
    ) -> Iterator[dict[str, Any]]:
        """The answers one by one, so that a long input needs no memory. Either `texts` hold
        something or `input` names a file, a folder or `tfds:NAME`; `options` is an `Options`."""

    def show(self, answers: Iterable[dict[str, Any]]) -> Iterator[Any] | None:
        """What a terminal is given in place of the table of answers: things that Rich prints."""
        return None

    @property
    def writers(self) -> Mapping[str, Callable[[Iterable[dict[str, Any]], Path], None]]:
        """Formats of `--output` by the end of its name (".bed"), besides those of
        `pipelines.tables.WRITERS`."""
        return {}


class Generative(abc.ABC, Generic[R]):
    """What a task offers besides when its model can make new sequences."""

    @abc.abstractmethod
    def generate(self, model: keras.Model, request: GenerateRequest) -> list[R]:
        """`request.count` new records, the k-th drawn from seed `request.seed + k`."""

    @abc.abstractmethod
    def write(self, records: Sequence[R], out: str) -> list[str]:
        """Writes them under the file name `out` (a number is added when there are several) in
        every form the task has, and returns the paths."""

    def preview(self, record: R) -> str | None:
        """A new record as text for a terminal, where it can be shown as such."""
        return None
