"""Sequences from a model that says what comes next: greedy, by chance, and by beam search.

Everything here asks for a step, `(tokens, state) -> (logits, state)`: of an `EncoderDecoder`, of
any cell (`step_of_cell`), or written by you.

    found = greedy_search(step, state, start, end, max_length=100)
    found = sample_search(step, state, start, end, max_length=100, seed=7, temperature=0.8)
    found = beam_search(step, state, start, end, width=5, max_length=100, length_penalty=0.6)
    found.tokens, found.lengths, found.scores

The searches run eagerly, in a `tf.function`, under XLA, on JAX, and in a SavedModel, row by row
with the same result. `sample` and `greedy` choose one token from logits, for loops of your own.
"""

from rnnkit.decoding.beam import beam_search
from rnnkit.decoding.contract import Decoded, step_of_cell
from rnnkit.decoding.sampling import greedy, sample
from rnnkit.decoding.search import greedy_search, sample_search

__all__ = [
    "Decoded",
    "beam_search",
    "greedy",
    "greedy_search",
    "sample",
    "sample_search",
    "step_of_cell",
]
