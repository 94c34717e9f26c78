"""A small batch of chains, and all their sequences written out one by one."""

import itertools

import numpy as np
import tensorflow as tf

import rnnkit

B, T, K = 7, 5, 3
MASK = np.array(
    [
        [1, 1, 1, 1, 1],
        [1, 1, 1, 0, 0],  # padded right
        [0, 0, 1, 1, 1],  # padded left
        [1, 0, 1, 0, 1],  # holes
        [0, 1, 1, 0, 0],
        [0, 0, 0, 1, 0],  # one step
        [0, 0, 0, 0, 0],  # none
    ],
    "bool",
)


def make_scores():
    """Emissions with NaN at masked steps, transitions of which some are forbidden, start, end."""
    random = np.random.default_rng(0)
    emissions = random.normal(size=(B, T, K)) * 2
    emissions[~MASK] = np.nan
    transitions = random.normal(size=(K, K))
    transitions[0, 2] = -np.inf
    start, end = random.normal(size=(2, K))
    start[1] = -np.inf
    return emissions, transitions, start, end


def make_tags():
    """Tags with unknown ones among them, and nonsense at masked steps."""
    random = np.random.default_rng(1)
    tags = random.integers(K, size=(B, T))
    tags[random.random((B, T)) < 0.3] = -1
    return np.where(MASK, tags, 99)


def sequences(emissions, transitions, start, end):
    """All sequences of one row without a mask, and the score of each."""
    steps, width = emissions.shape
    paths = list(itertools.product(range(width), repeat=steps))
    scores = np.zeros(len(paths))
    for n, path in enumerate(paths):
        for t, tag in enumerate(path):
            scores[n] += emissions[t, tag]
            scores[n] += transitions[path[t - 1], tag] if t else start[tag]
        scores[n] += end[path[-1]] if path else 0.0
    return paths, scores


def likelihoods(scores, tags, dtype="float64"):
    emissions, transitions, start, end = (tf.cast(x, dtype) for x in scores)
    return rnnkit.crf_log_likelihood(emissions, tags, transitions, start=start, end=end, mask=MASK)
