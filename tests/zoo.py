"""The zoo: every public cell, layer and task once. The conformance suites run over these tables.

`tests/test_zoo.py` turns red when something public is missing here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

import rnnkit

# Small enough for finite differences; the checks use input width 2, batch 3 and 5 steps.
CELLS: dict[str, Callable[[], rnnkit.Cell]] = {
    "vanilla": lambda: rnnkit.VanillaCell(4),
    "output_recurrent": lambda: rnnkit.OutputRecurrentCell(4, outputs=6),
    "lstm": lambda: rnnkit.LSTMCell(4),
    "peephole_lstm": lambda: rnnkit.PeepholeLSTMCell(4),
    "full_peephole_lstm": lambda: rnnkit.FullPeepholeLSTMCell(4),
    "coupled_lstm": lambda: rnnkit.CoupledLSTMCell(4),
    "layer_norm_lstm": lambda: rnnkit.LayerNormLSTMCell(4),
    "projected_lstm": lambda: rnnkit.ProjectedLSTMCell(6, projection=4),
    "gru": lambda: rnnkit.GRUCell(4),
    "gru_reset_after": lambda: rnnkit.ResetAfterGRUCell(4),
    "mgu": lambda: rnnkit.MGUCell(4),
    "indrnn": lambda: rnnkit.IndRNNCell(4),
    "min_gru": lambda: rnnkit.MinGRUCell(4),
    "min_lstm": lambda: rnnkit.MinLSTMCell(4),
}

# Cells around cells, each with what is special about it; inputs are 2 wide.
WRAPPERS: dict[str, Callable[[], rnnkit.cells.BaseCell]] = {
    "ZoneoutCell": lambda: rnnkit.ZoneoutCell(rnnkit.LSTMCell(4), seed=1),
    "RecurrentDropoutCell": lambda: rnnkit.RecurrentDropoutCell(rnnkit.GRUCell(4), 0.5, seed=1),
    "ResidualCell": lambda: rnnkit.ResidualCell(rnnkit.PeepholeLSTMCell(2)),
}

BASELINES: dict[str, type[keras.layers.Layer]] = {
    "keras_lstm": keras.layers.LSTM,
    "keras_gru": keras.layers.GRU,
    "keras_simple_rnn": keras.layers.SimpleRNN,
}

# Each takes (batch, T, 2).
LAYERS: dict[str, Callable[[], keras.layers.Layer]] = {
    "RNN": lambda: rnnkit.RNN(rnnkit.LSTMCell(4), return_sequences=True),
    "BiRNN": lambda: rnnkit.BiRNN(rnnkit.LSTMCell(4), return_sequences=True),
    "CRF": lambda: rnnkit.CRF(2),
}

# Each takes queries (batch, q, 2) and a memory (batch, S, 2).
ATTENTIONS: dict[str, Callable[[], rnnkit.attention.Attention]] = {
    "BahdanauAttention": lambda: rnnkit.BahdanauAttention(4),
    "LuongDotAttention": lambda: rnnkit.LuongDotAttention(),
    "LuongGeneralAttention": lambda: rnnkit.LuongGeneralAttention(),
}

# Public classes that are neither: checked by tests of their own.
OTHERS: dict[str, type] = {
    "AttentionCell": rnnkit.AttentionCell,  # needs a memory
    "Cell": rnnkit.Cell,  # the contract itself
    "EncoderDecoder": rnnkit.EncoderDecoder,  # needs two sequences
    "LinearCell": rnnkit.LinearCell,
    "OneStateCell": rnnkit.OneStateCell,
    "PerGate": rnnkit.PerGate,
    "WindowedRNN": rnnkit.WindowedRNN,  # of a fixed batch size, with a flag beside its input
    "CRFDecoder": rnnkit.CRFDecoder,  # these four read what a CRF puts out
    "CRFMarginals": rnnkit.CRFMarginals,
    "CRFLoss": rnnkit.CRFLoss,
    "CRFAccuracy": rnnkit.CRFAccuracy,
}


@dataclass(frozen=True)
class TaskSample:
    """Data and settings with which a task trains in seconds."""

    write: Callable[[Path], Path] | None  # writes a source into a folder and returns what `--data`
    # gets; None for a task that draws its own
    settings: dict[str, Any]


def _write_rolls(folder: Path) -> Path:
    """Three-part chords that move by steps, as a piano-roll data set with its own parts."""

    def piece(start: int) -> list[list[int]]:
        return [[start + t % 5, start + 4 + t % 5, start + 7 + t % 3] for t in range(12)]

    source = folder / "rolls.json"
    parts = {"train": range(48, 64), "valid": range(64, 68), "test": range(68, 72)}
    source.write_text(json.dumps({part: [piece(k) for k in ks] for part, ks in parts.items()}))
    return source


def _write_text(folder: Path) -> Path:
    """Sums in words, a line each."""
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    source = folder / "sums.txt"
    lines = (
        f"{a} and {b} is {words[i + j]}\n"
        for i, a in enumerate(words)
        for j, b in enumerate(words[: 9 - i])
    )
    source.write_text("".join(lines))
    return source


def _write_reviews(folder: Path) -> Path:
    """Texts of four words, one of which tells the label."""
    nouns = ["film", "room", "soup", "book", "tune", "road", "shop", "game", "song", "walk"]
    words = {"good": ["lovely", "warm", "bright", "kind"], "bad": ["awful", "cold", "dull", "rude"]}
    source = folder / "reviews.csv"
    rows = [f'"the {n} was {w}",{label}\n' for label in words for w in words[label] for n in nouns]
    source.write_text("text,label\n" + "".join(rows))
    return source


def _write_fasta(folder: Path) -> Path:
    """Two classes of sequences, with a motif and without, a FASTA file each."""
    source = folder / "sequences"
    source.mkdir()
    for label, motif in (("tata", "TATAAT"), ("other", "GCGCGC")):
        entries = [
            f">{label}-{k}\n{'ACGT'[k % 4] * 4}{motif}{'ACGT'[k // 4] * (4 + k % 2)}\n"
            for k in range(16)
        ]
        (source / f"{label}.fa").write_text("".join(entries))
    return source


def _write_gestures(folder: Path) -> Path:
    """Points that go right or left, a frame a row."""
    source = folder / "gestures.csv"
    rows = [
        f"{label}{clip},{0.1 * clip + way * t},{clip % 3},{label}\n"
        for label, way in (("right", 1), ("left", -1))
        for clip in range(16)
        for t in range(5 + clip % 2)
    ]
    source.write_text("clip,x,y,label\n" + "".join(rows))
    return source


def _write_entities(folder: Path) -> Path:
    """People and places of which each sentence names one or two."""
    people = ["Ada", "Tom", "Eva", "Zoe", "Max", "Kim", "Leo", "Ida"]
    places = ["Paris", "Rome", "Oslo", "Lima", "Cairo", "Delhi"]
    source = folder / "entities.conll"
    lines = (
        f"{name}\tB-PER\nKeller\tI-PER\nwent\tO\nto\tO\n{place}\tB-LOC\ntoday\tO\n.\tO\n\n"
        for name in people
        for place in places
    )
    source.write_text("".join(lines))
    return source


def _write_pairs(folder: Path) -> Path:
    """Sentences whose words have one translation each."""
    words = {"a": "un", "green": "vert", "red": "rouge", "bird": "oiseau", "tree": "arbre"}
    source = folder / "pairs.tsv"
    sentences = [f"{x} {y} {z}" for x in words for y in words for z in words]
    lines = (f"{text}\t{' '.join(map(words.get, text.split()))}\n" for text in sentences)
    source.write_text("".join(lines))
    return source


_DRAWN = {"units": 4, "epochs": 1, "train_size": 16, "valid_size": 4, "test_size": 4}

TASKS: dict[str, TaskSample] = {
    "music": TaskSample(write=_write_rolls, settings={"units": 8, "epochs": 1}),
    "sentiment": TaskSample(
        write=_write_reviews, settings={"units": 4, "embedding": 4, "epochs": 1}
    ),
    "ner": TaskSample(
        write=_write_entities,
        settings={
            **{"units": 4, "embedding": 4, "epochs": 1},
            **{"character_units": 2, "character_embedding": 3},
        },
    ),
    "dna": TaskSample(
        write=_write_fasta, settings={"units": 4, "filters": 4, "filter_width": 5, "epochs": 1}
    ),
    "video": TaskSample(write=_write_gestures, settings={"units": 4, "epochs": 1}),
    "translation": TaskSample(
        write=_write_pairs,
        settings={"units": 4, "embedding": 4, "vocabulary": 40, "beam": 2, "epochs": 1},
    ),
    "adding": TaskSample(write=None, settings={"length": 8, **_DRAWN}),
    "copy": TaskSample(write=None, settings={"length": 3, "cell": "min_gru", **_DRAWN}),
    "charlm": TaskSample(
        write=_write_text,
        settings={"units": 4, "embedding": 4, "window": 16, "batch_size": 4, "epochs": 1},
    ),
}
