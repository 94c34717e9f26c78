"""New texts on request, and the checks before the work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines.charlm.model import UNKNOWN, CharacterModel
from pipelines.charlm.sampling import continue_texts
from pipelines.charlm.texts import Text, to_ids
from pipelines.errors import UserError
from pipelines.task import GenerateRequest
from pipelines.text.files import read_text

USUAL = 500  # new characters where no length is asked for
MOST_CHARACTERS = 1_000_000
MOST_TEXTS = 1_000
LARGEST_SEED = 2**31 - 1  # of int32, which every backend and server has
NAMED = 5  # characters in a message


def generate(
    model: CharacterModel, vocabulary: Sequence[str], request: GenerateRequest
) -> list[Text]:
    """`request.count` texts of `request.length` characters, the primer included.

    Raises:
        UserError: the request cannot be met.
    """
    primer = _primer(request.primer)
    steps = _steps(request, primer)
    ids = to_ids(primer, vocabulary)
    if unseen := sorted({c for c, known in zip(primer, ids != UNKNOWN, strict=True) if not known}):
        named = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in unseen[:NAMED])
        raise UserError(
            f"--primer: expected characters of the run's training text. Received: {named}"
            f"{', ...' if len(unseen) > NAMED else ''}. Leave them out, or train on a text that "
            "has them."
        )
    count = request.count
    drawn = continue_texts(
        model,
        tf.constant(np.tile(ids, (count, 1)), tf.int32),
        tf.fill((count,), len(ids)),
        tf.constant(steps),
        tf.range(request.seed, request.seed + count),
        tf.fill((count,), float(request.temperature)),
    ).numpy()
    letters = np.array(["", *vocabulary])
    return [
        Text(f"seed {request.seed + k}", primer + "".join(letters[row[len(ids) :]]))
        for k, row in enumerate(drawn)
    ]


def write(texts: Sequence[Text], out: str) -> list[str]:
    """A `.txt` a text, numbered when there are several; returns the paths."""
    target = Path(out) if Path(out).suffix else Path(f"{out}.txt")
    target.parent.mkdir(parents=True, exist_ok=True)
    paths = []
    for k, text in enumerate(texts, start=1):
        numbered = target.with_name(f"{target.stem}-{k}{target.suffix}")
        path = numbered if len(texts) > 1 else target
        path.write_text(text.characters, "utf-8", newline="")
        paths.append(str(path))
    return paths


def _primer(primer: str | None) -> str:
    """The text itself, or what stands in the file of that name."""
    if primer is None:
        return ""
    try:
        is_file = Path(primer).is_file()
    except (OSError, ValueError):  # too long for a name, or with a zero byte: a text
        is_file = False
    return read_text(primer) if is_file else primer


def _steps(request: GenerateRequest, primer: str) -> int:
    """Characters of a text, once the request is known to make sense."""
    for name in ("tempo", "melody"):
        if getattr(request, name) is not None:
            raise UserError(f"--{name} is for music; a text has none. Leave it out.")
    if not 0 <= request.temperature < math.inf:  # so that NaN is refused too
        raise UserError(
            "--temperature must be 0 (always the likeliest) or more. "
            f"Received: {request.temperature}."
        )
    if not 1 <= request.count <= MOST_TEXTS:
        raise UserError(
            f"--count must be at least 1 and at most {MOST_TEXTS}. Received: {request.count}."
        )
    if not 0 <= request.seed <= LARGEST_SEED - request.count:
        raise UserError(f"--seed must be from 0 to {LARGEST_SEED}. Received: {request.seed}.")
    steps = len(primer) + USUAL if request.length is None else request.length
    if not 1 <= steps <= MOST_CHARACTERS:
        raise UserError(
            f"--length must be at least 1 and at most {MOST_CHARACTERS}. Received: {steps}."
        )
    if steps < len(primer):
        raise UserError(
            f"--length counts the primer too, which has {len(primer)} characters. Received: "
            f"{steps}. Use --length {len(primer) + USUAL} or a shorter primer."
        )
    return steps
