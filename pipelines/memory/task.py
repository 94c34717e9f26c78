"""What adding and copy share: sequences that are drawn, not read."""

from __future__ import annotations

import abc
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from pipelines.errors import UserError
from pipelines.memory.settings import MemorySettings
from pipelines.sources import PARTS
from pipelines.task import Reading, Task, Tensors, Typed


@dataclass(frozen=True, eq=False)
class Drawn:
    """A drawn sequence."""

    name: str
    tensors: dict[str, np.ndarray]  # what `MemoryTask.draw` gave

    @property
    def group(self) -> str:
        """Equal sequences are one group."""
        return self.digest().hex()

    def digest(self) -> bytes:
        """A hash of the numbers."""
        total = hashlib.sha256()
        for key, value in sorted(self.tensors.items()):
            total.update(f"{key} {value.shape}".encode() + value.tobytes())
        return total.digest()


S = TypeVar("S", bound=MemorySettings)


class MemoryTask(Task[Drawn, S], Typed[Drawn]):
    """A task whose sequences are drawn from the seed.

    The three parts are streams of their own, and training never sees a sequence twice: every epoch
    replaces each of its sequences by a new one, drawn from (seed, epoch, number of the sequence).
    """

    @property
    @abc.abstractmethod
    def description(self) -> str:
        """Of the data, for reports."""

    @abc.abstractmethod
    def draw(self, seed: tf.Tensor) -> Tensors:
        """A sequence and its answer from an int32 (2,), the same on every machine."""

    def read(self, source: str | None) -> Reading[Drawn]:
        """Draws the parts; there is nothing to read."""
        if source is not None:
            raise UserError(
                f"{source}: expected no data, because {self.name} draws its own. Received: a "
                "source. Leave it out; train has --length N, and predict takes TEXT."
            )
        settings = self.settings
        sizes = (settings.train_size, settings.valid_size, settings.test_size)
        parts = {
            part: self._part(part, stream, size)
            for stream, (part, size) in enumerate(zip(PARTS, sizes, strict=True))
        }
        return Reading(parts=parts, description=self.description)

    def _part(self, part: str, stream: int, size: int) -> list[Drawn]:
        seed = tf.constant([self.settings.seed % 2**31, stream], tf.int32)

        def number(k: tf.Tensor) -> Tensors:
            return self.draw(tf.random.experimental.stateless_fold_in(seed, k))

        drawn = tf.data.Dataset.range(size, output_type=tf.int32).map(number)
        elements = enumerate(drawn.as_numpy_iterator(), 1)
        return [Drawn(f"{part} {k}", element) for k, element in elements]

    def learn(self, records: Sequence[Drawn]) -> dict[str, Any]:
        """Nothing: all is known of data that are drawn."""
        return self.learnt

    def element(self, record: Drawn) -> dict[str, np.ndarray]:
        return record.tensors

    def augment(self, element: Tensors, seed: tf.Tensor) -> Tensors:
        """Another sequence in place of this one."""
        return self.draw(seed)


def batches(records: Sequence[Drawn], key: str, size: int = 256) -> Iterator[np.ndarray]:
    """The arrays of a key in their order, stacked by up to `size` of one shape."""
    arrays = (record.tensors[key] for record in records)
    for _, group in itertools.groupby(arrays, key=np.shape):
        alike = list(group)
        for k in range(0, len(alike), size):
            yield np.stack(alike[k : k + size])
