"""Models without recurrence: a weight matrix of letters a position, and counts of k-mers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.dna.alphabets import ALPHABETS, Alphabet
from pipelines.dna.sequences import BioSequence

CONTEXT = 15  # letters around one whose label is asked
KMER = {"dna": 4, "rna": 4, "protein": 2}

Arrays = dict[str, np.ndarray]


def fit(records: Sequence[BioSequence], alphabet: str, labels: Sequence[str]) -> Arrays:
    """Frequencies of the training part, one count added to each.

    `pwm`, the position weight matrix (labels, positions, letters), only where all sequences have
    one length, or where letters have labels (of the 15 letters around); `kmers` (labels, k-mers)
    for labels of sequences; `prior` (labels,). All are logarithms.

    Reference: G. Stormo, T. Schneider, L. Gold and A. Ehrenfeucht, Use of the 'Perceptron'
    algorithm to distinguish translational initiation sites in E. coli, Nucleic Acids Research 10,
    1982, for the weight matrix.
    """
    kind = ALPHABETS[alphabet]
    number = {label: k for k, label in enumerate(labels)}
    if records[0].labels is not None:
        counts = np.ones((len(labels), CONTEXT, len(kind.letters)))
        totals = np.ones(len(labels))
        for record in records:
            truth = np.array([number[label] for label in record.labels or ()])
            around = _contexts(_vectors(record, kind))
            for k in range(len(labels)):
                counts[k] += around[truth == k].sum(0)
            totals += np.bincount(truth, minlength=len(labels))
        return {"pwm": _log_shares(counts), "prior": _log_shares(totals)}
    truth = np.array([number[str(record.label)] for record in records])
    mers = np.ones((len(labels), len(kind.letters) ** KMER[alphabet]))
    for record, k in zip(records, truth, strict=True):
        mers[k] += _kmer_counts(record, kind)
    fitted = {
        "kmers": _log_shares(mers),
        "prior": _log_shares(np.bincount(truth, minlength=len(labels)) + 1.0),
    }
    length = len(records[0].letters)
    if all(len(record.letters) == length for record in records):
        counts = np.ones((len(labels), length, len(kind.letters)))
        for record, k in zip(records, truth, strict=True):
            counts[k] += _vectors(record, kind)
        fitted["pwm"] = _log_shares(counts)
    return fitted


def answers(
    fitted: Arrays, records: Sequence[BioSequence], alphabet: str
) -> dict[str, list[np.ndarray]]:
    """What each of them answers: probabilities (labels,) a sequence, or (T, labels).

        log p(label | x) = log p(label) + sum over positions of log p(letter | position, label)

    and for k-mers the sum over the k-mers of a sequence, wherever they stand.
    """
    kind = ALPHABETS[alphabet]
    found: dict[str, list[np.ndarray]] = {}
    if "pwm" in fitted:
        pwm = fitted["pwm"]
        found["pwm"] = []
        for record in records:
            vectors = _vectors(record, kind)
            if record.labels is not None:
                logs = np.einsum("tpl,kpl->tk", _contexts(vectors), pwm)
            else:
                common = min(len(vectors), pwm.shape[1])
                logs = np.einsum("pl,kpl->k", vectors[:common], pwm[:, :common])
            found["pwm"].append(_softmax(logs + fitted["prior"]))
    if "kmers" in fitted:
        found["kmers"] = [
            _softmax(fitted["kmers"] @ _kmer_counts(record, kind) + fitted["prior"])
            for record in records
        ]
    return found


def _vectors(record: BioSequence, kind: Alphabet) -> np.ndarray:
    return kind.vectors()[kind.codes[np.frombuffer(record.letters.encode(), np.uint8)]]


def _contexts(vectors: np.ndarray) -> np.ndarray:
    """(T, 15, letters): what stands around each letter; zeros beyond the ends."""
    padded = np.pad(vectors, ((CONTEXT // 2, CONTEXT // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT, axis=0)
    return windows.swapaxes(1, 2)


def _kmer_counts(record: BioSequence, kind: Alphabet) -> np.ndarray:
    """(k-mers,); those with an ambiguous letter are not counted."""
    length, k = len(kind.letters), KMER[kind.name]
    codes = kind.codes[np.frombuffer(record.letters.encode(), np.uint8)].astype(np.intp) - 1
    if len(codes) < k:
        return np.zeros(length**k, np.intp)
    windows = np.lib.stride_tricks.sliding_window_view(codes, k)
    windows = windows[(windows < length).all(1)]
    return np.bincount(windows @ length ** np.arange(k)[::-1], minlength=length**k)


def _log_shares(counts: np.ndarray) -> np.ndarray:
    return np.log(counts / counts.sum(-1, keepdims=True))


def _softmax(logs: np.ndarray) -> np.ndarray:
    weights = np.exp(logs - logs.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)
