"""Training that resumes bit for bit: Keras's `fit`, and what has to be kept around it."""

from __future__ import annotations

import dataclasses
import importlib.util
import time
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines import checkpoint, opening, plots, report, schedule, sources
from pipelines.batches import Batches, choose_boundaries, cover
from pipelines.cells import recurrent_layer
from pipelines.devices import Devices, OneDevice
from pipelines.errors import UserError
from pipelines.files import cannot_write, explained, replacing, write_json, write_rows
from pipelines.progress import ConsoleProgress
from pipelines.run import Run, task_class
from pipelines.task import Record, Task

Parts = dict[str, list[Record]]

_ENDS = {
    "epochs": "It had all its epochs: raise --epochs to go on.",
    "patience": "Its validation score was no better for --patience epochs: more epochs change "
    "nothing; for another training use --run NEW.",
    "diverged": "Its validation score became infinite or no number: lower --learning-rate, with "
    "--run NEW.",
}


def train(
    task: str,
    data: str | PathLike[str] | None = None,
    *,
    valid: str | PathLike[str] | None = None,
    test: str | PathLike[str] | None = None,
    run: str | PathLike[str] | None = None,
    init: str | PathLike[str] | None = None,
    progress: keras.callbacks.Callback | None = None,
    candidate: bool = False,
    devices: Devices | None = None,
    **settings: Any,
) -> Run:
    """Trains a model, or goes on where an earlier call with the same arguments was stopped.

    After every epoch the state is on disk. Killed at any moment and called again, it ends with
    the weights, `metrics.csv` (but for `seconds`) and `metrics.json` of the uninterrupted run,
    bit for bit, on the same versions, processor and number of threads. It sets the global seeds
    of Python, NumPy and Keras to `seed`.

    Args:
        task: a name of `pipelines.TASKS`.
        data: what to train on: None for the embedded default, a path, or `tfds:NAME`.
        valid: the validation part, where the data does not bring it; None splits it off.
        test: the test part, likewise.
        run: the folder; by default `runs/<task>-<cell>-<hash of settings and data>`.
        init: a run of the same task and sizes. Training starts from its best weights, and from
            what it learnt of its data (vocabulary, labels).
        progress: shows the training; by default a bar or lines on stderr. A plain
            `keras.callbacks.Callback()` shows nothing.
        candidate: True for one of many among which a search chooses: the test part is not scored
            and no pictures are drawn.
        devices: one by default; `pipelines.strategies.open_devices` gives several. A run that was
            begun on other devices goes on.
        settings: fields of the task's settings class, e.g. `cell="gru"`. Of a run that exists,
            only `epochs` may change.

    Returns:
        The finished run; on a machine that is not the chief of several, one without its files.

    Raises:
        UserError: an unknown task or setting, unusable data, a folder that holds another run,
            or one that cannot be written.

    Example:

    >>> run = pipelines.train("music", run="runs/chorales", cell="gru", epochs=20)
    """
    cls = task_class(task)
    worker = cls(cls.Settings.from_dict(settings))
    wanted = worker.settings  # a wrong cell is told before data are read
    recurrent_layer(wanted.cell, 1, truncate_gradient=wanted.bptt_steps)
    devices = devices or OneDevice()
    devices.check(worker)
    names = [None if name is None else str(name) for name in (data, valid, test, init, run)]
    loaded = sources.load(worker, *names[:3])
    _check_parts(loaded.parts, names[0])
    request = opening.Request(worker, loaded, *names)
    with devices.explained(), devices.folder(request.path) as path:
        if path != request.path:
            request = dataclasses.replace(request, folder=str(path))
        opened = _open(request, devices)
        shown = progress or _progress(opened, loaded, devices.chief)
        if opened.stopped:
            if isinstance(shown, ConsoleProgress):
                shown.say(f"{opened.path}: is finished. {_ENDS[opened.stopped]}")
            return opened
        if devices.chief:
            _keep_for_later(opened, loaded.parts)
        try:
            _fit(opened, loaded.parts, shown, devices)
        finally:
            if isinstance(shown, ConsoleProgress):
                shown.close()
        if devices.chief:
            _finish(opened, loaded.parts, candidate)
        return Run.load(opened.path)


def _progress(run: Run, loaded: sources.Data, chief: bool) -> keras.callbacks.Callback:
    """On the chief, after a word on the data."""
    if not chief:
        return keras.callbacks.Callback()
    shown = ConsoleProgress(run.task.selection, run.scores)
    sources.tell(loaded, shown.say)
    return shown


def _check_parts(parts: Parts, source: str | None) -> None:
    for part in ("train", "valid"):
        if not parts[part]:
            raise UserError(
                f"{source or 'embedded data'}: the {part} part is empty. Give more data, or each "
                "part by itself with --valid and --test."
            )


def _open(request: opening.Request, devices: Devices) -> Run:
    """The run, the same on all devices: the chief opens it, and the others are given it."""
    opened = _open_here(request) if devices.chief else None
    devices.share(request.path, "config.json", "metrics.csv", "metrics.json")
    if opened is not None:
        return opened
    try:
        return opening.reopen(request)
    except UserError as error:
        reason = str(error).replace(str(request.path), "the run")
        raise UserError(f"expected the arguments of the chief on every worker: {reason}") from None


def _open_here(request: opening.Request) -> Run:
    if (request.path / "config.json").exists():
        return opening.reopen(request)
    task, records = request.task, request.data.parts["train"]
    if request.init is None:
        task.learn(records)
    else:
        task.learnt = _same_task(Run.load(request.init), task).task.learnt
    lengths = Batches(task, records).lengths
    return opening.create(request, choose_boundaries(lengths, task.settings.batch_size))


def _same_task(init: Run, task: Task) -> Run:
    if init.task.name != task.name:
        raise UserError(
            f"{init.path}: expected a run of the task {task.name}. Received: {init.task.name}."
        )
    for name in sorted(task.settings.inherited):
        theirs, ours = getattr(init.settings, name), getattr(task.settings, name)
        if theirs != ours:
            raise UserError(
                f"{init.path}: was trained with --{name} {theirs}, and what it learnt of its data "
                f"holds for that alone. Received: --{name} {ours}. Use --{name} {theirs}, or "
                "train without --init."
            )
    return init


def _keep_for_later(run: Run, parts: Parts) -> None:
    """What `evaluate` and `export` need of the data, so that a run can do without them."""
    asked = run.task.requests([*parts["test"], *parts["valid"], *parts["train"]])
    kept = {
        "floors.npz": run.task.fit_floors(parts["train"]),
        "requests.npz": {
            f"{endpoint}/{name}": array
            for endpoint, inputs in asked.items()
            for name, array in inputs.items()
        },
    }
    for name, arrays in kept.items():
        if not (run.path / name).exists():
            with replacing(run.path / name) as beside:
                np.savez(beside, **arrays)  # type: ignore[arg-type]


# --- fit --------------------------------------------------------------------------------------


def _fit(run: Run, parts: Parts, progress: keras.callbacks.Callback, devices: Devices) -> None:
    """All epochs that are missing."""
    task, settings = run.task, run.settings
    keras.utils.set_random_seed(settings.seed)
    boundaries = run.config["boundaries"]
    training, validation = Batches(task, parts["train"]), Batches(task, parts["valid"])
    covering = cover(boundaries, validation.lengths)
    steps = training.steps(boundaries)
    keeper = _Keeper(run, steps)
    model = devices.compiled(task, training.once(boundaries))
    keeper.restore(model, devices)
    if keeper.stopped:
        return
    try:
        model.fit(
            devices.training(training.epochs(boundaries, keeper.epoch, settings.epochs)),
            **devices.validation(validation.once(covering), validation.steps(covering)),
            initial_epoch=keeper.epoch,
            epochs=settings.epochs,
            steps_per_epoch=steps,
            callbacks=[keeper, progress, *task.callbacks(), *_tensorboard(run.path)],
            shuffle=False,  # the dataset is shuffled already
            verbose=0,
        )
    except tf.errors.OpError as error:  # TensorBoard's files are TensorFlow's own writing
        if "events.out.tfevents" not in error.message:
            raise
        reason = error.message.splitlines()[0].rpartition("; ")[2]
        raise cannot_write(run.path / "tensorboard", reason) from error


class _Keeper(keras.callbacks.Callback):
    """Keeps the run's folder such that it can be left at any moment.

    An epoch ends with three writes, each whole or not at all: the row in metrics.csv, the model
    if it is the best, the checkpoint. The checkpoint counts: what was written of an epoch whose
    checkpoint is missing is written again, with the same content, when the epoch is repeated.
    """

    def __init__(self, run: Run, steps: int) -> None:
        super().__init__()
        self._run, self._steps, self._settings = run, steps, run.settings
        self._rows = run.history
        self._best = run.task.model()  # without optimizer, losses and metrics

    @property
    def epoch(self) -> int:
        """Epochs that are done."""
        return len(self._rows)

    @property
    def _scores(self) -> list[float]:
        return [row[self._run.task.selection] for row in self._rows]

    @property
    def stopped(self) -> bool:
        epochs, patience = self._settings.epochs, self._settings.patience
        return schedule.stop_reason(self._scores, epochs, patience) is not None

    def restore(self, model: keras.Model, devices: Devices) -> None:
        """Brings `model` to the end of the last epoch that is done, on all devices."""
        name = "checkpoint/last.weights.h5"
        path = self._run.path / name
        if devices.chief and not path.exists():
            if self._run.config["init"] is not None:
                _start_from(model, Run.load(self._run.config["init"]))
            checkpoint.save(model, path)
        devices.share(self._run.path, name)
        checkpoint.restore(model, path)
        self._rows = self._rows[: checkpoint.epochs_done(model, self._steps)]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._started = time.monotonic()
        settings = self._settings
        self._rate = schedule.learning_rate(
            settings.learning_rate, self._scores, settings.patience, settings.decay
        )
        self.model.optimizer.learning_rate = self._rate
        checkpoint.reseed(self.model, settings.seed, epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        seconds = round(time.monotonic() - self._started, 3)
        row = {"epoch": epoch + 1, "learning_rate": self._rate, **(logs or {}), "seconds": seconds}
        self._rows.append(row)
        folder = self._run.path
        write_rows(folder / "metrics.csv", self._rows)
        if schedule.best_epoch(self._scores) == self.epoch:
            self._best.set_weights(self.model.get_weights())
            with replacing(folder / "model.keras") as beside:
                self._best.save(beside)
        checkpoint.save(self.model, folder / "checkpoint" / "last.weights.h5")
        self.model.stop_training = self.stopped


def _start_from(model: keras.Model, init: Run) -> None:
    theirs, ours = ([weight.shape for weight in m.weights] for m in (init.model, model))
    if theirs != ours:
        raise UserError(
            f"{init.path}: expected a run with the same cell, units and layers, to start from its "
            f"weights. Received: {init.model.count_params()} weights, {model.count_params()} here."
        )
    model.set_weights(init.model.get_weights())


def _tensorboard(folder: Path) -> list[keras.callbacks.Callback]:
    if importlib.util.find_spec("tensorboard") is None:
        return []
    return [keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False)]


# --- the end ----------------------------------------------------------------------------------


def _finish(run: Run, parts: Parts, candidate: bool) -> None:
    """Scores, pictures and the model card; metrics.json comes last and says that all is there."""
    history, scores = run.history, run.scores
    best = schedule.best_epoch(scores)
    if best is None:
        raise UserError(
            f"{run.path}: training diverged in its first epoch ({run.task.selection} is "
            f"{scores[-1]}). Lower --learning-rate, with --run NEW."
        )
    scored = ("valid",) if candidate else ("valid", "test")
    metrics: dict[str, Any] = {
        "best_epoch": best,
        "epochs": len(history),
        "stopped": schedule.stop_reason(scores, run.settings.epochs, run.settings.patience),
        "parameters": run.model.count_params(),
        **{part: run.score(parts[part]) for part in scored if parts[part]},
    }
    if not candidate:
        curve = run.path / "plots" / "learning_curve.png"
        plots.learning_curve(history, run.task.selection, curve)
        with explained(run.path / "plots"):
            run.task.plots(run.model, parts["valid"], str(run.path / "plots"))
        report.write(run, metrics)
    write_json(run.path / "metrics.json", metrics)
