"""The music task: from piano rolls to a model that scores, continues and harmonises music."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.errors import UserError
from pipelines.music import render, scores
from pipelines.music.composing import FREE, compose, given_primer, next_frame
from pipelines.music.model import MusicModel
from pipelines.music.pieces import KEYS, LOWEST, Piece
from pipelines.music.reading import read_music
from pipelines.music.settings import MusicSettings
from pipelines.task import (
    Endpoint,
    GenerateRequest,
    Generative,
    Reading,
    Served,
    Task,
    Tensors,
)


class MusicTask(Task[Piece, MusicSettings], Generative[Piece]):
    """Many-to-many: at every step of a piece, the keys that sound next.

    A record is a `Piece`; the model reads its roll (T, 88) of 0 off, 1 held, 2 struck.
    """

    name = "music"
    Settings = MusicSettings
    metrics = ("nll", "onset_nll", "frame_accuracy")
    selection = "val_nll"

    # --- data -----------------------------------------------------------------------------------

    def read(self, source: str | None) -> Reading[Piece]:
        return read_music(
            source, steps_per_beat=self.settings.steps_per_beat, tracks=self.settings.tracks
        )

    def learn(self, records: Sequence[Piece]) -> dict[str, Any]:
        most = max(int((piece.roll > 0).sum(1).max(initial=0)) for piece in records)
        self.learnt = {
            "strikes": any(piece.has_strikes for piece in records),
            "notes": max(most, 1),
            "steps": int(np.median([len(piece.roll) for piece in records])),
            "steps_per_beat": records[0].steps_per_beat,
            "tempo": float(np.median([piece.tempo for piece in records])),
        }
        return self.learnt

    def describe(self, records: Sequence[Piece]) -> dict[str, str]:
        lengths = [len(piece.roll) for piece in records]
        sounding = np.concatenate([piece.roll > 0 for piece in records])
        used = np.flatnonzero(sounding.any(0))
        return {
            "pieces": str(len(records)),
            "steps": str(sum(lengths)),
            "steps a piece": f"{min(lengths)} to {max(lengths)}",
            "keys a step": f"{sounding.sum(1).mean():.2f} (at most {sounding.sum(1).max()})",
            "silent steps": f"{100 * (~sounding.any(1)).mean():.1f} %",
            "MIDI keys": f"{used[0] + LOWEST} to {used[-1] + LOWEST}" if len(used) else "none",
            "strikes": "known"
            if any(piece.has_strikes for piece in records)
            else "not in the data",
        }

    # --- tensors --------------------------------------------------------------------------------

    @property
    def element_spec(self) -> dict[str, tf.TensorSpec]:
        return {"roll": tf.TensorSpec((None, KEYS), tf.uint8)}

    def element(self, record: Piece) -> dict[str, np.ndarray]:
        return {"roll": record.roll}

    def length(self, element: Tensors) -> tf.Tensor:
        return tf.shape(element["roll"])[0]

    def augment(self, element: Tensors, seed: tf.Tensor) -> Tensors:
        """Shifts the piece by up to `transpose` semitones, as far as it fits the keyboard."""
        roll = element["roll"]
        used = tf.where(tf.reduce_any(roll > 0, axis=0))[:, 0]
        most = self.settings.transpose
        silent = tf.size(used) == 0
        down = tf.where(silent, 0, tf.minimum(most, tf.cast(tf.reduce_min(used), tf.int32)))
        up = tf.where(
            silent, 0, tf.minimum(most, KEYS - 1 - tf.cast(tf.reduce_max(used), tf.int32))
        )
        shift = tf.random.stateless_uniform((), seed, -down, up + 1, tf.int32)
        return {"roll": tf.roll(roll, shift, axis=1)}

    def example(self, batch: Tensors, lengths: tf.Tensor) -> tuple[Any, Any, Any]:
        roll = batch["roll"]
        weight = tf.sequence_mask(lengths, tf.shape(roll)[1], dtype=tf.float32)
        return roll, scores.targets(roll, self.learnt["strikes"]), weight

    # --- model ----------------------------------------------------------------------------------

    def model(self) -> keras.Model:
        settings = self.settings
        model = MusicModel(
            cell=settings.cell,
            units=settings.units,
            layers=settings.layers,
            dropout=settings.dropout,
            head=settings.head,
            head_units=settings.head_units,
            notes=self.learnt["notes"],
            strikes=self.learnt["strikes"],
        )
        model.build((None, None, KEYS))
        return model

    def compile_arguments(self) -> dict[str, Any]:
        metrics = [scores.FrameNats(0, name="nll")]
        if self.learnt["strikes"]:
            metrics.append(scores.FrameNats(1, name="onset_nll"))
        return {"loss": scores.FrameLoss(), "weighted_metrics": metrics}

    # --- scores ---------------------------------------------------------------------------------

    def scores(self, model: keras.Model, batches: tf.data.Dataset) -> dict[str, float]:
        return scores.frame_scores(model, batches)

    def fit_floors(self, records: Sequence[Piece]) -> dict[str, np.ndarray]:
        return scores.fit_floors(records)

    def floors(
        self, fitted: dict[str, np.ndarray], records: Sequence[Piece]
    ) -> dict[str, dict[str, float]]:
        return scores.floors(fitted, records)

    # --- use ------------------------------------------------------------------------------------

    def predict(self, model: keras.Model, records: Sequence[Piece]) -> list[dict[str, Any]]:
        """How surprising each step of each piece is, and the likeliest next step."""
        return [self._predict_one(model, piece) for piece in records]

    def _predict_one(self, model: keras.Model, piece: Piece) -> dict[str, Any]:
        roll = piece.roll[None]
        wanted = scores.targets(tf.constant(roll), model.strikes)
        surprise = keras.ops.convert_to_numpy(scores.nats(wanted, model(roll)))[0, 1:, 0]
        padded = np.concatenate([roll, np.zeros_like(roll[:, :1])], axis=1)
        half = np.full((1, KEYS), 0.5, np.float32)
        decided = model.head.decide(model.context(padded)[:, -1], half, np.ones((1, 1), np.float32))
        return {
            "name": piece.name,
            "steps": len(piece.roll),
            "nll": float(surprise.mean()) if len(surprise) else None,
            "surprise": [round(float(nats), 4) for nats in surprise],
            "next": (np.flatnonzero(keras.ops.convert_to_numpy(decided)[0]) + LOWEST).tolist(),
        }

    def generate(self, model: keras.Model, request: GenerateRequest) -> list[Piece]:
        """New pieces. `length` counts steps, the primer included; without it a piece is as long
        as the median one of the training part, or as its melody. `primer` and `melody` are files
        of any kind that `train` reads; of several pieces the first counts. The melody's top voice
        is kept, and the other voices are written under it."""
        if not request.temperature > 0:  # so that NaN is refused too
            raise UserError(f"--temperature must be above 0. Received: {request.temperature}.")
        if request.tempo is not None and not request.tempo > 0:
            raise UserError(f"--tempo must be above 0. Received: {request.tempo}.")
        if request.count < 1:
            raise UserError(f"--count must be at least 1. Received: {request.count}.")
        melody = self._first_piece(request.melody) if request.melody else None
        primer = self._first_piece(request.primer) if request.primer else None
        longest = len(melody.roll) if melody else self.learnt["steps"]
        steps = longest if request.length is None else request.length
        if steps < 1:
            raise UserError(f"--length must be at least 1. Received: {steps}.")
        if primer and len(primer.roll) > steps:
            raise UserError(
                f"{request.primer}: the primer has {len(primer.roll)} steps, more than the length "
                f"{steps}. Use --length {2 * len(primer.roll)} or a shorter primer."
            )
        given = np.full((steps, KEYS), FREE, np.uint8)
        if melody:
            under = _keep_top_voice(melody.roll)[:steps]
            given[: len(under)] = under
        if primer:
            given[: len(primer.roll)] = primer.roll
        count = request.count
        rolls = tf.function(compose, autograph=False)(
            model,
            tf.constant(np.repeat(given[None], count, axis=0)),
            tf.fill((count,), steps),
            tf.range(request.seed, request.seed + count),
            tf.fill((count,), float(request.temperature)),
        ).numpy()
        tempo = request.tempo or next(
            (p.tempo for p in (melody, primer) if p), self.learnt["tempo"]
        )
        return [
            Piece(
                name=f"seed {request.seed + k}",
                roll=roll,
                steps_per_beat=self.learnt["steps_per_beat"],
                tempo=tempo,
                has_strikes=self.learnt["strikes"],
            )
            for k, roll in enumerate(rolls)
        ]

    def _first_piece(self, path: str) -> Piece:
        grid = self.learnt["steps_per_beat"] or self.settings.steps_per_beat
        reading = read_music(path, steps_per_beat=grid, tracks=self.settings.tracks)
        return next(piece for part in reading.parts.values() for piece in part)

    def write(self, records: Sequence[Piece], out: str) -> list[str]:
        """A `.mid`, a `.wav` and a `.png` a piece."""
        target = Path(out)
        paths: list[Path] = []
        for k, piece in enumerate(records, start=1):
            numbered = target.with_name(f"{target.stem}-{k}{target.suffix}")
            paths += render.write_piece(piece, numbered if len(records) > 1 else target)
        return [str(path) for path in paths]

    # --- export ---------------------------------------------------------------------------------

    def served(self, model: MusicModel) -> Served:
        count = len(model.initial_states(1))
        names = [f"state_{k}" for k in range(count)]
        states = {
            name: tf.TensorSpec((None, *state.shape[1:]), tf.float32, name=name)
            for name, state in zip(names, model.initial_states(1), strict=True)
        }

        def per_row(name: str, dtype: tf.DType) -> tf.TensorSpec:
            return tf.TensorSpec((None,), dtype, name=name)

        def continue_piece(primer, primer_length, length, temperature, seed):
            given = given_primer(primer, primer_length, tf.reduce_max(length))
            return {"roll": compose(model, given, length, seed, temperature)}

        @tf.function(autograph=False)
        def stream(x, seed, step, temperature, **before):
            free = tf.fill(tf.shape(x), tf.constant(FREE, tf.uint8))
            frame, after = next_frame(
                model, x, [before[name] for name in names], free, seed, step, temperature
            )
            return {"y": frame, **dict(zip(names, after, strict=True))}

        def stream_init(seed):
            return dict(zip(names, model.initial_states(tf.shape(seed)[0]), strict=True))

        step_inputs = {
            "x": tf.TensorSpec((None, KEYS), tf.uint8, name="x"),
            "seed": per_row("seed", tf.int32),
            "step": per_row("step", tf.int32),
            "temperature": per_row("temperature", tf.float32),
            **states,
        }
        return Served(
            endpoints={
                "serving_default": Endpoint(
                    continue_piece,
                    {
                        "primer": tf.TensorSpec((None, None, KEYS), tf.uint8, name="primer"),
                        "primer_length": per_row("primer_length", tf.int32),
                        "length": per_row("length", tf.int32),
                        "temperature": per_row("temperature", tf.float32),
                        "seed": per_row("seed", tf.int32),
                    },
                ),
                "stream": Endpoint(stream, step_inputs),
                "stream_init": Endpoint(stream_init, {"seed": per_row("seed", tf.int32)}),
            },
            core=stream,
            core_inputs={
                name: tf.TensorSpec((1, *spec.shape[1:]), spec.dtype, name=name)
                for name, spec in step_inputs.items()
            },
            client=Path(__file__).with_name("client.py").read_text(encoding="utf-8"),
        )

    def requests(self, records: Sequence[Piece]) -> dict[str, dict[str, np.ndarray]]:
        count = min(4, len(records))
        primers = [piece.roll[:16] for piece in records[:count]]
        lengths = np.array([len(primer) for primer in primers], np.int32)
        primer = np.zeros((count, int(lengths.max()), KEYS), np.uint8)
        for row, roll in zip(primer, primers, strict=True):
            row[: len(roll)] = roll
        rows = np.arange(count, dtype=np.int32)
        temperature = np.linspace(0.8, 1.1, count, dtype=np.float32)
        return {
            "serving_default": {
                "primer": primer,
                "primer_length": lengths,
                "length": lengths + 8,
                "temperature": temperature,
                "seed": rows,
            },
            "stream": {
                "x": primer[:, 0],
                "seed": rows,
                "step": lengths,
                "temperature": temperature,
            },
            "stream_init": {"seed": rows},
        }


def _keep_top_voice(roll: np.ndarray) -> np.ndarray:
    """A `given` roll: the highest key of each step as it is, silence above, the rest free. Where
    the melody rests, keys above its last note stay silent too, so that no voice takes its place."""
    given = np.full_like(roll, FREE)
    top = KEYS - 1
    for kept, frame in zip(given, roll, strict=True):
        sounding = np.flatnonzero(frame)
        if len(sounding):
            top = sounding[-1]
            kept[top] = frame[top]
        kept[top + 1 :] = 0
    return given
