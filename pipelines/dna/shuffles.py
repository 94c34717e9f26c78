"""Shuffled copies that keep how often each letter follows each other one."""

from __future__ import annotations

import itertools

import numpy as np


def dinucleotide_shuffle(sequence: str, random: np.random.Generator) -> str:
    """A random sequence with the same count of every pair of neighbours, and the same ends.

    A sequence is a walk over the edges letter -> next letter, and every Eulerian walk over the same
    edges from the same start has the same pairs. One is drawn evenly: a random tree of last edges
    into the final letter, by loop-erased walks, then a random order of all other edges.

    >>> dinucleotide_shuffle("ACACAGA", np.random.default_rng(1))
    'AGACACA'

    Args:
        sequence: str.
        random: where draws come from.

    Reference: S. Altschul and B. Erickson, Significance of nucleotide sequence alignments: a method
    for random sequence permutation that preserves dinucleotide and codon usage, Molecular Biology
    and Evolution 2, 1985; D. Wilson, Generating random spanning trees more quickly than the cover
    time, STOC 1996, for the walks.
    """
    if len(sequence) < 3:
        return sequence
    following: dict[str, list[str]] = {}
    for letter, after in itertools.pairwise(sequence):
        following.setdefault(letter, []).append(after)
    final = sequence[-1]
    last_edge: dict[str, str] = {}
    in_tree = {final}
    for start in following:
        letter = start
        while letter not in in_tree:  # the last exit counts, which erases loops
            edges = following[letter]
            last_edge[letter] = edges[int(random.integers(len(edges)))]
            letter = last_edge[letter]
        letter = start
        while letter not in in_tree:
            in_tree.add(letter)
            letter = last_edge[letter]
    order: dict[str, list[str]] = {}
    for letter, edges in following.items():
        rest = list(edges)
        kept = [] if letter == final else [last_edge[letter]]
        for edge in kept:
            rest.remove(edge)
        order[letter] = [*kept, *(rest[int(k)] for k in random.permutation(len(rest)))]
    walk = [sequence[0]]
    while order.get(walk[-1]):
        walk.append(order[walk[-1]].pop())  # the kept edge is the last to go
    return "".join(walk)
