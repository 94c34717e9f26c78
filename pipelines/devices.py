"""Where a model is trained: on one device, or with an equal share of every batch on each of many.

The loss of a batch is a mean over the weights w of all its rows, and so a sum over devices:

    W   = sum_k W_k                       W_k the sum of w over the rows of device k
    L   = sum_k L_k,   L_k = sum_i w_i l_i / W      i over the rows of device k
    dL  = sum_k dL_k,  clipped after the sum

With that, several devices take the steps that one would take, but for rounding. Keras's own step
under tf.distribute takes the mean of the devices' means, so that a padded row counts as much as a
full one, and clips each device's gradient by itself.
"""

from __future__ import annotations

import contextlib
import functools
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from pipelines import cluster as clusters
from pipelines.cluster import Cluster
from pipelines.errors import UserError
from pipelines.files import locked, replacing
from pipelines.task import Contiguous, Task

SUM = tf.distribute.ReduceOp.SUM
_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)


class Devices(Protocol):
    """What a training computes with."""

    chief: bool  # whether this process keeps the run

    def check(self, task: Task) -> None:
        """Raises a UserError where a task cannot be trained on them."""

    def folder(self, path: Path) -> contextlib.AbstractContextManager[Path]:
        """The folder of the run, kept from other processes: `path`, or a passing one."""

    def share(self, folder: Path, *names: str) -> None:
        """Gives the chief's files of these names, where they are, to all others."""

    def compiled(self, task: Task, example: tf.data.Dataset) -> keras.Model:
        """A new model, ready to fit; `example` holds a batch."""

    def training(self, batches: tf.data.Dataset) -> Any:
        """`batches` for `fit`."""

    def validation(self, batches: tf.data.Dataset, steps: int) -> dict[str, Any]:
        """The arguments of `fit` that say what to validate on: `steps` batches."""

    def explained(self) -> contextlib.AbstractContextManager[None]:
        """Turns what is raised when a peer is gone into one line."""


class OneDevice:
    """The ordinary case."""

    chief = True

    def check(self, task: Task) -> None:
        """Every task can."""

    def folder(self, path: Path) -> contextlib.AbstractContextManager[Path]:
        """`path` itself."""
        return _locked(path)

    def share(self, folder: Path, *names: str) -> None:
        """There is nobody else."""

    def compiled(self, task: Task, example: tf.data.Dataset) -> keras.Model:
        """With Keras's own step."""
        settings = task.settings
        rate, norm = settings.learning_rate, settings.clip_norm
        model = task.model()
        model.compile(
            optimizer=keras.optimizers.Adam(rate, global_clipnorm=norm),
            **task.compile_arguments(),
        )
        model.optimizer.build(model.trainable_variables)
        return model

    def training(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """As they are."""
        return batches

    def validation(self, batches: tf.data.Dataset, steps: int) -> dict[str, Any]:
        """As they are."""
        return {"validation_data": batches}

    def explained(self) -> contextlib.AbstractContextManager[None]:
        """Nothing is."""
        return contextlib.nullcontext()


class ManyDevices:
    """Equal devices that hold the same weights, by tf.distribute.

    Args:
        strategy: a MirroredStrategy or a MultiWorkerMirroredStrategy.
        cluster: of the latter.
    """

    def __init__(self, strategy: tf.distribute.Strategy, cluster: Cluster | None = None) -> None:
        self._strategy, self._cluster = strategy, cluster
        self._count: int = strategy.num_replicas_in_sync
        self.chief = cluster is None or cluster.chief

    def check(self, task: Task) -> None:
        """Its batches must be divisible, and its rows strangers to each other.

        Raises:
            UserError: they are not.
        """
        if isinstance(task, Contiguous):
            raise UserError(
                f"--strategy: {task.name} carries its state from batch to batch, row by row, "
                "which one device has to keep. Leave --strategy out."
            )
        if task.settings.batch_size % self._count:
            raise UserError(
                f"--batch-size must be a multiple of the {self._count} devices, which share each "
                f"batch equally. Received: {task.settings.batch_size}."
            )

    # --- files ----------------------------------------------------------------------------------

    def folder(self, path: Path) -> contextlib.AbstractContextManager[Path]:
        """`path` on the chief; a passing folder elsewhere, so that no disk has to be shared."""
        return _locked(path) if self.chief else _passing()

    def share(self, folder: Path, *names: str) -> None:
        """By a sum over all workers to which the chief alone contributes."""
        if self._cluster is None:
            return
        for name in names:
            path = folder / name
            content = path.read_bytes() if self.chief and path.exists() else b""
            received = self._summed(content)
            if received and not self.chief:
                with replacing(path) as beside:
                    beside.write_bytes(received)

    def _summed(self, content: bytes) -> bytes:
        (size,) = self._sum(np.array([len(content)], np.int32))
        words = np.zeros(-(-size // 4), np.int32)
        own = np.frombuffer(content.ljust(4 * len(words), b"\0"), np.int32)
        return self._sum(own if self.chief else words).tobytes()[:size] if size else b""

    def _sum(self, values: np.ndarray) -> np.ndarray:
        """Over the workers; the first device of each speaks for it."""

        def step() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            first = int(context.replica_id_in_sync_group) % local == 0
            return context.all_reduce(SUM, tf.constant(values if first else np.zeros_like(values)))

        local = self._count // len(self._cluster.addresses) if self._cluster else self._count
        summed = self._strategy.run(step)
        return self._strategy.experimental_local_results(summed)[0].numpy()

    # --- fit ------------------------------------------------------------------------------------

    def compiled(self, task: Task, example: tf.data.Dataset) -> keras.Model:
        """With the step of this module in place of Keras's own."""
        with self._strategy.scope():
            model = task.model()
            arguments = task.compile_arguments()
            for loss in keras.tree.flatten(arguments["loss"]):
                loss.reduction = "sum"  # of weights that sum to one over all devices
            rate = task.settings.learning_rate
            model.compile(optimizer=keras.optimizers.Adam(rate), **arguments)
            model.optimizer.build(model.trainable_variables)
        # `fit` would build the metrics from a batch that it adds up over devices, which fails
        # where they are in several processes; without a strategy it leaves that out.
        model._maybe_symbolic_build(data_batch=next(iter(example)))
        model._distribute_strategy = None
        train = functools.partial(_train_step, model, self._count, task.settings.clip_norm)
        model.train_function = self._function(model, train)
        model.test_function = self._function(model, functools.partial(_test_step, model))
        return model

    def _function(self, model: keras.Model, step: Callable[[Any], None]) -> Callable[[Any], Any]:
        @tf.function(reduce_retracing=True, autograph=False)
        def one_batch(iterator: Any) -> None:
            self._strategy.run(step, args=(next(iterator),))

        unread = dict.fromkeys(model.get_metrics_result(), math.nan)

        def function(iterator: Any) -> dict[str, float]:
            one_batch(iterator)
            return unread  # Keras reads the metrics themselves when the epoch ends

        return function

    def training(self, batches: tf.data.Dataset) -> tf.distribute.DistributedDataset:
        """Each device's own rows: device k of n has the k-th n-th of every batch."""

        def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            here = self._count // context.num_input_pipelines
            first = here * context.input_pipeline_id

            def split(tensor: tf.Tensor) -> tf.Tensor:
                rows = tensor.shape[0] // self._count
                shape = tf.concat([[self._count, rows], tf.shape(tensor)[1:]], 0)
                parts = tf.ensure_shape(
                    tf.reshape(tensor, shape), [self._count, rows, *tensor.shape[1:]]
                )
                return parts[first : first + here]

            def shares(*batch: Any) -> tf.data.Dataset:
                return tf.data.Dataset.from_tensor_slices(tf.nest.map_structure(split, batch))

            return batches.flat_map(shares).prefetch(2)

        return self._strategy.distribute_datasets_from_function(of_worker)

    def validation(self, batches: tf.data.Dataset, steps: int) -> dict[str, Any]:
        """Told by their number, which a dataset on several devices does not know."""
        return {"validation_data": self.training(batches.repeat()), "validation_steps": steps}

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Raises a UserError that names the workers that are gone."""
        try:
            yield
        except _LOST as error:
            if self._cluster is None:
                raise
            gone = clusters.await_all(self._cluster.peers, 0)
            raise UserError(
                f"{' and '.join(gone) or 'another worker'} left the training. Nothing that was "
                "finished is lost: the same commands on all workers go on."
            ) from error


def _train_step(model: keras.Model, count: int, clip_norm: float, data: Any) -> None:
    """One step of the optimizer; every device ends with the same weights."""
    x, y, weight = data
    with tf.GradientTape() as tape:
        outputs, loss = _forward(model, x, y, weight, training=True)
    gradients = tape.gradient(loss, model.trainable_weights)
    gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]  # of embeddings too
    summed = tf.distribute.get_replica_context().all_reduce(SUM, gradients)
    clipped, _ = tf.clip_by_global_norm(summed, clip_norm)
    shares = [gradient / count for gradient in clipped]  # the optimizer takes the sum of all
    model.optimizer.apply_gradients(zip(shares, model.trainable_weights, strict=True))
    _count_in(model, data, outputs, loss)


def _test_step(model: keras.Model, data: Any) -> None:
    x, y, weight = data
    outputs, loss = _forward(model, x, y, weight, training=False)
    _count_in(model, data, outputs, loss)


def _forward(model: keras.Model, x: Any, y: Any, weight: Any, training: bool) -> tuple[Any, Any]:
    """Outputs, and this device's part of the loss of the whole batch."""
    context = tf.distribute.get_replica_context()

    def share(each: tf.Tensor) -> tf.Tensor:
        return tf.math.divide_no_nan(each, context.all_reduce(SUM, tf.reduce_sum(each)))

    outputs = model(x, training=training)
    shares = tf.nest.map_structure(share, weight)
    return outputs, model.compute_loss(x, y, outputs, shares, training=training)


def _count_in(model: keras.Model, data: Any, outputs: Any, loss: tf.Tensor) -> None:
    x, y, weight = data
    count = tf.distribute.get_strategy().num_replicas_in_sync
    for metric in model.metrics:
        if metric.name == "loss":  # a mean over devices, of what is a sum over them
            metric.update_state(loss * count)
    model.compute_metrics(x, y, outputs, weight)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[Path]:
    with locked(path):
        yield path


@contextlib.contextmanager
def _passing() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
