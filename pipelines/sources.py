"""Sources of data: what a task reads, split into train, valid and test."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from pipelines.errors import UserError, as_unavailable

if TYPE_CHECKING:
    from pipelines.task import Dropped, Reading, Record, Task

PARTS = ("train", "valid", "test")
SHARE = 0.1  # of the groups, for each part that is split off
NAMED = 3  # examples in a message
TOLD = 10  # records left out that are named one by one, where the user asked for something else


@dataclass(frozen=True)
class Data:
    """Records in three parts, and what is to be known of them."""

    parts: dict[str, list[Record]]  # "train", "valid", "test"
    description: str
    dropped: list[Dropped]
    remarks: list[str]  # what was changed in reading, counted
    leaks: list[str]  # records of one part that stand in another, counted
    fingerprint: str  # of all records in their order and parts
    source: str | None


@as_unavailable()
def load(
    task: Task, source: str | None = None, valid: str | None = None, test: str | None = None
) -> Data:
    """Reads a source and makes three parts of it.

    Parts that the source has are used as they are, and so are `valid` and `test` if given. A part
    that is still missing is split off: a tenth of the groups, chosen by a hash of the group, so
    that a record stays on its side whatever else is added. Of a stream
    (`pipelines.task.Contiguous`) the last tenth is the test part, the tenth before it validates.

    Args:
        task: reads the source.
        source: str, a path or `tfds:NAME`; None: the task's embedded default.
        valid, test: str, further sources for these parts. Of a source with parts of its own, the
            part of that name; of any other, everything. What of it belongs to records of another
            part stays where it was given, and is told as a leak.

    Raises:
        UnavailableError: nothing can be read, there are too few groups to split, or the task
            refuses the parts.
    """
    readings = {"train": task.read(source)}
    parts = dict(readings["train"].parts)
    if "all" in parts:
        parts = {"train": parts["all"]}
    for part, further in (("valid", valid), ("test", test)):
        if further is not None:
            reading = readings[part] = task.read(further)
            parts[part] = _records(reading, part)
    if len(readings) > 1:
        parts = task.linked(parts)
    parts = _divided(task, parts, readings["train"].description)
    task.check_parts(parts)
    return Data(
        parts=parts,
        description="; ".join(
            reading.description if part == "train" else f"{part}: {reading.description}"
            for part, reading in readings.items()
        ),
        dropped=[dropped for reading in readings.values() for dropped in reading.dropped],
        remarks=[
            remark if part == "train" else f"{part}: {remark}"
            for part, reading in readings.items()
            for remark in reading.remarks
        ],
        leaks=leaks(parts),
        fingerprint=fingerprint(parts),
        source=source,
    )


def read_all(task: Task, source: str) -> list[Record]:
    """Every record of a source, whatever part it stands in; what was left out is said on stderr.

    Raises:
        UserError: nothing can be read.
    """
    reading = task.read(source)
    tell_dropped(reading.dropped)
    return [record for records in reading.parts.values() for record in records]


def tell(data: Data, say: Callable[[str], None]) -> None:
    """Says what was read, what was left out, and what stands in two parts."""
    say(data.description)
    tell_dropped(data.dropped)
    for leak in data.leaks:
        say(f"leak: {leak}")


def tell_dropped(dropped: list[Dropped]) -> None:
    """Names on stderr what was left out, and why, so that no answer covers less in silence."""
    for each in dropped[:TOLD]:
        print(f"left out: {each.place}: {each.reason}", file=sys.stderr)
    if len(dropped) > TOLD:
        rest = f"left out: {len(dropped) - TOLD} more, {len(dropped)} in all"
        print(f"{rest}. `rnnkit check` names each.", file=sys.stderr)


def _records(reading: Reading, part: str) -> list[Record]:
    if part in reading.parts:
        return reading.parts[part]
    return [record for records in reading.parts.values() for record in records]


# --- split ---------------------------------------------------------------------------------------


def _divided(
    task: Task, parts: dict[str, list[Record]], description: str
) -> dict[str, list[Record]]:
    from pipelines.task import Contiguous  # imports TensorFlow

    if not isinstance(task, Contiguous):
        return split(parts, description)
    missing = [part for part in ("valid", "test") if part not in parts]
    return {**parts, **task.cut(parts["train"], missing)} if missing else parts


def split(parts: dict[str, list[Record]], description: str) -> dict[str, list[Record]]:
    """Splits the parts that are missing off the training part, whole groups at a time."""
    missing = [part for part in ("valid", "test") if part not in parts]
    side = _sides({record.group for record in parts["train"]}, missing, description)
    halves = {
        part: [record for record in parts["train"] if side[record.group] == part]
        for part in ("train", *missing)
    }
    whole = {**parts, **halves}
    return {part: whole[part] for part in PARTS}


def _sides(groups: Iterable[str], missing: list[str], description: str) -> dict[str, str]:
    """The part of each group."""
    places = {group: place(group) for group in sorted(groups)}
    wanted = ("train", *missing)
    if len(places) < len(wanted):
        raise UserError(
            f"{description}: expected at least {len(wanted)} groups of records to make the parts "
            f"{', '.join(wanted)} (records that belong together are one group). "
            f"Received: {len(places)}. Give more data, or --valid and --test."
        )
    ranges = {"test": (0.0, SHARE), "valid": (SHARE, 2 * SHARE)}
    side = dict.fromkeys(places, "train")
    for part in missing:
        low, high = ranges[part]
        side |= {group: part for group, where in places.items() if low <= where < high}
    # Only tiny data leave a part empty: it gets the group with the lowest hash of the fullest part.
    for part in wanted:
        if part not in side.values():
            sides = list(side.values())
            fullest = max(wanted, key=sides.count)
            side[min((g for g in side if side[g] == fullest), key=places.__getitem__)] = part
    return side


def place(group: str) -> float:
    """A number in [0, 1) that depends on the group alone, on every machine."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:6]) / 2**48


# --- checks --------------------------------------------------------------------------------------


def leaks(parts: dict[str, list[Record]]) -> list[str]:
    """A line for each two parts that share records, and for each two that share groups."""
    found = []
    for first, second in combinations([part for part in PARTS if parts.get(part)], 2):
        for key, what in ((_digest, "an equal one"), (_group, "one of the same group")):
            there = {key(record): record.name for record in reversed(parts[first])}
            shared = [(r.name, there[key(r)]) for r in parts[second] if key(r) in there]
            if shared:
                names = ", ".join(f"{a} = {b}" for a, b in shared[:NAMED])
                more = ", ..." if len(shared) > NAMED else ""
                found.append(
                    f"{len(shared)} of {len(parts[second])} {second} records have {what} in "
                    f"{first}: {names}{more}"
                )
    return found


def _digest(record: Record) -> bytes:
    return record.digest()


def _group(record: Record) -> str:
    return record.group


def fingerprint(parts: dict[str, list[Record]]) -> str:
    """A hash of the records in their order and parts."""
    total = hashlib.sha256()
    for part in PARTS:
        total.update(f"{part} {len(parts[part])}".encode())
        for record in parts[part]:
            total.update(record.digest())
    return total.hexdigest()
