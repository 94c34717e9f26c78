"""What the model says: probabilities of sequences, batch by batch, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf

from pipelines.dna.encoding import codes_of_bytes
from pipelines.dna.model import DNAModel

ROWS = 256  # sequences scored at once
LETTERS = 1 << 20  # scored at once, padding included, which bounds the memory

Scorer = Callable[[np.ndarray], np.ndarray]


def scorer(model: DNAModel) -> Scorer:
    """A function from bytes (rows, T) uint8, 0 where padding is, to probabilities (rows, labels),
    or (rows, T, labels) for labels of letters."""

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.uint8)], autograph=False)
    def score(letters: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(model(codes_of_bytes(letters, model.alphabet), training=False))

    return lambda letters: score(tf.constant(letters, tf.uint8)).numpy()


def bytes_of(sequences: Iterable[str]) -> np.ndarray:
    """(rows, T) uint8: the letters, padded to the longest."""
    rows = [
        np.frombuffer(sequence.encode("latin-1", "replace"), np.uint8) for sequence in sequences
    ]
    padded = np.zeros((len(rows), max(map(len, rows))), np.uint8)
    for row, letters in zip(padded, rows, strict=True):
        row[: len(letters)] = letters
    return padded


def score_all(score: Scorer, sequences: Iterable[str]) -> Iterator[np.ndarray]:
    """The probabilities of each sequence: (labels,), or (T, labels) of its own letters."""
    for batch in _batches(sequences):
        for sequence, answer in zip(batch, score(bytes_of(batch)), strict=True):
            yield answer[: len(sequence)] if answer.ndim == 2 else answer


def _batches(sequences: Iterable[str]) -> Iterator[list[str]]:
    """So many sequences that neither their number nor their letters, once padded, are too many."""
    batch: list[str] = []
    longest = 0
    for sequence in sequences:
        longest = max(longest, len(sequence))
        if batch and (len(batch) == ROWS or (len(batch) + 1) * longest > LETTERS):
            yield batch
            batch, longest = [], len(sequence)
        batch.append(sequence)
    if batch:
        yield batch
