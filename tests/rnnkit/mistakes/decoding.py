"""Mistakes in the searches."""

from rnnkit.decoding import search
from tests.rnnkit import test_decoding
from tests.rnnkit.mistakes.slip import slips

EXHAUSTIVE = "test_a_beam_wide_enough_is_exhaustive_search"
GREEDY = "test_a_beam_of_one_is_greedy"
BEST = "test_the_best_are_sorted_distinct_and_have_the_probability_of_their_tokens"
ALONE = "test_a_batch_gives_what_its_rows_give_alone"
LONGER = "test_a_longer_sentence_may_still_win"
NEST = "test_any_nest_of_states_goes_with_its_hypothesis"

DECODING = [
    *slips(
        test_decoding,  # which calls what it has imported
        "beam_search",
        ("the last token alone counts", BEST, "log_p[..., None] + gained", "gained"),
        ("scores for log p", BEST, "best - ops.logsumexp(logits, axis=-1, keepdims=True)", "best"),
        ("the penalty multiplies", BEST, "log_p / ((5", "log_p * ((5"),
        (
            "the penalty counts to the limit",
            BEST,
            "ops.where(finished, length, t + 1)",
            "limit + 0 * length",
        ),
        (
            "all places begin with the same hypothesis",
            BEST,
            "ops.arange(width) > 0",
            "ops.arange(width) < 0",
        ),
        (
            "what has ended grows",
            EXHAUSTIVE,
            "ops.where(finished[..., None], stays, gained)",
            "gained",
        ),
        (
            "something follows the end",
            BEST,
            "ops.where(finished[..., None], end, candidates)",
            "candidates",
        ),
        ("another hypothesis's state", BEST, "_rows(leaf, kept)", "leaf"),
        (
            "another hypothesis's beginning",
            BEST,
            "ops.take_along_axis(tokens, parent[..., None], axis=1)",
            "tokens",
        ),
        ("another hypothesis's parent", BEST, "places // count", "places % count"),
        ("another sentence's state", BEST, "rows + parent", "parent"),
        (
            "what was likely before is likely now",
            BEST,
            "token = ops.take_along_axis(ops.reshape(candidates",
            "token = ops.take_along_axis(ops.reshape(candidates[..., ::-1]",
        ),
        ("a token at the place of the next", BEST, "positions == t,", "positions == t + 1,"),
        ("the first that ends wins", LONGER, "hope <= scores[:, n_best - 1]", "hope <= infinity"),
        ("one step too many", ALONE, "t + 1 >= limit", "t >= limit"),
        ("the worst for the best", GREEDY, "ops.top_k(logits, count)", "ops.top_k(-logits, count)"),
    ),
    *slips(
        search,
        "_search",
        (
            "the score of a complete sequence falls on",
            ALONE,
            'ops.where(done, score, score + ops.cast(gained, "float32"))',
            'score + ops.cast(gained, "float32")',
        ),
        (
            "something follows the end",
            ALONE,
            "ops.where(done, end, choose(logits, t))",
            "choose(logits, t)",
        ),
        ("scores for log p", GREEDY, "chosen - ops.logsumexp(logits, axis=-1)", "chosen"),
        (
            "the state stands still",
            GREEDY,
            "return t + 1, token, done, score, tokens, state",
            "return t + 1, token, done, score, tokens, before_state",
            "        logits, state = call_step",
            "        before_state = state\n        logits, state = call_step",
        ),
    ),
]
