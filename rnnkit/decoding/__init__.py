"""Sequences from a model that says what comes next: greedy, by chance, and by beam search."""

from rnnkit.decoding.sampling import greedy, sample

__all__ = ["greedy", "sample"]
