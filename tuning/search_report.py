"""A search as files: README.md, search.json, trials.csv, and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipelines import report
from pipelines.files import replacing, write_json
from pipelines.run import Run, task_class
from pipelines.tables import to_json, write_csv
from tuning import search_plots
from tuning.importance import LEAST, Importance, importance
from tuning.narrowing import space_in_words
from tuning.search_results import DEFAULT, Search

SHOWN = 10  # trials in the report's table


def write(search: Search) -> list[Path]:
    """Writes everything into the search's folder and returns the paths, the report first."""
    folder = search.request.path
    paths = [folder / name for name in ("README.md", "search.json", "trials.csv", "curves.png")]
    write_json(folder / "search.json", json.loads(to_json(search.to_json())))
    with replacing(folder / "trials.csv") as beside:
        write_csv((_flat(row, full_settings(search, row)) for row in search.rows), beside)
    search_plots.draw_curves(
        search.done, folder / "trials", search.selection, folder / "curves.png"
    )
    compared = [
        {**row, "settings": full_settings(search, row)} for row in _last_of_each(search.done)
    ]
    found = importance([row["settings"] for row in compared], [row["score"] for row in compared])
    if found is not None:
        search_plots.draw_importance(found, folder / "importance.png")
        paths.append(folder / "importance.png")
    if len(compared) > 1:
        logs = {hp.name for hp in search.request.space.space if _is_log(hp)}
        search_plots.draw_parallel(compared, logs, search.selection, folder / "parallel.png")
        paths.append(folder / "parallel.png")
    with replacing(folder / "README.md") as beside:
        beside.write_text("\n".join(_report(search, found, paths)) + "\n", "utf-8")
    return paths


def full_settings(search: Search, row: dict[str, Any]) -> dict[str, Any]:
    """Every setting that was searched, of a trial: the default trial names none itself."""
    names = [hp.name for hp in search.request.space.space]
    defaults = {name: getattr(search.request.defaults, name) for name in names}
    return defaults | row["settings"]


def remarks(search: Search) -> list[str]:
    """What the search gained, in a line each."""
    best = search.best
    default = next((row for row in search.done if row["trial"] == DEFAULT), None)
    score = f"{search.selection} {best['score']:.4g}"
    lines = [f"best: trial {best['trial']}, {score} at epoch {best['best_epoch']}"]
    if default is not None and best["trial"] == DEFAULT:
        lines = [f"best: the task's own settings, {score}; no trial was better"]
    elif default is not None:
        lines[0] += f"; the task's own settings reach {default['score']:.4g}"
    for part, metrics in search.metrics.items():
        known = [name for name in task_class(search.request.task).metrics if name in metrics]
        lines.append(f"{part}: {', '.join(f'{name} {metrics[name]:.4g}' for name in known)}")
    failed = len(search.rows) - len(search.done)
    if failed:
        lines.append(f"{failed} of {len(search.rows)} trials failed; trials.csv has the reasons")
    return lines


def next_commands(search: Search) -> list[str]:
    """What one does next: with the run of the best, or to get one."""
    if search.run is None:
        return [search.command]
    return report.next_commands(Run.load(search.run))


def _last_of_each(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a run: hyperband goes on with a run in later trials, and the last tells most."""
    return list({row["run"]: row for row in rows}.values())


def _is_log(hp: Any) -> bool:
    return getattr(hp, "sampling", None) == "log"


def _flat(row: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in row.items() if key not in ("settings", "reason")}
    return {**rest, **settings, "reason": row["reason"]}


def _report(search: Search, found: Importance | None, paths: list[Path]) -> list[str]:
    request = search.request
    names = [hp.name for hp in request.space.space]
    best = sorted(search.done, key=lambda row: row["score"])[:SHOWN]
    table = [
        ["trial", search.selection, "epochs", "seconds", "parameters", *names],
        ["---"] * (5 + len(names)),
        *(
            [
                row["trial"],
                f"{row['score']:.4g}",
                row["epochs"],
                f"{row['seconds']:.0f}",
                f"{row['parameters']:,}",
                *(_short(full_settings(search, row)[name]) for name in names),
            ]
            for row in best
        ),
    ]
    if found is None:
        mattered = [f"With fewer than {LEAST} finished trials nothing is said of importance."]
    else:
        mattered = [
            f"A random forest that predicts a trial's rank from its settings explains "
            f"{found.explained:.0%} of the ranks of trials it has not seen; near or below zero, "
            "trust nothing of this. Bars show by how much it gets worse when a setting is "
            "shuffled among the trials.",
            "",
            "![importance](importance.png)",
        ]
    pictures = {path.name for path in paths}
    return [
        f"# Search: {request.task}",
        "",
        f"Method {request.method}, seed {request.seed}, {len(search.rows)} trials on "
        f"{request.data or 'embedded data'}. Fixed: {_fixed(request.narrowing.fixed)}. "
        "Searched, in the words of `--choose` and `--range`:",
        "",
        *(f"    {words}" for words in space_in_words(request.space)),
        "",
        *(f"- {line}." for line in remarks(search)),
        "",
        "Every choice was made on the validation part; the test part was scored once, for the "
        "best. A score that is the best of many is a little too good by that alone: the test part "
        "tells.",
        "",
        *(f"    {command}" for command in next_commands(search)),
        "",
        "## The best trials",
        "",
        *(f"| {' | '.join(map(str, line))} |" for line in table),
        "",
        "## What mattered",
        "",
        *mattered,
        "",
        *(["![all trials](parallel.png)", ""] if "parallel.png" in pictures else []),
        "![learning curves](curves.png)",
        "",
        "All trials are in `trials.csv`; each is a run in `trials/`, whose test part was left "
        "alone.",
    ]


def _fixed(fixed: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in fixed.items()) or "nothing"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
