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
from pipelines.settings import Settings


def settings_class(task: str) -> type[Settings]:
    """The settings of a task, without importing the task itself."""
    module, _, name = TASKS[task].settings.partition(":")
    return getattr(importlib.import_module(module), name)


def with_settings(
    function: Callable[..., None], task: str, *, reading: bool = False
) -> Callable[..., None]:
    """`function` with its `**settings` written out as one option a setting of the task.

    Args:
        function: what the command does; its other parameters are described for Typer.
        task: a name of `TASKS`.
        reading: only the settings that decide how files are read.
    """
    cls = settings_class(task)
    shared = {field.name for field in dataclasses.fields(Settings)}
    hints = typing.get_type_hints(cls)
    own = inspect.signature(function, eval_str=True).parameters.values()
    parameters = [parameter for parameter in own if parameter.kind is not parameter.VAR_KEYWORD]
    for field in dataclasses.fields(cls):
        if reading and not field.metadata["reading"]:
            continue
        panel = "Model and training" if field.name in shared else f"Settings of {task}"
        parameters.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=Annotated[hints[field.name], _option(field, panel)],
            )
        )

    def command(**values: Any) -> None:
        function(**values)

    command.__doc__ = function.__doc__
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
