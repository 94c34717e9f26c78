"""Mistakes in the cells that are linear in their state."""

from tests.rnnkit.mistakes.mistake import mistake

LINEAR = [
    mistake("no past", "a * h + b", "b"),
    mistake("no input", "a * h + b", "a * h"),
    mistake("past not weighted", "a * h + b", "h + b"),
    mistake("input subtracted", "a * h + b", "a * h - b"),
    mistake("coefficients swapped", "a, b = self", "b, a = self"),
    mistake("squashed, and so no longer linear", "h = a * h + b", "h = ops.tanh(a * h + b)"),
    mistake("state not updated", "h = a * h + b", "y = a * h + b", "return h,", "return y,"),
    mistake("output of the step before", "h = a * h + b", "new = a * h + b", "[h]", "[new]"),
]


def of_gates(what: str, *pieces: str):
    return mistake(what, *pieces, method="coefficients")


MIN_GRU = [
    *LINEAR,
    of_gates("z and g swapped", "z, g = ops", "g, z = ops"),
    of_gates("z for 1 - z", "return 1 - z, z * g", "return z, (1 - z) * g"),
    of_gates("1 + z", "1 - z", "1 + z"),
    of_gates("past not weighted", "return 1 - z,", "return ops.ones_like(z),"),
    of_gates("candidate not weighted", "z * g", "g"),
    of_gates("candidate with tanh, as a GRU's", "z * g", "z * ops.tanh(g)"),
    of_gates("z with tanh", "z = ops.sigmoid", "z = ops.tanh"),
    of_gates("z without sigmoid", "z = ops.sigmoid", "z = "),
]

MIN_LSTM = [
    *LINEAR,
    of_gates("f and i swapped", "f, i, g = ops", "i, f, g = ops"),
    of_gates("i and g swapped", "f, i, g = ops", "f, g, i = ops"),
    of_gates("f and g swapped", "f, i, g = ops", "g, i, f = ops"),
    of_gates("not normalised: f alone", " - ops.log_sigmoid(i)", ""),
    of_gates("log f + log i", "- ops.log_sigmoid(i)", "+ ops.log_sigmoid(i)"),
    of_gates(
        "normalised by a softmax of the gates' inputs",
        "ops.log_sigmoid(f) - ops.log_sigmoid(i)",
        "f - i",
    ),
    of_gates("quotient without sigmoid", "f = ops.sigmoid(", "f = ("),
    of_gates("f for 1 - f", "return f, (1 - f) * g", "return 1 - f, f * g"),
    of_gates("candidate weighted by f", "(1 - f) * g", "f * g"),
    of_gates("candidate not weighted", "(1 - f) * g", "g"),
    of_gates("candidate with tanh, as an LSTM's", "(1 - f) * g", "(1 - f) * ops.tanh(g)"),
]
