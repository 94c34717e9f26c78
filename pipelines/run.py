"""A run: one trained model in one folder, complete."""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from pipelines import TASKS, schedule
from pipelines.cells import cell_class
from pipelines.errors import UserError, unknown_name
from pipelines.evaluation import score
from pipelines.files import Row, explained, is_place, read_rows
from pipelines.settings import Settings
from pipelines.sources import Data, load, read_all
from pipelines.task import (
    Answering,
    Comparable,
    GenerateRequest,
    Generative,
    Record,
    Task,
    Typed,
)

FORMAT = 1  # of the folder; a change that older code cannot read raises it
AnyPath = str | PathLike[str]
PARTS = ("train", "valid", "test")


def task_class(name: str) -> type[Task]:
    """The class of a task of `TASKS`.

    Raises:
        UserError: there is none of that name.
    """
    if name not in TASKS:
        raise unknown_name("task", name, TASKS)
    module, _, attribute = TASKS[name].task.partition(":")
    return getattr(importlib.import_module(module), attribute)


class Run:
    """A folder that `train` wrote, and what one does with the model in it.

    Example:

    >>> run = pipelines.load_run("runs/chorales")
    >>> run.evaluate()["metrics"]["nll"]
    >>> run.predict("my-pieces/")

    Args:
        path: the folder.
        config: the content of its `config.json`.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self.config = config
        cls = task_class(config["task"])
        self.settings: Settings = cls.Settings.from_dict(config["settings"])
        self.task: Task = cls(self.settings, config["learnt"])

    @classmethod
    def load(cls, path: AnyPath) -> Run:
        """Opens a run.

        Raises:
            UserError: `path` holds no run, or one of another version of the folder.
        """
        path = Path(path)
        try:
            config = json.loads((path / "config.json").read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(
                f"{path}: expected the folder of a run, with its config.json. Received: "
                f"{'a folder without it' if path.is_dir() else 'no such folder'}. "
                "`rnnkit train` makes one."
            ) from None
        except (OSError, ValueError) as error:
            raise UserError(f"{path / 'config.json'}: cannot be read ({error}).") from None
        if not isinstance(config, dict) or config.get("format") != FORMAT:
            found = config.get("format") if isinstance(config, dict) else None
            raise UserError(
                f"{path}: expected a run of format {FORMAT}. Received: format {found}. "
                "Use the version of rnnkit that trained it, or train anew with --run NEW."
            )
        try:
            return cls(path, config)
        except KeyError as error:
            raise UserError(
                f"{path / 'config.json'}: damaged, {error} is missing. Train anew with --run NEW."
            ) from None

    # --- the files ------------------------------------------------------------------------------

    @property
    def history(self) -> list[Row]:
        """A row an epoch: `epoch`, `learning_rate`, `loss`, the metrics, `val_...`, `seconds`."""
        return read_rows(self.path / "metrics.csv")

    @property
    def metrics(self) -> dict[str, Any]:
        """The scores and floors of the best epoch on validation and test; {} until it ends."""
        path = self.path / "metrics.json"
        return json.loads(path.read_text("utf-8")) if path.exists() else {}

    @functools.cached_property
    def model(self) -> keras.Model:
        """The model of the best epoch by validation.

        Raises:
            UserError: not one epoch is finished yet.
        """
        path = self.path / "model.keras"
        if not path.exists():
            raise UserError(f"{self.path}: has no finished epoch yet. Start its training again.")
        cell_class(self.settings.cell)  # a cell of one's own has to be imported first
        return keras.saving.load_model(path, compile=False)

    @property
    def scores(self) -> list[float]:
        """The validation score of every epoch, lower is better."""
        return [row[self.task.selection] for row in self.history]

    @property
    def stopped(self) -> str | None:
        """Why training ended: "epochs", "patience" or "diverged"; None while it is not finished."""
        reason = schedule.stop_reason(self.scores, self.settings.epochs, self.settings.patience)
        return reason if self.metrics.get("epochs") == len(self.history) else None

    @functools.cached_property
    def fitted_floors(self) -> dict[str, np.ndarray]:
        """The models without recurrence, as fitted on the training part."""
        with np.load(self.path / "floors.npz") as arrays:
            return dict(arrays)

    @property
    def requests(self) -> dict[str, dict[str, np.ndarray]]:
        """Real inputs an endpoint of the export, kept from the run's data."""
        found: dict[str, dict[str, np.ndarray]] = {}
        with np.load(self.path / "requests.npz") as arrays:
            for key, array in arrays.items():
                endpoint, _, name = key.partition("/")
                found.setdefault(endpoint, {})[name] = array
        return found

    def data(self) -> Data:
        """Reads the run's data again.

        Raises:
            UserError: it moved, or changed since training.
        """
        origin = self.config["data"]
        for name in (origin["source"], origin["valid"], origin["test"]):
            if name and is_place(name) and not Path(name).exists():
                raise UserError(
                    f"{name}: the data of {self.path} is no longer there. Bring it back, or name "
                    "other data with --data."
                )
        data = load(self.task, origin["source"], origin["valid"], origin["test"])
        if data.fingerprint != origin["fingerprint"]:
            raise UserError(
                f"{origin['source'] or 'embedded data'}: changed since {self.path} was trained on "
                "it. Bring the old data back, or score all of the new with --data."
            )
        return data

    # --- use ------------------------------------------------------------------------------------

    def evaluate(
        self,
        data: AnyPath | None = None,
        part: str = "test",
        plots: AnyPath | None = None,
        beside: Sequence[AnyPath] = (),
    ) -> dict[str, Any]:
        """Scores the model, and the floors on the same records.

        Args:
            data: None takes `part` of the run's own data; a path or `tfds:NAME` all of that.
            part: "train", "valid" or "test".
            plots: folder for the task's pictures of these records; None draws none.
            beside: further runs of the task, scored on the same records and drawn in the same
                picture where the task has one for several.

        Returns:
            `{"task", "run", "data", "part", "metrics": {...}, "floors": {...}}`, and
            `"signatures"` of a task that has them; with `beside` also `{"beside": {run: {...}}}`,
            the metrics of each.

        Raises:
            UserError: the data cannot be read, changed, or the part is empty; a run beside is one
                of another task, or may have been trained on the records.
        """
        others = [self._comparable(path, data) for path in beside]
        if data is not None:
            records = read_all(self.task, str(data))
            name, part = str(data), "all"
        else:
            if part not in PARTS:
                raise unknown_name("part", part, PARTS)
            records, name = self.data().parts[part], self.config["data"]["name"]
        if not records:
            raise UserError(f"{self.path}: its {part} part is empty. Give data to score: --data D.")
        answer = {
            "task": self.task.name,
            "run": str(self.path),
            "data": name,
            "part": part,
            **self.score(records),
        }
        if others:
            answer["beside"] = {str(run.path): run.score(records)["metrics"] for run in others}
        if plots is not None and self.has_plots:
            with explained(Path(plots)):
                Path(plots).mkdir(parents=True, exist_ok=True)
                self.task.plots(self.model, records, str(plots))
                if others and isinstance(self.task, Comparable):
                    runs = {str(run.path): (run.task, run.model) for run in (self, *others)}
                    self.task.plot_beside(runs, records, str(plots))
        return answer

    @property
    def has_plots(self) -> bool:
        """Whether the task draws pictures of its own."""
        return type(self.task).plots is not Task.plots

    def _comparable(self, path: AnyPath, data: AnyPath | None) -> Run:
        """Another run, which can be scored on the same records."""
        other = Run.load(path)
        if other.config["task"] != self.config["task"]:
            raise UserError(
                f"{path}: expected a run of the task {self.config['task']}, beside {self.path}. "
                f"Received: {other.config['task']}."
            )
        if (
            data is None
            and other.config["data"]["fingerprint"] != self.config["data"]["fingerprint"]
        ):
            raise UserError(
                f"{path}: was trained on other data than {self.path}, perhaps on what is scored "
                "here. Give data that neither knows: --data D."
            )
        return other

    def score(self, records: Sequence[Record]) -> dict[str, dict[str, Any]]:
        """`{"metrics", "floors"}` of the best model on `records`."""
        boundaries = self.config["boundaries"]
        return score(self.task, self.model, self.fitted_floors, records, boundaries)

    def answers(
        self, texts: Sequence[str] = (), input: AnyPath | None = None, **options: Any
    ) -> Iterator[dict[str, Any]]:
        """What `rnnkit predict` gives, one by one.

        Args:
            texts: records as one types them, where the task reads text.
            input: else a path or `tfds:NAME`.
            **options: the task's own, see `pipelines.task.Answering`.

        Raises:
            UserError: the task reads no texts, or knows no such option, or cannot read the input.
        """
        task, place = self.task, None if input is None else str(input)
        if isinstance(task, Answering):
            return task.answers(self.model, texts, place, task.Options(**options))
        if options:
            raise UserError(f"{task.name} knows no option {next(iter(options))} of predict.")
        if place is not None:
            return iter(self.predict(place))
        if not isinstance(task, Typed):
            raise UserError(
                f"{task.name} reads files, not words. Use: rnnkit predict {self.path} --input FILE"
            )
        return iter(self.predict(task.typed(texts)))

    def predict(self, data: AnyPath | Sequence[Record]) -> list[dict[str, Any]]:
        """An answer a record of `data`: a path, `tfds:NAME`, or records."""
        if isinstance(data, (str, PathLike)):
            data = read_all(self.task, str(data))
        return self.task.predict(self.model, data)

    def generate(self, **request: Any) -> list[Record]:
        """New records; takes the fields of `pipelines.task.GenerateRequest`.

        Raises:
            UserError: the task does not generate, or cannot do what was asked.
        """
        if not isinstance(self.task, Generative):
            raise UserError(f"{self.path}: the task {self.task.name} does not generate.")
        return self.task.generate(self.model, GenerateRequest(**request))

    def compare_float16(self) -> dict[str, tuple[float, float]]:
        """What `export(weights="float16")` loses: each metric of the run's test part (validation
        where there is none), as it is and with rounded weights.

        Raises:
            UserError: a weight is beyond the range of float16.
        """
        from pipelines.half_precision import rounded

        parts = self.data().parts
        records = parts["test"] or parts["valid"]
        before = self.score(records)["metrics"]
        with rounded(self.model.variables):
            after = self.score(records)["metrics"]
        return {name: (value, after[name]) for name, value in before.items()}

    def export(
        self,
        name: str | None = None,
        root: AnyPath = "saved_models",
        force: bool = False,
        weights: Literal["float32", "float16"] = "float32",
        onnx: bool = False,
    ) -> Path:
        """Writes the best model as a SavedModel, checked on records of the run's own data.

        Args:
            name: of the served model; None takes the task's.
            root: the folder of all served models.
            force: True follows a version with other signatures or labels.
            weights: how they are stored; float16 halves the size, see `compare_float16`.
            onnx: True writes the numeric core as `core.onnx` too; needs the extra `onnx`.

        Returns:
            `root/name/<next version>/`; `pipelines.export` says what is in it.

        Raises:
            UserError: the place cannot be written, the last version differs, or the model has no
                translation to ONNX.
        """
        from pipelines.export import export
        from pipelines.half_precision import CARD_NOTE, stored_as_float16
        from pipelines.portability import without_cudnn

        name = name or self.task.name
        card = self.path / "README.md"
        text = card.read_text("utf-8") if card.exists() else f"# {name}\n"
        halved = self.model.variables if weights == "float16" else []
        with without_cudnn(self.model), stored_as_float16(halved):
            return export(
                self.task.served(self.model),
                self.requests,
                root=root,
                name=name,
                card=f"{text.rstrip()}\n\n{CARD_NOTE}\n" if halved else text,
                labels=self.task.learnt.get("labels"),
                force=force,
                onnx=onnx,
            )
