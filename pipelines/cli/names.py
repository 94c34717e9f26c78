"""Commands and tasks by name: an unknown one is answered with the nearest."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from pipelines.errors import unknown_name


class _Names(TyperGroup):
    kind: str  # what the names are, for the message

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands and not args[0].startswith("-"):
            raise unknown_name(self.kind, args[0], self.commands)
        return super().resolve_command(ctx, args)


class Commands(_Names):
    """The commands of rnnkit, in the order in which they are used."""

    kind = "command"
    order = ("tasks", "cells", "check", "train", "evaluate", "predict", "generate", "export")

    def list_commands(self, ctx: Any) -> list[str]:
        return [*self.order, *(name for name in self.commands if name not in self.order)]


class Tasks(_Names):
    """A command with a sub-command a task."""

    kind = "task"
