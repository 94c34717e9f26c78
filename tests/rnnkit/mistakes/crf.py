"""Mistakes in the sums of a CRF, in Viterbi's search, and in what a scheme allows."""

from rnnkit.crf import chain, constraints, functions, masks
from tests.rnnkit.mistakes.slip import slips

LIKELIHOOD = "test_the_likelihood_is_the_share_of_all_sequences"
SUM = "test_likelihoods_of_all_sequences_sum_to_one"
BEST = "test_viterbi_finds_the_best_of_all"
MARGINALS = "test_marginals_count_all_sequences"
GRADIENT = "test_the_gradient_of_log_z_counts_all_sequences"
SCHEME = "test_a_scheme_allows_what_it_allows"

CRF = [
    *slips(
        chain,
        "_both_ways",
        ("beginning and end swapped", LIKELIHOOD, "[start, end]", "[end, start]"),
        (
            "the step itself for the next one",
            LIKELIHOOD,
            "ops.roll(sequences, -1, axis=0)",
            "sequences",
        ),
        ("the same kernel both ways", MARGINALS, "ops.transpose(kernel)]", "kernel]"),
        (
            "backward messages in their own order",
            MARGINALS,
            "chain.reversed(ops.transpose(backward, (1, 0, 2)))",
            "ops.transpose(backward, (1, 0, 2))",
        ),
    ),
    *slips(
        chain,
        "_by_products",
        ("a transition too many", LIKELIHOOD, "(steps - 1) *", "steps *"),
        ("no end", LIKELIHOOD, "q * end, 0.0", "q, 0.0"),
        ("scale of the messages forgotten", LIKELIHOOD, " + ops.log(peaks[0, ..., 0])", ""),
        ("scale of the start forgotten", LIKELIHOOD, "        + start_shift\n", ""),
        ("padding counts", LIKELIHOOD, "ops.where(real[..., 0], shifts, 0.0)", "shifts"),
        ("marginals not divided by Z", MARGINALS, "u / safe", "u"),
        ("nothing arrives", MARGINALS, "ops.transpose(arriving * share", "ops.transpose(share"),
        ("moves the other way round", GRADIENT, "tbi,tbj->bij", "tbi,tbj->bji"),
        ("moves in the padding", GRADIENT, "ops.where(real, u / safe, 0.0)", "u / safe"),
        ("moves to the step itself", GRADIENT, "before, share)", "q, share)"),
    ),
    *slips(
        chain,
        "log_partition",
        ("every step is a start", GRADIENT, "d_emissions[:, :1]", "d_emissions"),
        ("every step is an end", GRADIENT, "ops.where(last, d_emissions, 0.0)", "d_emissions"),
        ("rows not weighted", GRADIENT, "d[:, None, None] * found.moves", "found.moves"),
    ),
    *slips(
        chain.Chain,
        "last",
        ("one step late", LIKELIHOOD, "self.counts()[:, None] - 1", "self.counts()[:, None]"),
    ),
    *slips(
        chain.Chain,
        "reversed",
        ("one step late", MARGINALS, "lengths - 1 - t", "ops.minimum(lengths - t, lengths - 1)"),
        (
            "padding at the front",
            MARGINALS,
            "ops.where(t < lengths, lengths - 1 - t, t)",
            "ops.flip(t, 1) + 0 * lengths",
        ),
    ),
    *slips(
        functions,  # which calls what it has imported
        "best_path",
        ("from and to swapped", BEST, "ops.transpose(chain.transitions)", "chain.transitions"),
        ("no start", BEST, "chain.start + emissions[0]", "emissions[0]"),
        ("no end", BEST, " + chain.end", ""),
        ("joins a step late", BEST, "counts[None] - 1", "counts[None]"),
        (
            "the way back without transitions",
            BEST,
            "values + ops.take(into, following, axis=0)",
            "values",
        ),
        (
            "forwards on the way back",
            BEST,
            "ops.flip(values, axis=0), ops.flip(inside, axis=0)",
            "values, inside",
        ),
        (
            "sums for maxima",
            BEST,
            "best = ops.max(values[:, None] + into, axis=-1)",
            "best = ops.logsumexp(values[:, None] + into, axis=-1)",
        ),
    ),
    *slips(
        functions,
        "_score",
        (
            "from and to swapped",
            SUM,
            "safe[:, :-1] * width + safe[:, 1:]",
            "safe[:, 1:] * width + safe[:, :-1]",
        ),
        ("no end", SUM, "ops.where(last, ops.take(chain.end, safe), 0.0)", "0.0"),
        ("end for start", SUM, "ops.take(chain.start,", "ops.take(chain.end,"),
    ),
    *slips(
        functions,
        "_restricted",
        ("other tags are possible", LIKELIHOOD, "-np.inf", "0.0"),
        (
            "not divided by Z",
            LIKELIHOOD,
            "_minus(log_partition(among), log_partition(chain))",
            "log_partition(among)",
        ),
    ),
    *slips(
        masks.Front,
        "gather",
        ("in the old order", LIKELIHOOD, "rows(sequences, self.order)", "sequences"),
    ),
    *slips(
        masks.Front,
        "scatter",
        ("left where they were found", BEST, "rows(sequences, ops.maximum(rank, 0))", "sequences"),
        ("one step late", BEST, "axis=1) - 1", "axis=1)"),
    ),
    *slips(
        constraints,
        "_may_follow",
        ("I-X after everything", SCHEME, "return same or not inside", "return True"),
        ("I-X after B-Y", SCHEME, "and before[1] == after[1]", "and after[0] != 'O'"),
        (
            "chunks need no end",
            SCHEME,
            "same and inside if is_open else not inside",
            "same or not inside",
        ),
        ("E-X leaves a chunk open", SCHEME, 'before[0] in "BI"', 'before[0] in "BIE"'),
        ("B-X anywhere", SCHEME, 'after[0] != "B" or same', "True"),
    ),
]
