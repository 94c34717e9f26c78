"""Mistakes in the LSTM and its peepholes."""

from tests.rnnkit.mistakes.mistake import mistake

GATED_LSTM = [  # what every LSTM can suffer, whatever its gates see
    mistake("i and f swapped", "i, f, g, o = ops", "f, i, g, o = ops"),
    mistake("i and o swapped", "i, f, g, o = ops", "o, f, g, i = ops"),
    mistake("f and o swapped", "i, f, g, o = ops", "i, o, g, f = ops"),
    mistake("g and o swapped", "i, f, g, o = ops", "i, f, o, g = ops"),
    mistake("i and g swapped", "i, f, g, o = ops", "g, f, i, o = ops"),
    mistake("no recurrence", "projected + self.dot(h, self.recurrent_kernel)", "projected"),
    mistake("recurrence from c", "self.dot(h, self.recurrent", "self.dot(c, self.recurrent"),
    mistake("candidate with sigmoid", "ops.tanh(g)", "ops.sigmoid(g)"),
    mistake("candidate without tanh", "ops.tanh(g)", "g"),
    mistake("output without tanh", "ops.tanh(c)", "c"),
    mistake("output with sigmoid", "ops.tanh(c)", "ops.sigmoid(c)"),
    mistake("states given back swapped", "[h, c]", "[c, h]"),
    mistake("states taken swapped", "h, c = states", "c, h = states"),
    mistake("output is c", "return h,", "return c,"),
]

LSTM = [
    *GATED_LSTM,
    mistake("i with tanh", "ops.sigmoid(i)", "ops.tanh(i)"),
    mistake("f with tanh", "ops.sigmoid(f)", "ops.tanh(f)"),
    mistake("o with tanh", "ops.sigmoid(o)", "ops.tanh(o)"),
    mistake("no input gate", "ops.sigmoid(i) * ", ""),
    mistake("no forget gate", "ops.sigmoid(f) * ", ""),
    mistake("no output gate", "ops.sigmoid(o) * ", ""),
    mistake("1 - f for f", "ops.sigmoid(f) * c", "(1 - ops.sigmoid(f)) * c"),
    mistake("coupled gates", "ops.sigmoid(i)", "(1 - ops.sigmoid(f))"),
    mistake("candidate subtracted", "* c + ops", "* c - ops"),
    mistake("memory forgotten", "ops.sigmoid(f) * c + ", ""),
    mistake("h from c_{t-1}", "c = ops.sigmoid(f)", "new = ops.sigmoid(f)", "[h, c]", "[h, new]"),
    mistake("c not updated", "c = ops.sigmoid(f)", "new = ops.sigmoid(f)", "tanh(c)", "tanh(new)"),
]

PEEPHOLE = [
    *GATED_LSTM,
    mistake("no peephole of i", "i + self.scale(c, self.peephole_i)", "i"),
    mistake("no peephole of f", "f + self.scale(c, self.peephole_f)", "f"),
    mistake("no peephole of o", "o + self.scale(c, self.peephole_o)", "o"),
    mistake(
        "i and f peepholes swapped",
        "self.peephole_i",
        "P",
        "self.peephole_f",
        "self.peephole_i",
        "P)",
        "self.peephole_f)",
    ),
    mistake("f peephole for o", "self.peephole_o", "self.peephole_f"),
    mistake("i peeps at h", "self.scale(c, self.peephole_i)", "self.scale(h, self.peephole_i)"),
    mistake("f peeps at h", "self.scale(c, self.peephole_f)", "self.scale(h, self.peephole_f)"),
    mistake("o peeps at h", "self.scale(c, self.peephole_o)", "self.scale(h, self.peephole_o)"),
    mistake(
        "o peeps at tanh(c)",
        "self.scale(c, self.peephole_o)",
        "self.scale(ops.tanh(c), self.peephole_o)",
    ),
    mistake(
        "o at c_{t-1}",
        "    c = f * c",
        "    old, c = c, f * c",
        "self.scale(c, self.peephole_o)",
        "self.scale(old, self.peephole_o)",
    ),
    mistake(
        "f at c_t",
        "f = ops.sigmoid(f + self.scale(c, self.peephole_f))",
        "f = ops.sigmoid(f + self.scale(f * c + i * ops.tanh(g), self.peephole_f))",
    ),
    mistake(
        "peephole outside the sigmoid",
        "ops.sigmoid(i + self.scale(c, self.peephole_i))",
        "ops.sigmoid(i) + self.scale(c, self.peephole_i)",
    ),
    mistake(
        "peephole into the candidate", "ops.tanh(g)", "ops.tanh(g + self.scale(c, self.peephole_i))"
    ),
    mistake("1 - f for f", "c = f * c", "c = (1 - f) * c"),
    mistake("coupled gates", "+ i * ops", "+ (1 - f) * ops"),
    mistake("no input gate", "+ i * ops", "+ ops"),
    mistake("no output gate", "h = o * ", "h = "),
    mistake("memory forgotten", "c = f * c + ", "c = "),
    mistake("h from c_{t-1}", "c = f * c", "old, c = c, f * c", "ops.tanh(c)", "ops.tanh(old)"),
]

FULL_PEEPHOLE = [
    *GATED_LSTM,
    mistake("no peephole of i", "i + peephole_i", "i"),
    mistake("no peephole of f", "f + peephole_f", "f"),
    mistake("no peephole of o", " + self.dot(c, self.peephole_o)", ""),
    mistake("i and f peepholes swapped", "peephole_i, peephole_f =", "peephole_f, peephole_i ="),
    mistake("i and f peep at h", "self.dot(c, self.peephole_if)", "self.dot(h, self.peephole_if)"),
    mistake("o peeps at h", "self.dot(c, self.peephole_o)", "self.dot(h, self.peephole_o)"),
    mistake(
        "o peeps at tanh(c)",
        "self.dot(c, self.peephole_o)",
        "self.dot(ops.tanh(c), self.peephole_o)",
    ),
    mistake(
        "o at c_{t-1}",
        "    c = ops",
        "    old, c = c, ops",
        "self.dot(c, self.peephole_o)",
        "self.dot(old, self.peephole_o)",
    ),
    mistake("matrix of o transposed", "self.peephole_o)", "ops.transpose(self.peephole_o))"),
    mistake(
        "only the diagonal of o",
        "self.dot(c, self.peephole_o)",
        "c * ops.diagonal(self.peephole_o)",
    ),
    mistake(
        "peephole outside the sigmoid",
        "ops.sigmoid(i + peephole_i)",
        "(ops.sigmoid(i) + peephole_i)",
    ),
    mistake("1 - f for f", "ops.sigmoid(f + peephole_f)", "(1 - ops.sigmoid(f + peephole_f))"),
    mistake("no input gate", "ops.sigmoid(i + peephole_i) * ", ""),
    mistake("memory forgotten", "ops.sigmoid(f + peephole_f) * c + ", ""),
]
