"""The model card of a run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

from pipelines import TASKS
from pipelines.files import replacing
from pipelines.run import Run
from pipelines.task import Generative, Typed

_ENDS = {
    "epochs": "all epochs were used; more may still help",
    "patience": "no better validation score for {patience} epochs",
    "diverged": "the validation score was no number any more; a lower step size may go further",
}


def write(run: Run, metrics: dict[str, Any]) -> None:
    """Writes README.md: what the model is, how good, trained on what and how, and what next.

    Args:
        run: with its last epoch done.
        metrics: the content of its metrics.json.
    """
    row, data, settings = TASKS[run.task.name], run.config["data"], run.settings.to_dict()
    minutes = sum(epoch["seconds"] for epoch in run.history) / 60
    end = _ENDS[metrics["stopped"]].format(**settings)
    counts = data["records"]
    lines = [
        f"# {run.path.resolve().name}",
        "",
        f"A recurrent model of the task `{run.task.name}` ({row.shape}): {row.input} in, "
        f"{row.output} out. {metrics['parameters']:,} parameters.",
        "",
        "## Scores",
        "",
        *_scores(run, metrics),
        "",
        "The floors are models without recurrence or without learning, scored on the same records. "
        f"The epoch was chosen by `{run.task.selection}`; the test part had no say.",
        "",
        "## Data",
        "",
        f"{data['description']}",
        "",
        f"{counts['train']} records for training, {counts['valid']} for validation, "
        f"{counts['test']} for the test; {data['dropped']} left out.",
        "",
        *(f"- {remark}" for remark in data["remarks"]),
        "",
        "## Training",
        "",
        f"    {run.config['command']}",
        "",
        f"Best epoch {metrics['best_epoch']} of {metrics['epochs']}, {minutes:.1f} minutes; {end}.",
        "",
        *_table(["setting", "value"], ([name, value] for name, value in settings.items())),
        "",
        "Versions: " + ", ".join(f"{k} {v}" for k, v in run.config["versions"].items()) + ".",
        "",
        "![learning curve](plots/learning_curve.png)",
        "",
        "## Use",
        "",
        *(f"    {command}" for command in next_commands(run)),
        "",
        "From Python: `pipelines.load_run(path)`, then `.model`, `.history`, `.evaluate()`, "
        "`.predict(...)`.",
        "",
        "## Limits",
        "",
        "The scores hold for records like those above. On others, score it first: "
        f"`rnnkit evaluate {run.path} --data D`. A score near a floor means that little "
        "was learnt.",
        "",
    ]
    with replacing(run.path / "README.md") as beside:
        beside.write_text("\n".join(lines), "utf-8")


def next_commands(run: Run) -> list[str]:
    """What one does next with a finished run."""
    folder = shlex.quote(str(run.path))
    generates = isinstance(run.task, Generative)
    record = "TEXT" if isinstance(run.task, Typed) else "--input FILE"
    use = f"generate {folder}" if generates else f"predict {folder} {record}"
    return [f"rnnkit {words}" for words in (f"evaluate {folder}", use, f"export {folder}")]


def _scores(run: Run, metrics: dict[str, Any]) -> list[str]:
    parts = [part for part in ("valid", "test") if part in metrics]
    part = parts[-1]
    floors = metrics[part]["floors"]
    names = list(metrics[part]["metrics"])
    header = ["", *(f"model, {p}" for p in parts), *(f"{floor}, {part}" for floor in floors)]
    rows = (
        [
            name,
            *(_number(metrics[p]["metrics"].get(name)) for p in parts),
            *(_number(values.get(name)) for values in floors.values()),
        ]
        for name in names
    )
    signatures = metrics[part].get("signatures", {})
    notes = [line for name, text in signatures.items() for line in ("", f"{name}: `{text}`")]
    return [*_table(header, rows), *notes]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _table(header: list[str], rows: Iterable[list[Any]]) -> list[str]:
    return [
        f"| {' | '.join(map(str, cells))} |" for cells in (header, ["---"] * len(header), *rows)
    ]
