"""The music task: from piano rolls to a model that scores, continues and harmonises music."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.music import generating, render, scores, serving
from pipelines.music.model import MusicModel
from pipelines.music.pieces import KEYS, LOWEST, Piece
from pipelines.music.reading import read_music
from pipelines.music.settings import MusicSettings
from pipelines.task import (
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
            bptt_steps=settings.bptt_steps,
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

        @tf.function(input_signature=[tf.TensorSpec((1, None, KEYS), tf.uint8)], autograph=False)
        def listen(roll):
            surprise = scores.nats(scores.targets(roll, model.strikes), model(roll))[0, 1:, 0]
            context = model.context(tf.pad(roll, ((0, 0), (0, 1), (0, 0))))[:, -1]
            half = tf.fill((1, KEYS), 0.5)
            return surprise, model.head.decide(context, half, tf.ones((1, 1)))[0]

        answers = []
        for piece in records:
            surprise, following = (tensor.numpy() for tensor in listen(piece.roll[None]))
            answers.append(
                {
                    "name": piece.name,
                    "steps": len(piece.roll),
                    "nll": float(surprise.mean()) if len(surprise) else None,
                    "surprise": [round(float(nats), 4) for nats in surprise],
                    "next": (np.flatnonzero(following) + LOWEST).tolist(),
                }
            )
        return answers

    def generate(self, model: keras.Model, request: GenerateRequest) -> list[Piece]:
        """New pieces. `length` counts steps, the primer included; without it a piece is as long
        as the median one of the training part, or as its melody. `primer` and `melody` are files
        of any kind that `train` reads; of several pieces the first counts. The melody's top voice
        is kept, and the other voices are written under it."""
        primer = self._first_piece(request.primer) if request.primer else None
        melody = self._first_piece(request.melody) if request.melody else None
        return generating.generate(model, self.learnt, request, primer, melody)

    def _first_piece(self, path: str) -> Piece:
        grid = self.learnt["steps_per_beat"] or render.UNKNOWN_STEPS_PER_BEAT  # as `write` has it
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

    def served(self, model: keras.Model) -> Served:
        return serving.served(model)

    def requests(self, records: Sequence[Piece]) -> dict[str, dict[str, np.ndarray]]:
        return serving.requests(records)
