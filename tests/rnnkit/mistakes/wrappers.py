"""Mistakes in the cells around cells."""

from rnnkit.cells import RecurrentDropoutCell, ResidualCell, ZoneoutCell
from tests.rnnkit.mistakes.slip import slips

MEANS = "test_zoneout_mixes_by_the_rates_without_training"
DRAWS = "test_zoneout_keeps_some_units_as_they_were"
ONE_MASK = "test_one_mask_for_the_whole_sequence"
BOTH = "test_both_products_of_a_gru_see_the_thinned_state"
WHOLE = "test_what_a_gru_remembers_stays_whole"
PLAIN = "test_without_training_nothing_is_dropped"
MASKS = "test_every_row_and_every_batch_has_its_own_mask"
RESIDUAL = "test_residual_adds_the_input"

MIX = "d * old + (1 - d) * state"
THIN = "tensor * (1 - gone) if training else tensor"

WRAPPERS = [
    *slips(
        ZoneoutCell,
        "step",
        ("old and new swapped", MEANS, MIX, "d * state + (1 - d) * old"),
        ("nothing kept", MEANS, MIX, "(1 - d) * state"),
        ("all of the new on top", MEANS, MIX, "d * old + state"),
        ("no zoneout", MEANS, MIX, "state"),
        ("one rate for both states", MEANS, "zip(keep, ", "zip(keep[:1] * 2, "),
        ("rates swapped", MEANS, "zip(keep, ", "zip(keep[::-1], "),
        ("c does not zone out", MEANS, "[*zoned, *new[len(zoned) :]]", "[zoned[0], *new[1:]]"),
        ("h does not zone out", MEANS, "[*zoned, *new[len(zoned) :]]", "[new[0], *zoned[1:]]"),
        ("the output is what h would have been", MEANS, "zoned[0] if y is new[0] else y", "y"),
        (
            "means in training too",
            DRAWS,
            "keep = [ops.stop_gradient(d) for d in keep]",
            "keep = self._rates",
        ),
        ("h and c have each other's noise", DRAWS, "for d in keep]", "for d in keep[::-1]]"),
    ),
    *slips(
        ZoneoutCell,
        "project",
        ("renewed at the rate", DRAWS, "< rate", ">= rate"),
        ("rates swapped", DRAWS, "zip(self._rates, ", "zip(self._rates[::-1], "),
        (
            "one draw for all rows",
            DRAWS,
            "_uniform(inputs, width, self.seed_generator)",
            "(_uniform(inputs[:1], width, self.seed_generator) + 0 * inputs[:, :1])",
        ),
        (
            "one draw for all units",
            DRAWS,
            "_uniform(inputs, width, self.seed_generator)",
            "(_uniform(inputs, 1, self.seed_generator) + ops.zeros(width))",
        ),
    ),
    *slips(
        RecurrentDropoutCell,
        "step",
        ("nothing dropped", ONE_MASK, THIN, "tensor"),
        ("in use too", PLAIN, THIN, "tensor * (1 - gone)"),
        ("in use only", ONE_MASK, "if training else", "if not training else"),
        ("what falls away stays, and the rest falls away", ONE_MASK, "(1 - gone)", "gone"),
        ("added to the mask", ONE_MASK, "* (1 - gone)", "+ (1 - gone)"),
        ("zeros without the scale", ONE_MASK, "(1 - gone)", "ops.cast(gone < 1, gone.dtype)"),
        (
            "not before the candidate",
            BOTH,
            'in ("recurrent_kernel", "candidate_kernel")',
            'in ("recurrent_kernel",)',
        ),
        (
            "the state itself is dropped",
            WHOLE,
            "self.step_within(projected, states, training)",
            "self.step_within(projected, [s * (1 - gone) for s in states], training)",
        ),
        ("the mask fades", ONE_MASK, "[*new, gone]", "[*new, gone / 2]"),
        ("the output is thinned", ONE_MASK, "return y,", "return y * (1 - gone),"),
        (
            "the new state is thinned",
            ONE_MASK,
            "[*new, gone]",
            "[new[0] * (1 - gone), *new[1:], gone]",
        ),
    ),
    *slips(
        RecurrentDropoutCell,
        "get_initial_state",
        ("the rate is that of what stays", MASKS, "uniform < self.rate", "uniform > self.rate"),
        ("zeros without the scale", MASKS, "-self.rate / (1 - self.rate)", "0.0"),
        ("scaled by the rate", MASKS, "-self.rate / (1 - self.rate)", "1 - 1 / self.rate"),
        ("one mask for the batch", MASKS, "(batch_size, width)", "(1, width)"),
        ("one mask for all units", MASKS, "(batch_size, width)", "(batch_size, 1)"),
        ("the same mask for every batch", MASKS, "seed=self.seed_generator", "seed=1"),
    ),
    *slips(
        ResidualCell,
        "step",
        ("no input", RESIDUAL, "x + r", "r"),
        ("nothing but the input", RESIDUAL, "x + r", "x"),
        ("subtracted", RESIDUAL, "x + r", "x - r"),
        ("multiplied", RESIDUAL, "x + r", "x * r"),
        ("the mean of both", RESIDUAL, "x + r", "(x + r) / 2"),
        ("into the state too", RESIDUAL, "list(states)", "[x + states[0], *states[1:]]"),
        ("squashed", RESIDUAL, "x + r", "ops.tanh(x + r)"),
    ),
    *slips(
        ResidualCell,
        "project",
        (
            "the cell sees no input",
            RESIDUAL,
            "project(inputs, training)",
            "project(0 * inputs, training)",
        ),
        ("squashed before it is added", RESIDUAL, ", inputs]", ", ops.tanh(inputs)]"),
    ),
]
