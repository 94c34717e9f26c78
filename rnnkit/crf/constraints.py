"""Which tag may follow which, for the tagging schemes of chunks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_PREFIXES = {"IOB1": "BI", "IOB2": "BI", "IOBES": "BIES"}


def crf_constraints(labels: Sequence[str], scheme: str = "IOB2") -> np.ndarray:
    """The transitions that a tagging scheme allows, for `CRF(constraints=...)`.

        IOB2     B-X begins a chunk, I-X goes on; every chunk begins with B-X
        IOBES    B-X begins, I-X goes on, E-X ends a chunk; S-X is a chunk of one
        IOB1     I-X is inside; B-X begins only a chunk right behind one of the same type

    Args:
        labels: the tags in their order, as `["O", "B-PER", "I-PER"]`.
        scheme: "IOB2" (default), "IOBES" or "IOB1".

    Returns:
        bool (K + 1, K + 1): [i, j] whether tag j may follow tag i; the last row says which tags may
        come first, the last column which may come last.

    Raises:
        ValueError: a scheme that is not known, or a label that is not of it.

    Example:

    >>> allowed = rnnkit.crf_constraints(["O", "B-PER", "I-PER"])
    >>> bool(allowed[1, 2]), bool(allowed[0, 2])                # I-PER after B-PER, after O
    (True, False)

    Reference: L. Ramshaw and M. Marcus, Text Chunking using Transformation-Based Learning, 1995;
    E. Tjong Kim Sang and J. Veenstra, Representing Text Chunks, EACL 1999.
    """
    if scheme not in _PREFIXES:
        raise ValueError(
            f"scheme must be one of {', '.join(_PREFIXES)}. Received: scheme={scheme!r}."
        )
    tags = [_split(label, scheme) for label in labels] + [("O", "")]  # the border is as an O
    return np.array([[_may_follow(a, b, scheme) for b in tags] for a in tags])


def _split(label: str, scheme: str) -> tuple[str, str]:
    prefix, dash, kind = str(label).partition("-")
    if label == "O" or (dash and kind and prefix in tuple(_PREFIXES[scheme])):
        return prefix, kind
    raise ValueError(
        f"Labels of {scheme} are O and {', '.join(f'{p}-TYPE' for p in _PREFIXES[scheme])}. "
        f"Received: {label!r}. Leave the constraints away for labels without a scheme."
    )


def _may_follow(before: tuple[str, str], after: tuple[str, str], scheme: str) -> bool:
    same = before[0] != "O" and before[1] == after[1]
    if scheme == "IOB1":
        return after[0] != "B" or same
    inside = after[0] in "IE"
    if scheme == "IOB2":
        return same or not inside
    is_open = before[0] in "BI"
    return same and inside if is_open else not inside
