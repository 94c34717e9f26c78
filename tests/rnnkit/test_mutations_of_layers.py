"""CRF, attention, searches and wrappers broken as a careless hand would: a test notices each."""

import functools

import pytest

from tests.rnnkit import (
    test_attention,
    test_crf,
    test_crf_constraints,
    test_crf_gradients,
    test_decoding,
    test_wrappers,
)
from tests.rnnkit.mistakes.attention import ATTENTION
from tests.rnnkit.mistakes.crf import CRF
from tests.rnnkit.mistakes.decoding import DECODING
from tests.rnnkit.mistakes.wrappers import WRAPPERS

MODULES = (
    *(test_crf, test_crf_gradients, test_crf_constraints),
    *(test_attention, test_decoding, test_wrappers),
)
SLIPS = *CRF, *ATTENTION, *DECODING, *WRAPPERS

scores, tags, step = test_crf.scores, test_crf.tags, test_decoding.step


@pytest.fixture
def calls(scores, tags, step):
    """What the tests that have to notice are called with: by name, one call after the other."""
    arguments = {
        "test_the_likelihood_is_the_share_of_all_sequences": [(scores, tags)],
        "test_likelihoods_of_all_sequences_sum_to_one": [(scores, 3)],
        "test_viterbi_finds_the_best_of_all": [(scores,)],
        "test_marginals_count_all_sequences": [(scores,)],
        "test_the_gradient_of_log_z_counts_all_sequences": [(scores,)],
        "test_a_scheme_allows_what_it_allows": [(name,) for name in test_crf_constraints.VALID],
        "test_each_form_is_its_equations": [(name,) for name in test_attention.FORMS],
        "test_alignments_sum_to_one_and_padding_has_none": [
            (name,) for name in test_attention.FORMS
        ],
        "test_the_cell_attends_as_its_equations_say": [
            ("lstm, bahdanau",),
            ("layer norm, general",),
        ],
        "test_a_beam_wide_enough_is_exhaustive_search": [(step, 0.8)],
        "test_a_beam_of_one_is_greedy": [(step,)],
        "test_the_best_are_sorted_distinct_and_have_the_probability_of_their_tokens": [(step,)],
        "test_a_batch_gives_what_its_rows_give_alone": [(step, "greedy"), (step, "beam")],
        "test_a_longer_sentence_may_still_win": [()],
        **{slip.noticed_by: [()] for slip in WRAPPERS},
    }
    tests = {name: getattr(m, name) for m in MODULES for name in arguments if hasattr(m, name)}
    return {
        name: [functools.partial(tests[name], *given) for given in rows]
        for name, rows in arguments.items()
    }


def test_every_test_passes_as_long_as_nothing_is_broken(calls):
    """Else those below would notice everything."""
    for name in sorted({slip.noticed_by for slip in SLIPS}):
        for call in calls[name]:
            call()


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_broken_function_is_noticed(slip, calls):
    """If this fails, the function could be wrong in this very way and no test would say so."""
    with slip.made():
        for call in calls[slip.noticed_by]:
            try:
                call()
            except Exception:  # whatever a broken library raises
                return
    pytest.fail(f"{slip.noticed_by} did not notice: {slip}")
