"""The columns of manifests and of tables of vectors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.labelled import NoLabelsError
from pipelines.text.rows import Table
from pipelines.video.settings import VideoSettings

PATHS = ("path", "file", "filename", "filepath", "video", "videopath")
CLIPS = ("clip", "clipid", "sequence", "sequenceid", "id", "name", "recording")
LABELS = ("label", "class", "category", "target", "action", "gesture", "activity")
GROUPS = ("group", "scene", "subject", "person", "patient", "session", "source")
SPLITS = ("split", "part", "subset", "set")
PARTS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Columns:
    """Names of columns, "" for one that a table does not have."""

    path: str
    clip: str
    label: str
    group: str
    split: str

    @property
    def named(self) -> list[str]:
        """Those that the table has."""
        return [name for name in (self.path, self.clip, self.label, self.group, self.split) if name]

    @staticmethod
    def value(values: Mapping[str, Any], column: str) -> str:
        """What a row has in a column, "" for nothing."""
        value = values.get(column) if column else None
        return "" if value is None else str(value).strip()


def find_columns(table: Table, settings: VideoSettings, labelled: bool) -> Columns:
    """The columns of a manifest (`path` is set) or of a table of vectors (`clip` is set).

    Args:
        table: opened.
        settings: whose names of columns go before the usual ones.
        labelled: whether there must be labels.

    Raises:
        NoLabelsError: there is no column of labels.
        UserError: another column is missing, or it is not clear which one is meant.
    """
    clip = ""
    path = _first(table, settings.path_column, PATHS, "--path-column")
    if settings.clip_column or not path:
        path = ""
        clip = table.column(settings.clip_column, CLIPS, "--clip-column")
    label = _first(table, settings.label_column, LABELS, "--label-column")
    if labelled and not label:
        raise NoLabelsError(
            f"{table.path}:1: expected a column of labels ({', '.join(LABELS[:3])}, ...). Received "
            f"the columns {', '.join(table.columns)}. Name one with --label-column."
        )
    return Columns(
        path=path,
        clip=clip,
        label=label,
        group=_first(table, settings.group_column, GROUPS, "--group-column"),
        split=_first(table, settings.split_column, SPLITS, "--split-column"),
    )


def _first(table: Table, wanted: str, known: tuple[str, ...], flag: str) -> str:
    """The column that is wanted, or the one with the first of the usual names; "" for none."""
    if wanted:
        return table.column(wanted, known, flag)
    by_name = {re.sub(r"[\W_]", "", name.lower()): name for name in reversed(table.columns)}
    return next((by_name[name] for name in known if name in by_name), "")
