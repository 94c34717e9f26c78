"""Clip: a record of the video task; and which clips belong together."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipelines.video import cache


@dataclass(frozen=True, eq=False, slots=True)
class Clip:
    """Frames that follow one another, pictures or vectors, with what is known of them.

    Args:
        name: of its file, or the table's file and line.
        store: file of the cache that holds its frames.
        first: the row of the store where they begin.
        count: how many they are, at least 1.
        content: what tells it from others: a hash of the frames.
        label: of the whole clip; None where none is known.
        labels: of every frame, where the task asks for those.
        group: clips of one group stay on one side of a split; `with_groups` sets it.
        columns: of the table it came from, where answers are written beside them.
    """

    name: str
    store: str
    first: int
    count: int
    content: str
    label: str | None = None
    labels: tuple[str, ...] | None = None
    group: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)

    def digest(self) -> bytes:
        """A hash of frames and labels."""
        labels = self.label if self.labels is None else "\t".join(self.labels)
        return hashlib.sha256(f"{self.content}\n{labels}".encode()).digest()

    def frames(self, places: np.ndarray | None = None) -> np.ndarray:
        """Its frames, or those at some places, (T, height, width, colours) uint8 or (T, n)
        float32."""
        if places is None:
            return cache.rows(self.store, slice(self.first, self.first + self.count))
        return cache.rows(self.store, self.first + places)

    def cut(self, length: int) -> list[Clip]:
        """Stretches of at most so many frames, one after the other."""
        if self.count <= length:
            return [self]
        return [
            dataclasses.replace(
                self,
                name=f"{self.name}[{k}:{k + length}]",
                first=self.first + k,
                count=min(length, self.count - k),
                content=f"{self.content} {k}",
                labels=None if self.labels is None else self.labels[k : k + length],
            )
            for k in range(0, self.count, length)
        ]


def with_groups(clips: Sequence[Clip]) -> list[Clip]:
    """The clips with groups that keep together what belongs together: copies of one clip, clips
    whose data name the same group, and what is linked through others."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for clip in clips:
        named, copies = root(_name(clip)), root(_copies(clip))
        # A group's own name stays before the hash of a clip, the lower one before the higher.
        low, high = sorted((named, copies), key=lambda key: (key.startswith("clip "), key))
        parent[high] = low
    return [dataclasses.replace(clip, group=root(_name(clip))) for clip in clips]


def _copies(clip: Clip) -> str:
    return f"clip {clip.content}"


def _name(clip: Clip) -> str:
    return clip.group or _copies(clip)
