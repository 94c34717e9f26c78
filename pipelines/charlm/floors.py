"""What counting reaches: the odds of a character by itself, and after the four before it."""

from __future__ import annotations

import numpy as np

ORDER = 5
"""Of the longest n-gram: longer ones are too rare in a text of a million characters to be worth
their memory."""

Table = tuple[np.ndarray, np.ndarray]  # sorted n-grams as codes, and how often each occurs


def fit(ids: np.ndarray, symbols: int) -> dict[str, np.ndarray]:
    """Counts every n-gram of the training part up to `ORDER`; both floors are made of them.

    An n-gram has a code: the rank of its first n - 1 characters among their like, times `symbols`,
    plus its last character. So codes stay small however many symbols there are.

    Args:
        ids: (N,) of the text.
        symbols: int, ids that are possible.
    """
    fitted = {"symbols": np.array(symbols)}
    contexts = np.zeros(len(ids), np.int64)  # rank of the n - 1 characters before each
    for order in range(1, min(ORDER, len(ids)) + 1):
        codes, ranks, counts = np.unique(
            contexts * symbols + ids[order - 1 :], return_inverse=True, return_counts=True
        )
        fitted[f"codes_{order}"], fitted[f"counts_{order}"] = codes, counts
        contexts = ranks[:-1]
    return fitted


def nats(fitted: dict[str, np.ndarray], ids: np.ndarray) -> dict[str, np.ndarray]:
    """-ln P of every character of a text, by `unigram` and by `5-gram`.

        P_n(c | h) = (N(h c) + D(h) P_{n-1}(c | h')) / (N(h) + D(h))        P_0 = 1 / symbols

    N counts in the training part, D(h) is how many different characters follow h there, and h' is
    h without its first character: the more kinds have followed h, the likelier a new one does.

    Reference: I. Witten and T. Bell, The Zero-Frequency Problem, IEEE Transactions on Information
    Theory 37, 1991, method C.
    """
    symbols, found = int(fitted["symbols"]), {}
    chance = np.full(len(ids), 1 / symbols)
    histories = np.arange(len(ids))
    for order in range(1, ORDER + 1):
        if f"codes_{order}" not in fitted:  # the training part is shorter
            break
        reached = histories >= order - 1  # so many characters stand before
        contexts = _ranks(fitted, ids, order - 1)
        codes, counts = fitted[f"codes_{order}"], fitted[f"counts_{order}"]
        parents = codes // symbols
        total = np.bincount(parents, counts, minlength=1)
        kinds = np.bincount(parents, minlength=1)
        seen = reached & (contexts >= 0) & (contexts < len(total))
        place = np.where(seen, contexts, 0)
        hits = np.where(seen, _lookup(codes, counts, place * symbols + ids), 0)
        n, d = np.where(seen, total[place], 0), np.where(seen, kinds[place], 0)
        chance = np.where(n > 0, (hits + d * chance) / np.maximum(n + d, 1), chance)
        if order == 1:
            found["unigram"] = -np.log(chance)
    return {**found, f"{ORDER}-gram": -np.log(chance)}


def _ranks(fitted: dict[str, np.ndarray], ids: np.ndarray, length: int) -> np.ndarray:
    """The rank of the `length` characters before each one; -1 where they were never seen."""
    symbols, ranks = int(fitted["symbols"]), np.zeros(len(ids), np.int64)
    for order in range(1, length + 1):
        codes = fitted[f"codes_{order}"]
        character = np.roll(ids, length + 1 - order)  # wrong at the start, where nothing is asked
        wanted = ranks * symbols + character
        place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
        ranks = np.where((ranks >= 0) & (codes[place] == wanted), place, -1)
    return ranks


def _lookup(codes: np.ndarray, counts: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    return np.where(codes[place] == wanted, counts[place], 0)
