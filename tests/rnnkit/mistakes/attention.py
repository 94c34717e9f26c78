"""Mistakes in the attentions and in the cell that has one."""

from rnnkit.attention import AttentionCell, BahdanauAttention, LuongGeneralAttention, mechanisms
from tests.rnnkit.mistakes.slip import slips

FORM = "test_each_form_is_its_equations"
ALIGNMENTS = "test_alignments_sum_to_one_and_padding_has_none"
CELL = "test_the_cell_attends_as_its_equations_say"

ATTENTION = [
    *slips(
        BahdanauAttention,
        "score",
        ("no tanh", FORM, "ops.tanh(query + keys[:, None])", "(query + keys[:, None])"),
        ("no query", FORM, "ops.tanh(query + keys", "ops.tanh(0 * query + keys"),
        ("no memory", FORM, "query + keys[:, None]", "query + 0 * keys[:, None]"),
        ("a product for the sum", FORM, "query + keys[:, None]", "query * keys[:, None]"),
        ("no vector", FORM, "ops.sum(vector * ", "ops.sum("),
        ("a mean for the sum", FORM, "ops.sum(vector * ", "ops.mean(vector * "),
        ("vector not of length one", FORM, " * ops.rsqrt(ops.sum(vector**2))", ""),
        ("no gain", FORM, " * ops.cast(self.score_gain, query.dtype)", ""),
        ("no bias", FORM, 'use_weight("shift", query, self.score_bias)', "query"),
    ),
    *slips(
        mechanisms._ProductAttention,
        "score",
        ("no gain", FORM, "query * ops.cast(self.score_gain, query.dtype)", "query"),
        ("divided by the gain", FORM, "query * ops.cast", "query / ops.cast"),
        (
            "always scaled",
            FORM,
            "if self.scale:",
            "if True:",
            "ops.cast(self.score_gain, query.dtype)",
            "query.shape[-1] ** -0.5",
        ),
    ),
    *slips(
        LuongGeneralAttention,
        "keys",
        (
            "kernel transposed",
            FORM,
            "ops.cast(self.memory_kernel, memory.dtype)",
            "ops.transpose(self.memory_kernel)",
        ),
        (
            "no kernel",
            FORM,
            "ops.matmul(memory, ops.cast(self.memory_kernel, memory.dtype))",
            "memory",
        ),
    ),
    *slips(
        mechanisms.Attention,
        "alignments",
        ("not divided by their sum", ALIGNMENTS, "weights / total", "weights"),
        (
            "over the queries",
            ALIGNMENTS,
            "ops.sum(weights, axis=-1, keepdims=True)",
            "ops.sum(weights, axis=-2, keepdims=True)",
        ),
        (
            "padding takes part",
            FORM,
            'real = ops.cast(mask, "bool")[:, None]',
            'real = ops.ones_like(ops.cast(mask, "bool")[:, None])',
        ),
        (
            "a memory of padding is seen",
            ALIGNMENTS,
            "ops.where(real, ops.exp(scores - top), 0)",
            "ops.exp(scores - top)",
        ),
        ("too large for an exponential", ALIGNMENTS, "ops.exp(scores - top)", "ops.exp(scores)"),
    ),
    *slips(
        mechanisms.Attention,
        "remember",
        ("padding is read", ALIGNMENTS, "ops.where(mask[..., None], memory, 0)", "memory"),
        ("keys for values", FORM, "[self.keys(values), values,", "[self.keys(values), 2 * values,"),
    ),
    *slips(
        AttentionCell,
        "step",
        ("context before query", CELL, "[query, context]", "[context, query]"),
        (
            "no activation",
            CELL,
            "self.activation(self.dot(seen, self.attention_kernel))",
            "self.dot(seen, self.attention_kernel)",
        ),
        ("the attention before is handed on", CELL, "[*new, attended,", "[*new, states[len(new)],"),
        (
            "an output of what was attended twice",
            CELL,
            "return attended,",
            "return self.activation(attended),",
        ),
    ),
    *slips(
        AttentionCell,
        "query",
        ("no input feeding", CELL, "projected + self.dot(fed, self.feed_kernel)", "projected"),
        ("fed before the input", CELL, "[projected, fed]", "[fed, projected]"),
    ),
]
