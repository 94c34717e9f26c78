"""A comparison as files: README.md, comparison.json, cells.csv, runs.csv, tests.csv, curves.png."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipelines.files import replacing, write_json
from pipelines.run import task_class
from pipelines.tables import to_json, write_csv
from tuning.comparison_plots import draw_curves
from tuning.results import Comparison, Line
from tuning.statistics import LEVEL
from tuning.studies import STUDIES

HEADER = (
    "cell",
    "units",
    "parameters",
    "recurrent",
    "mean",
    "std",
    "best",
    "runs",
    "s/epoch",
    "epochs to best",
    "|dL_T/dh_1|",
)


def write(comparison: Comparison) -> list[Path]:
    """Writes everything into the comparison's folder and returns the paths, the report first."""
    folder = comparison.folder
    tables = {
        "cells.csv": [_flat(line) for line in comparison.lines],
        "runs.csv": [
            {"cell": name} | _columns(row) for name, rows in comparison.rows.items() for row in rows
        ],
        "tests.csv": [asdict(test) for test in comparison.tests],
    }
    paths = [folder / "README.md", folder / "comparison.json"]
    write_json(folder / "comparison.json", json.loads(to_json(comparison.to_json())))
    for name, rows in tables.items():
        if rows:
            columns = dict.fromkeys(key for row in rows for key in row)
            with replacing(folder / name) as beside:
                write_csv(({key: row.get(key) for key in columns} for row in rows), beside)
            paths.append(folder / name)
    if any(line.rows for line in comparison.lines):
        draw_curves(comparison, folder / "curves.png")
        paths.append(folder / "curves.png")
    with replacing(folder / "README.md") as beside:
        beside.write_text("\n".join(_report(comparison)) + "\n", "utf-8")
    return paths


def header(comparison: Comparison) -> list[str]:
    """Of the table of cells."""
    published = ["published"] if comparison.study else []
    return [*HEADER, *(f"test {name}" for name in _test_metrics(comparison)), *published]


def table(comparison: Comparison) -> list[list[Any]]:
    """A row a cell: numbers, or words where there is a spread."""
    rows = []
    for line in comparison.lines:
        each, found = line.contender, line.to_json()
        test = [_spread(line.metrics("test").get(name)) for name in _test_metrics(comparison)]
        published = [_published(comparison, each.name)] if comparison.study else []
        rows.append(
            [
                each.name,
                each.units,
                f"{each.parameters:,}",
                f"{each.recurrent_parameters:,}",
                _number(found["mean"]),
                _number(found["std"]),
                _number(found["best"]),
                len(line.rows),
                _number(found["seconds_per_epoch"], 3),
                _number(found["epochs_to_best"], 3),
                _number(found["gradient_first_step"], 2),
                *test,
                *published,
            ]
        )
    return rows


def _report(comparison: Comparison) -> list[str]:
    title = STUDIES[comparison.study].title if comparison.study else comparison.task
    return [
        f"# Comparison: {title}",
        "",
        f"Task `{comparison.task}`, data {comparison.data}; {comparison.budget}. The same splits, "
        f"batches and seeds for all. Settings besides the task's own: {_settings(comparison)}.",
        "",
        *_markdown(header(comparison), table(comparison)),
        "",
        f"Mean, std and best are of `{comparison.selection}` (lower is better), each run's best "
        "epoch on the validation part: every choice was made there. The test part was scored once "
        "a run and had no say. Parameters are those of the whole model; of its recurrent layers "
        "under recurrent. |dL_T/dh_1| is what of the loss at the last step reaches the first one "
        "before training, the median over seeds.",
        "",
        *_study(comparison),
        "## Differences",
        "",
        f"Paired t tests over seeds, Holm-corrected: of twenty comparisons without any true "
        f"difference, at most one claims any (level {LEVEL:g}). Intervals are of a pair by itself.",
        "",
        *(f"- {remark}." for remark in comparison.remarks),
        "",
        "![learning curves](curves.png)",
        "",
        "Every run is a folder of its own beside this file, `<cell>/seed-<n>`, that `rnnkit "
        "evaluate`, `predict` and `export` take.",
    ]


def _settings(comparison: Comparison) -> str:
    return ", ".join(f"{name} = {value}" for name, value in comparison.settings.items()) or "none"


def _study(comparison: Comparison) -> list[str]:
    if comparison.study is None:
        return []
    study = STUDIES[comparison.study]
    lines = [f"- {note}" for note in study.notes]
    lines.append(
        "- Published figures are confirmed in a public source, or quoted from memory and unchecked."
    )
    lines += [f"- The paper: {finding} ({standing})" for finding, standing in study.findings]
    return ["## The paper and this", "", *lines, ""]


def _published(comparison: Comparison, name: str) -> str:
    figures = comparison.published(name)
    return "; ".join(f"{f.metric} {f.value:g} ({f.standing})" for f in figures)


def _test_metrics(comparison: Comparison) -> list[str]:
    """The task's own; what it scores besides, such as the ends of intervals, is in the files."""
    found = {name for line in comparison.lines for name in line.metrics("test")}
    return [name for name in task_class(comparison.task).metrics if name in found]


def _spread(value: dict[str, float | None] | None) -> str:
    if value is None or value["mean"] is None:
        return ""
    return _number(value["mean"]) + ("" if value["std"] is None else f" ± {value['std']:.2g}")


def _number(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}g}"


def _flat(line: Line) -> dict[str, Any]:
    return _columns({key: value for key, value in line.to_json().items() if key != "scores"})


def _columns(row: dict[str, Any]) -> dict[str, Any]:
    """Nested numbers as columns of their own: `test.nll.mean`."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict) and key in ("valid", "test"):
            for name, inner in value.items():
                parts = inner if isinstance(inner, dict) else {"": inner}
                flat |= {f"{key}.{name}.{p}".rstrip("."): each for p, each in parts.items()}
        else:
            flat[key] = value
    return flat


def _markdown(header: list[str], rows: Iterable[Iterable[Any]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    escaped = [[str(cell).replace("|", "&#124;") for cell in line] for line in lines]
    return [f"| {' | '.join(line)} |" for line in escaped]
