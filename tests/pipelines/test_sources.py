"""Splits: no record changes sides, none stands on two; what leaks is named."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import UserError
from pipelines.sources import PARTS, load, tell_dropped
from pipelines.task import Dropped


@dataclass(frozen=True)
class Verse:
    name: str
    group: str
    text: str = ""

    def digest(self) -> bytes:
        return hashlib.sha256((self.text or self.name).encode()).digest()


class Verses:
    """A task that reads from memory."""

    def __init__(self, **sources) -> None:
        self.sources = sources

    def read(self, source):
        parts = self.sources[source or "default"]
        parts = parts if isinstance(parts, dict) else {"all": parts}
        return SimpleNamespace(
            parts=parts, description=f"of {source}", dropped=[f"{source}:1"], remarks=["changed"]
        )

    def linked(self, parts):
        return parts

    def check_parts(self, parts):
        assert list(parts) == list(PARTS)


def verses(count: int, *, per_group: int = 1, prefix: str = "") -> list[Verse]:
    return [Verse(f"{prefix}{k}", f"{prefix}group {k // per_group}") for k in range(count)]


def names(data) -> dict[str, list[str]]:
    return {part: [record.name for record in data.parts[part]] for part in PARTS}


def side(data) -> dict[str, str]:
    return {record.name: part for part in PARTS for record in data.parts[part]}


def test_a_tenth_each_for_validation_and_test():
    """Too little to test on, or too little to learn from."""
    data = load(Verses(default=verses(4000)))
    assert len(data.parts["train"]) == pytest.approx(3200, abs=80)
    assert len(data.parts["valid"]) == pytest.approx(400, abs=60)
    assert len(data.parts["test"]) == pytest.approx(400, abs=60)
    assert sorted(side(data)) == sorted(str(k) for k in range(4000))
    again = load(Verses(default=verses(4000)))
    assert names(again) == names(data), "the same on every call, in the order of the source"


def test_the_split_is_the_same_on_every_machine():
    """A run resumed elsewhere would train on its own test part: the hash must never change."""
    data = load(Verses(default=verses(40)))
    assert names(data)["test"] == [str(k) for k in range(40) if first_tenth(f"group {k}")]


def first_tenth(group: str) -> bool:
    return int(hashlib.sha256(group.encode()).hexdigest()[:12], 16) * 10 < 16**12


@settings(max_examples=50, deadline=None)
@given(st.integers(30, 200), st.integers(0, 200), st.integers(1, 4), st.randoms())
def test_a_record_stays_on_its_side_when_others_come(count, more, per_group, random):
    """Adding data would move test records into the training part of a later run."""
    old = verses(count, per_group=per_group)
    new = old + verses(more, per_group=per_group, prefix="new ")
    random.shuffle(new)
    before, after = side(load(Verses(default=old))), side(load(Verses(default=new)))
    if len(set(before.values())) == 3 and count // per_group >= 30:
        moved = [name for name in before if before[name] != after[name]]
        assert len(moved) <= 2 * per_group, "only a part that was empty may have borrowed a group"


@settings(max_examples=50, deadline=None)
@given(st.integers(3, 60), st.integers(1, 5))
def test_groups_stay_together_and_no_part_is_empty(groups, per_group):
    """The same tune in train and test; or nothing to test on, in a small folder."""
    data = load(Verses(default=verses(groups * per_group, per_group=per_group)))
    where: dict[str, set[str]] = {}
    for part in PARTS:
        assert data.parts[part], f"{part} is empty"
        for record in data.parts[part]:
            where.setdefault(record.group, set()).add(part)
    assert all(len(parts) == 1 for parts in where.values())
    assert sum(map(len, data.parts.values())) == groups * per_group
    assert data.leaks == []


def test_too_few_groups():
    """Two pieces cannot be split in three; the way out must be said."""
    with pytest.raises(
        UserError, match=r"at least 3 groups.*Received: 2\. Give more data, or --va"
    ):
        load(Verses(default=verses(6, per_group=3)))


def test_given_parts_are_used_as_they_are():
    """A published split would be mixed."""
    parts = {"train": verses(5), "valid": verses(2, prefix="v"), "test": verses(3, prefix="t")}
    data = load(Verses(bench=parts), "bench")
    assert data.parts == parts
    assert data.source == "bench"


def test_with_a_test_source_validation_is_a_tenth_of_the_rest():
    """Test records would be drawn from training data although others were given."""
    task = Verses(mine=verses(2000), theirs=verses(9, prefix="t"))
    data = load(task, "mine", test="theirs")
    assert names(data)["test"] == [f"t{k}" for k in range(9)]
    assert len(data.parts["valid"]) == pytest.approx(200, abs=45)
    assert len(data.parts["train"]) + len(data.parts["valid"]) == 2000
    alone = load(task, "mine")
    assert data.parts["valid"] == alone.parts["valid"], "validation is the same with and without"
    assert data.description == "of mine; test: of theirs"
    assert data.dropped == ["mine:1", "theirs:1"]
    assert data.remarks == ["changed", "test: changed"]


def test_both_sources_given_and_a_source_with_parts():
    """Of a benchmark given as --test its test part counts; training data stay whole."""
    bench = {part: verses(3, prefix=part) for part in PARTS}
    data = load(
        Verses(mine=verses(1), other=verses(2, prefix="o"), bench=bench), "mine", "other", "bench"
    )
    assert names(data) == {
        "train": ["0"],
        "valid": ["o0", "o1"],
        "test": ["test0", "test1", "test2"],
    }


def test_leaks_are_counted_and_named():
    """A test score on training data would look like progress."""
    train = [Verse("a", "x", "same"), Verse("b", "y"), Verse("c", "z")]
    test = [Verse("d", "x", "same"), Verse("e", "y"), Verse("f", "w")]
    data = load(Verses(d={"train": train, "valid": [Verse("g", "v")], "test": test}), "d")
    assert data.leaks == [
        "1 of 3 test records have an equal one in train: d = a",
        "2 of 3 test records have one of the same group in train: d = a, e = b",
    ]


def test_the_fingerprint_tells_data_apart():
    """A run would go on with other data, or refuse the same."""
    base = {"train": verses(5), "valid": verses(2, prefix="v"), "test": verses(2, prefix="t")}
    changes = {
        "order": {**base, "train": base["train"][::-1]},
        "content": {**base, "test": [*base["test"][:1], Verse("t1", "group", "other")]},
        "parts": {
            **base,
            "train": base["train"][:-1],
            "valid": [base["train"][-1], *base["valid"]],
        },
    }
    prints = [load(Verses(d=parts), "d").fingerprint for parts in (base, *changes.values())]
    assert len(set(prints)) == 4
    renamed = [Verse(f"new name {k}", v.group, v.name) for k, v in enumerate(base["train"])]
    assert load(Verses(d={**base, "train": renamed}), "d").fingerprint == prints[0]


def test_a_tfds_set_without_network_fails_in_seconds(tmp_path):
    """TFDS itself would try for minutes before it says that there is no network."""
    script = """
import time
import pipelines.tfds
from pipelines.errors import UserError
pipelines.tfds.HOST = "http://127.0.0.1:9"
import tensorflow_datasets
tensorflow_datasets.builder
for name in ("tfds:mnist", "tfds:no_such_set", "tfds:mnist:9.9.9"):
    start = time.perf_counter()
    try:
        pipelines.tfds.prepared_builder(name)
    except UserError as error:
        print(f"{time.perf_counter() - start:.1f} {error}")
"""
    environment = {**os.environ, "TFDS_DATA_DIR": str(tmp_path)}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stderr
    assert "tfds:mnist: not prepared, and there is no network" in lines[0]
    assert "tfds build mnist" in lines[0]
    assert str(tmp_path) in lines[0]
    assert "no such data set" in lines[1]
    assert "tfds:mnist:9.9.9" in lines[2]
    assert all(float(line.split()[0]) < 8 for line in lines)
    assert time.perf_counter() - start < 120


def test_left_out_records_are_named_but_not_by_the_thousand(capsys):
    """Ten lines a reader reads; of the rest the count, and where to find them."""
    tell_dropped([Dropped(f"{k}.mid", "empty file") for k in range(12)])
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "left out: 0.mid: empty file"
    assert len(lines) == 11
    assert lines[-1] == "left out: 2 more, 12 in all. `rnnkit check` names each."
