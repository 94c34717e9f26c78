"""Mistakes in the coupled, projected and layer-normalised LSTM."""

from tests.rnnkit.mistakes.lstm import GATED_LSTM, LSTM
from tests.rnnkit.mistakes.mistake import mistake

COUPLED = [
    mistake("f and o swapped", "f, g, o = ops", "o, g, f = ops"),
    mistake("f and g swapped", "f, g, o = ops", "g, f, o = ops"),
    mistake("g and o swapped", "f, g, o = ops", "f, o, g = ops"),
    mistake("no recurrence", "projected + self.dot(h, self.recurrent_kernel)", "projected"),
    mistake("recurrence from c", "self.dot(h, self.recurrent", "self.dot(c, self.recurrent"),
    mistake("not coupled", "(1 - f) * ops.tanh(g)", "ops.tanh(g)"),
    mistake("f for 1 - f", "f * c + (1 - f) *", "(1 - f) * c + f *"),
    mistake("i = f", "(1 - f) *", "f *"),
    mistake("1 + f", "(1 - f)", "(1 + f)"),
    mistake("coupled before the sigmoid", "(1 - f)", "ops.sigmoid(1 - f)"),
    mistake("f with tanh", "f = ops.sigmoid", "f = ops.tanh"),
    mistake("no forget gate", "c = f * c", "c = c"),
    mistake("candidate with sigmoid", "ops.tanh(g)", "ops.sigmoid(g)"),
    mistake("candidate without tanh", "ops.tanh(g)", "g"),
    mistake("output without tanh", "ops.tanh(c)", "c"),
    mistake("no output gate", "ops.sigmoid(o) * ", ""),
    mistake("states given back swapped", "[h, c]", "[c, h]"),
    mistake("states taken swapped", "h, c = states", "c, h = states"),
    mistake("output is c", "return h,", "return c,"),
]

PROJECTED = [
    *(m for m in LSTM if not ("states" in m.what or m.what == "recurrence from c")),  # other widths
    mistake(
        "projection squashed",
        "h = self.dot(ops.sigmoid(o) * ops.tanh(c), self.projection_kernel)",
        "h = ops.tanh(self.dot(ops.sigmoid(o) * ops.tanh(c), self.projection_kernel))",
    ),
    mistake("projection of c", "self.dot(ops.sigmoid(o) * ops.tanh(c),", "self.dot(c,"),
    mistake(
        "projection normalised", "self.projection_kernel)", "ops.softmax(self.projection_kernel))"
    ),
    mistake("projection subtracted", "self.projection_kernel)", "-self.projection_kernel)"),
    mistake("the old output carried over", "    h = self.dot", "    h = h + self.dot"),
]

NORMALISATION = [
    mistake("mean not taken off", "(precise - mean)", "precise"),
    mistake("not scaled", " * ops.rsqrt(variance + self.epsilon)", ""),
    mistake("scaled by the standard deviation", "ops.rsqrt", "ops.sqrt"),
    mistake("scaled by the variance", "ops.rsqrt", "ops.reciprocal"),
    mistake("no epsilon", " + self.epsilon", ""),
    mistake(
        "epsilon of the standard deviation", "variance + self.epsilon", "variance + self.epsilon**2"
    ),
    mistake("over the batch", "axes=[-1]", "axes=[0]"),
]

LAYER_NORM = [
    *(
        m
        for m in GATED_LSTM
        if m.what
        not in ("no recurrence", "output without tanh", "output with sigmoid", "recurrence from c")
    ),
    *(mistake(m.what, *m.edits[0], method="normalised") for m in NORMALISATION),
    mistake(
        "x not normalised",
        "self.normalised(ops.matmul(inputs, self.kernel))",
        "ops.matmul(inputs, self.kernel)",
        method="project",
    ),
    mistake("no gain of x", "self.input_gain * ", "", method="project"),
    mistake("gain of x added", "self.input_gain * ", "self.input_gain + ", method="project"),
    mistake(
        "bias normalised too",
        "self.kernel)) + self.bias",
        "self.kernel) + self.bias)",
        method="project",
    ),
    mistake(
        "h not normalised",
        "self.normalised(self.dot(h, self.recurrent_kernel))",
        "self.dot(h, self.recurrent_kernel)",
    ),
    mistake(
        "h normalised before the product",
        "self.normalised(self.dot(h, self.recurrent_kernel))",
        "self.dot(self.normalised(h), self.recurrent_kernel)",
    ),
    mistake(
        "x and h normalised together",
        "projected + self.scale(past, self.recurrent_gain)",
        "self.normalised(projected + self.scale(past, self.recurrent_gain))",
    ),
    mistake("no recurrence", "projected + self.scale(past, self.recurrent_gain)", "projected"),
    mistake("gain of x for h", "self.recurrent_gain", "self.input_gain"),
    mistake("no gain of h", "self.scale(past, self.recurrent_gain)", "past"),
    mistake("c not normalised", "self.normalised(c)", "c"),
    mistake(
        "the normalised c is stored, as in TensorFlow Addons",
        "    shown",
        "    c = self.normalised(c)\n    shown",
    ),
    mistake("what is shown is stored", "[h, c]", "[h, shown]"),
    mistake(
        "no gain of c", "self.scale(self.normalised(c), self.memory_gain)", "self.normalised(c)"
    ),
    mistake(
        "no bias of c",
        "self.shift(self.scale(self.normalised(c), self.memory_gain), self.memory_bias)",
        "self.scale(self.normalised(c), self.memory_gain)",
    ),
    mistake("output without tanh", "ops.tanh(shown)", "shown"),
    mistake("output from c itself", "ops.tanh(shown)", "ops.tanh(c)"),
]
