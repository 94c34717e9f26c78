"""New pieces on request: what is kept of a primer and a melody, and the checks before the work."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from pipelines.errors import UserError
from pipelines.music.composing import FREE, compose
from pipelines.music.model import MusicModel
from pipelines.music.pieces import HELD, KEYS, LOWEST, OFF, STRUCK, Piece
from pipelines.task import GenerateRequest

LARGEST_SEED = 2**31 - 1  # of int32, which every backend and server has
MOST_STEPS = 100_000  # of a piece: an hour and more; its WAV is still a file one can open
MOST_PIECES = 1_000  # at a time
SLOWEST, FASTEST = 10, 1000  # quarter notes a minute; beyond them a WAV is hours or a click


def generate(
    model: MusicModel,
    learnt: dict[str, Any],
    request: GenerateRequest,
    primer: Piece | None,
    melody: Piece | None,
) -> list[Piece]:
    """`request.count` pieces.

    Raises:
        UserError: the request cannot be met.
    """
    steps = _steps(learnt, request, primer, melody)
    given = np.full((steps, KEYS), FREE, np.uint8)
    if melody:
        voice = keep_top_voice(as_the_model_reads(melody, model.strikes))[:steps]
        given[: len(voice)] = voice
    if primer:
        given[: len(primer.roll)] = as_the_model_reads(primer, model.strikes)
    count = request.count
    rolls = tf.function(compose, autograph=False)(
        model,
        tf.constant(np.repeat(given[None], count, axis=0)),
        tf.fill((count,), steps),
        tf.range(request.seed, request.seed + count),
        tf.fill((count,), float(request.temperature)),
    ).numpy()
    tempo = request.tempo or next((p.tempo for p in (melody, primer) if p), learnt["tempo"])
    return [
        Piece(
            name=f"seed {request.seed + k}",
            roll=roll,
            steps_per_beat=learnt["steps_per_beat"],
            tempo=tempo,
            has_strikes=model.strikes,
        )
        for k, roll in enumerate(rolls)
    ]


def _steps(
    learnt: dict[str, Any], request: GenerateRequest, primer: Piece | None, melody: Piece | None
) -> int:
    """The length of the new pieces, once the request is known to make sense."""
    if not request.temperature > 0:  # so that NaN is refused too
        raise UserError(f"--temperature must be above 0. Received: {request.temperature}.")
    if request.tempo is not None and not SLOWEST <= request.tempo <= FASTEST:
        raise UserError(
            f"--tempo must be from {SLOWEST} to {FASTEST} quarter notes a minute. "
            f"Received: {request.tempo}."
        )
    if not 1 <= request.count <= MOST_PIECES:
        raise UserError(
            f"--count must be at least 1 and at most {MOST_PIECES}. Received: {request.count}."
        )
    if not 0 <= request.seed <= LARGEST_SEED - request.count:
        raise UserError(f"--seed must be from 0 to {LARGEST_SEED}. Received: {request.seed}.")
    usual = len(melody.roll) if melody else learnt["steps"]
    steps = usual if request.length is None else request.length
    if not 1 <= steps <= MOST_STEPS:
        raise UserError(f"--length must be at least 1 and at most {MOST_STEPS}. Received: {steps}.")
    for name, piece in ((request.primer, primer), (request.melody, melody)):
        if piece and piece.outside:
            raise UserError(
                f"{name}: expected notes on the {KEYS} keys of a piano, MIDI pitch {LOWEST} to "
                f"{LOWEST + KEYS - 1}. Received: {piece.outside} outside. Transpose it."
            )
    if primer and len(primer.roll) > steps:
        raise UserError(
            f"{request.primer}: the primer has {len(primer.roll)} steps, more than the length "
            f"{steps}. Use --length {2 * len(primer.roll)} or a shorter primer."
        )
    return steps


def as_the_model_reads(piece: Piece, strikes: bool) -> np.ndarray:
    """The roll of a piece, with strikes or without, whatever the piece came from."""
    if not strikes:
        return np.minimum(piece.roll, HELD)
    if piece.has_strikes:
        return piece.roll
    before = np.pad(piece.roll, ((1, 0), (0, 0)))[:-1]
    return np.where((piece.roll > OFF) & (before == OFF), STRUCK, piece.roll).astype(np.uint8)


def keep_top_voice(roll: np.ndarray) -> np.ndarray:
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
