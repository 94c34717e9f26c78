"""What becomes of gradients in a task's model, measured before or after training."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import rnnkit
from pipelines import sources
from pipelines.batches import Batches
from pipelines.cells import recurrent_layer
from pipelines.errors import UserError
from pipelines.run import Run, task_class
from pipelines.task import Contiguous, Record, Task
from rnnkit.gradient_flow import GradientFlow

ROWS = 4  # sequences: norms over a few differ little from norms over many
SCALES = {"recurrent weights x 0.5": 0.5, "as initialised": 1.0, "recurrent weights x 2": 2.0}
RECURRENT = ("recurrent_kernel", "candidate_kernel")


@dataclass(frozen=True)
class Diagnosis:
    """Gradient flows to be set side by side."""

    title: str
    columns: dict[str, dict[str, GradientFlow]]  # heading -> name of the model -> its flow
    main: str  # the column that is shown in detail
    clip_norm: float
    drawn: str = "one sequence"  # whose gates are shown
    remark: str | None = None

    @property
    def details(self) -> dict[str, GradientFlow]:
        """The flows of the main column."""
        return self.columns[self.main]


def diagnose_task(
    task: str,
    cells: Sequence[str] = ("vanilla", "lstm", "gru"),
    length: int | None = None,
    data: str | None = None,
) -> Diagnosis:
    """Untrained models of a task, one a cell, on a few sequences of its training part.

    Each is measured as initialised, and with its recurrent weights halved and doubled: what
    vanishes and what explodes.

    Args:
        task: a name of `pipelines.TASKS`.
        cells: names of `rnnkit.CELLS`.
        length: steps of a sequence. Tasks that draw their sequences draw such, others are cut. By
            default the task's own, or those of its longest sequences.
        data: as for `pipelines.train`.

    Raises:
        UserError: an unknown task or cell, unusable data, a model without recurrent layers.
    """
    cls = task_class(task)
    for cell in cells:
        recurrent_layer(cell, 1)  # a wrong name is told before data are read
    drawn = any(field.name == "length" for field in dataclasses.fields(cls.Settings))
    given = {"length": length} if drawn and length is not None else {}
    settings = cls.Settings.from_dict(given)
    worker = cls(settings)
    records = sources.load(worker, data).parts["train"]
    if not records:
        raise UserError(f"{data or 'embedded data'}: the training part is empty. Give more data.")
    learnt = worker.learn(records)
    batch, steps = first_batch(worker, records, None if given else length)
    columns: dict[str, dict[str, GradientFlow]] = {heading: {} for heading in SCALES}
    for cell in cells:
        problem = cls(dataclasses.replace(settings, cell=cell), learnt)
        for heading, scale in SCALES.items():
            model = _new_model(problem)
            for variable in model.variables:
                if variable.name in RECURRENT:
                    variable.assign(scale * variable)
            columns[heading][cell] = _flow(problem, model, batch, last_only=scale != 1)
    short = length is not None and not given and steps < length
    return Diagnosis(
        title=f"{task}, untrained, {settings.units} units, {steps} steps",
        columns=columns,
        main="as initialised",
        clip_norm=settings.clip_norm,
        remark=f"the longest sequences have {steps} steps, not {length}" if short else None,
    )


def diagnose_run(run: Run, data: str | None = None, length: int | None = None) -> Diagnosis:
    """A run's model before and after its training, on a few sequences of its training part.

    Args:
        run: a run with at least one finished epoch.
        data: other data than the run's own. All of it counts, however little it is, and the first
            sequence is the one whose gates are drawn.
        length: most steps of a sequence; longer ones are cut.

    Raises:
        UserError: no epoch is finished, the data moved or changed, no recurrent layers.
    """
    trained = run.model
    records = run.data().parts["train"] if data is None else sources.read_all(run.task, data)
    given = data is not None
    if not records:
        raise UserError(f"{data or run.path}: expected at least one sequence. Received: none.")
    batch, steps = first_batch(run.task, records, length, with_first=given)
    cell = run.settings.cell
    before, after = (
        {cell: _flow(run.task, model, batch)} for model in (_new_model(run.task), trained)
    )
    return Diagnosis(
        title=f"{run.path.name}, {cell}, {run.settings.units} units, {steps} steps",
        columns={"before training": before, "after training": after},
        main="after training",
        clip_norm=run.settings.clip_norm,
        drawn=records[0].name if given else "one sequence",
        remark=(
            f"{records[0].name}: {steps} steps, not {length}"
            if given and length is not None and steps < length
            else None
        ),
    )


def first_batch(
    task: Task, records: Sequence[Record], length: int | None, with_first: bool = False
) -> tuple[tuple[Any, Any, Any], int]:
    """A few long records as `(x, y, sample_weight)` without padding, and their number of steps.

    They are the first with at least `length` steps, or the longest; all are cut to the shortest of
    them, or to `length`. Or, `with_first`, the first record in the first row, at its whole length
    or cut to `length`, and others that have as many steps.
    """
    few = type(task)(dataclasses.replace(task.settings, batch_size=ROWS), task.learnt)
    batches = Batches(few, records)
    if not isinstance(few, Contiguous):  # whose windows are all as long
        chosen = _chosen(batches.lengths, length, with_first)
        batches = Batches(few, [records[i] for i in chosen])
    longest, shortest = int(batches.lengths.max()), int(batches.lengths.min())
    x, y, weight = next(iter(batches.once([longest])))
    total = next(tensor.shape[1] for tensor in tf.nest.flatten(x) if tensor.shape.rank > 1)
    if isinstance(few, Contiguous):  # a short text fills neither its window nor all rows
        counted = np.count_nonzero(weight, axis=1)
        rows = int(np.count_nonzero(counted))
        steps = min(int(counted[:rows].min()), length or total)
    else:
        rows, steps = len(chosen), min(total - (longest - shortest), length or total)

    def cut(tensor: tf.Tensor) -> tf.Tensor:
        tensor = tensor[:rows]  # without the rows that fill the batch
        return tensor[:, :steps] if tensor.shape.rank > 1 and tensor.shape[1] == total else tensor

    return tf.nest.map_structure(cut, (x, y, weight)), steps


def _chosen(lengths: np.ndarray, length: int | None, with_first: bool) -> list[int]:
    """Places of the records of `first_batch`."""
    if with_first:
        return np.flatnonzero(lengths >= min(length or lengths[0], lengths[0]))[:ROWS].tolist()
    enough = np.flatnonzero(lengths >= (length or lengths.max()))[:ROWS]
    longest = np.argsort(-lengths, kind="stable")[:ROWS]
    return sorted((enough if len(enough) == ROWS else longest).tolist())


def _new_model(task: Task) -> keras.Model:
    keras.utils.set_random_seed(task.settings.seed)
    return task.model()


def _flow(task: Task, model: keras.Model, batch: Any, last_only: bool = False) -> GradientFlow:
    loss = task.compile_arguments()["loss"]
    x, y, weight = batch
    count = weight.shape[1] if len(weight.shape) > 1 else 1
    steps = [count - 1] if last_only else _spread(count)
    try:
        return rnnkit.gradient_flow(model, (x, y, weight), loss, steps=steps)
    except ValueError as error:
        if "recurrent layers" not in str(error):
            raise
        raise UserError(
            f"{task.name} with {task.settings.cell}: its model has no recurrent layers to diagnose."
        ) from error


def _spread(count: int) -> list[int]:
    """Steps whose loss is followed back: ten or so, the last one included."""
    return sorted({round(t) for t in np.linspace(count / 10, count, 10) - 1 if t >= 0})
