"""The best tag sequence of a linear chain (Viterbi).

    v_t(j) = max_i (v_{t-1}(i) + transitions(i, j)) + emissions_t(j)      v_1 = start + emissions_1
    y_T = argmax_j (v_T(j) + end(j))
    y_t = argmax_i (v_t(i) + transitions(i, y_{t+1}))

The loop forward keeps values alone. Which tag they came from is asked once a step on the way back,
for the one tag that is followed, and not K times on the way there.

A. Viterbi, Error Bounds for Convolutional Codes and an Asymptotically Optimum Decoding Algorithm,
IEEE Transactions on Information Theory 13, 1967.
"""

from __future__ import annotations

from keras import ops

from rnnkit.backend import scan
from rnnkit.crf.chain import Chain, Tensor


def best_path(chain: Chain) -> tuple[Tensor, Tensor]:
    """The best tags, int32 (B, T), zero after the last real step; and their score, (B,)."""
    if 0 in chain.emissions.shape[:2]:
        batch, steps, _ = ops.shape(chain.emissions)
        return ops.zeros((batch, steps), "int32"), ops.zeros((batch,), chain.emissions.dtype)
    emissions = ops.transpose(chain.emissions, (1, 0, 2))  # (T, B, K)
    into = ops.transpose(chain.transitions)  # (j, i), so that the maximum runs over the last axis

    def step(values, following):
        best = ops.max(values[:, None] + into, axis=-1) + following
        return best, values

    first = chain.start + emissions[0]
    values = scan(step, first, ops.roll(emissions, -1, axis=0))
    counts = chain.counts()
    last = ops.transpose(chain.last())[..., None]
    final = ops.max(ops.where(last, values, -float("inf")), axis=0) + chain.end
    tag = ops.cast(ops.argmax(final, axis=-1), "int32")
    score = ops.where(counts > 0, ops.max(final, axis=-1), 0.0)

    def back(following, values, inside):
        # A row joins at its last step, where the tag is known already.
        before = values + ops.take(into, following, axis=0)
        tag = ops.where(inside, ops.cast(ops.argmax(before, axis=-1), "int32"), following)
        return tag, tag

    inside = ops.arange(ops.shape(emissions)[0])[:, None] < counts[None] - 1
    tags = ops.flip(scan(back, tag, ops.flip(values, axis=0), ops.flip(inside, axis=0)), axis=0)
    tags = ops.where(chain.real(), ops.transpose(tags), 0)
    return tags, score
