"""Sequence: a record of the dna task; and which records belong together."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipelines.dna.alphabets import Alphabet


@dataclass(frozen=True, eq=False, slots=True)
class BioSequence:
    """A sequence with what is known of it.

    Args:
        name: from the header or the file and line.
        letters: upper case.
        label: of the whole sequence; None where none is known.
        labels: of every letter, where the task asks for those.
        group: records of one group stay on one side of a split; `with_groups` sets it.
        chromosome: where it was cut out, if that is known.
        span: first letter and the one after the last (from 0) on that chromosome.
        simulated: True for the default data, whose best possible answer is known.
        columns: of the table it came from, where answers are written beside them.
    """

    name: str
    letters: str
    label: str | None = None
    labels: tuple[str, ...] | None = None
    group: str = ""
    chromosome: str | None = None
    span: tuple[int, int] | None = None
    simulated: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)

    def digest(self) -> bytes:
        """A hash of letters and labels."""
        labels = self.label if self.labels is None else "\t".join(self.labels)
        return hashlib.sha256(f"{self.letters}\n{labels}".encode()).digest()


def with_groups(records: Sequence[BioSequence], alphabet: Alphabet) -> list[BioSequence]:
    """The records with groups that keep together what belongs together.

    Two records are in one group if they have the same letters, or one is the reverse complement of
    the other; if the data name the same group for both; or if their places on a chromosome overlap.
    What is linked through others is one group too.
    """
    sets = _DisjointSets(len(records))
    first: dict[tuple[str, str], int] = {}
    for k, record in enumerate(records):
        keys = [("letters", alphabet.canonical(record.letters))]
        if record.group:
            keys.append(("group", record.group))
        for key in keys:
            sets.join(first.setdefault(key, k), k)
    for k, other in _overlaps(records):
        sets.join(k, other)
    names = [
        record.group or hashlib.sha256(alphabet.canonical(record.letters).encode()).hexdigest()
        for record in records
    ]
    least: dict[int, str] = {}
    for k, name in enumerate(names):
        root = sets.root(k)
        least[root] = min(name, least.get(root, name))
    return [
        dataclasses.replace(record, group=least[sets.root(k)]) for k, record in enumerate(records)
    ]


def _overlaps(records: Sequence[BioSequence]) -> Iterable[tuple[int, int]]:
    """Pairs whose places overlap, enough of them to link all that do."""
    placed = [
        (record.chromosome, *record.span, k)
        for k, record in enumerate(records)
        if record.chromosome is not None and record.span is not None
    ]
    last: tuple[str, int, int] | None = None  # chromosome, furthest end so far, whose it is
    for chromosome, start, end, k in sorted(placed):
        if last is not None and last[0] == chromosome and start < last[1]:
            yield last[2], k
            if end <= last[1]:
                continue
        last = (chromosome, end, k)


class _DisjointSets:
    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, k: int) -> int:
        while self._parent[k] != k:
            self._parent[k] = self._parent[self._parent[k]]
            k = self._parent[k]
        return k

    def join(self, a: int, b: int) -> None:
        first, second = sorted((self.root(a), self.root(b)))
        self._parent[second] = first
