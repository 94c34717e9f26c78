"""From the settings of a task to the options of a command."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer

from pipelines import TASKS
from pipelines.settings import Options, Settings


def settings_class(task: str) -> type[Settings]:
    """The settings of a task, without importing the task itself."""
    return _imported(TASKS[task].settings)


def options_class(task: str) -> type[Options]:
    """The options of `rnnkit predict` with a run of a task, without importing the task itself."""
    return _imported(TASKS[task].options) if TASKS[task].options else Options


def _imported(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def with_settings(
    function: Callable[..., None],
    task: str,
    *,
    reading: bool = False,
    without: tuple[str, ...] = (),
) -> Callable[..., None]:
    """`function` with its `**settings` written out as one option a setting of the task.

    Args:
        function: what the command does; its other parameters are described for Typer.
        task: a name of `TASKS`.
        reading: only the settings that decide how files are read.
        without: settings that get no option, because the command decides them.
    """
    cls = settings_class(task)
    shared = {field.name for field in dataclasses.fields(Settings)}
    panels = {
        field.name: "Model and training" if field.name in shared else f"Settings of {task}"
        for field in dataclasses.fields(cls)
        if (field.metadata["reading"] or not reading) and field.name not in without
    }
    return _with_fields(function, cls, panels)


def with_options(function: Callable[..., None], task: str | None = None) -> Callable[..., None]:
    """`function` with its `**options` written out as what `rnnkit predict` knows for a task."""
    cls = options_class(task) if task else Options
    panels = dict.fromkeys((field.name for field in dataclasses.fields(cls)), f"Options of {task}")
    return _with_fields(function, cls, panels)


def _with_fields(
    function: Callable[..., None], cls: type[Options], panels: dict[str, str]
) -> Callable[..., None]:
    """`function` with its `**keywords` written out as the fields of `cls` that have a panel."""
    hints = typing.get_type_hints(cls)
    own = inspect.signature(function, eval_str=True).parameters.values()
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in own
        if parameter.kind is not parameter.VAR_KEYWORD
    ]
    for field in dataclasses.fields(cls):
        if field.name not in panels:
            continue
        parameters.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=Annotated[hints[field.name], _option(field, panels[field.name])],
            )
        )

    def command(**values: Any) -> None:
        function(**values)

    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def _option(field: dataclasses.Field, panel: str) -> Any:
    rule = field.metadata
    limits = [
        f"{words} {rule[key]}"
        for words, key in (("at least", "minimum"), ("above", "above"), ("at most", "maximum"))
        if rule[key] is not None
    ]
    choices = rule["choices"]
    return typer.Option(
        metavar=f"<{'|'.join(choices)}>" if choices else None,
        help="; ".join([rule["help"], *([" and ".join(limits)] if limits else [])]),
        rich_help_panel=panel,
    )
