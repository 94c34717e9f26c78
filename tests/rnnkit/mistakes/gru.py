"""Mistakes in the gated units with one state."""

from tests.rnnkit.mistakes.mistake import mistake

GRU_MIXING = [  # of a state h and a candidate g by z
    mistake("r with tanh", "r = ops.sigmoid", "r = ops.tanh"),
    mistake("candidate with sigmoid", "g = ops.tanh", "g = ops.sigmoid"),
    mistake("candidate without tanh", "g = ops.tanh", "g = "),
    mistake("output is g", "return h,", "return g,"),
    mistake("state is g", "[h]", "[g]"),
    mistake("state not updated", "h = (1 - z)", "y = (1 - z)", "return h,", "return y,"),
    mistake("output of the step before", "h = (1 - z)", "new = (1 - z)", "[h]", "[new]"),
    mistake("no 1 -", "(1 - z)", "z"),
    mistake("1 + z", "(1 - z)", "(1 + z)"),
]

GRU = [
    *[m for m in GRU_MIXING if m.what != "r with tanh"],
    mistake("gates with tanh", "zr = ops.sigmoid", "zr = ops.tanh"),
    mistake("z and r swapped", "z, r = ops", "r, z = ops"),
    mistake("z for 1 - z", "(1 - z) * h + z * g", "z * h + (1 - z) * g"),
    mistake(
        "reset after the product",
        "self.dot(r * h, self.candidate_kernel)",
        "r * self.dot(h, self.candidate_kernel)",
    ),
    mistake("no reset", "self.dot(r * h,", "self.dot(h,"),
    mistake("1 - r for r", "self.dot(r * h,", "self.dot((1 - r) * h,"),
    mistake("z for r", "self.dot(r * h,", "self.dot(z * h,"),
    mistake("reset of the mixing too", "(1 - z) * h", "(1 - z) * r * h"),
    mistake("reset of the input too", "projected[..., 2 * n :] +", "r * projected[..., 2 * n :] +"),
    mistake("gates see no past", " + self.dot(h, self.recurrent_kernel)", ""),
    mistake("candidate sees no past", " + self.dot(r * h, self.candidate_kernel)", ""),
    mistake("no candidate", " + z * g", ""),
    mistake(
        "candidate kernel transposed",
        "self.candidate_kernel",
        "ops.transpose(self.candidate_kernel)",
    ),
]

GRU_RESET_AFTER = [
    *GRU_MIXING,
    mistake("z with tanh", "z = ops.sigmoid", "z = ops.tanh"),
    mistake("z and r of x swapped", "x_z, x_r, x_g =", "x_r, x_z, x_g ="),
    mistake("z and r of h swapped", "h_z, h_r, h_g =", "h_r, h_z, h_g ="),
    mistake("z for 1 - z", "(1 - z) * g + z * h", "z * g + (1 - z) * h"),
    mistake(
        "reset before the product",
        "r * self.shift(h_g, self.recurrent_bias)",
        "self.shift(ops.split(self.dot(r * h, self.recurrent_kernel), 3, axis=-1)[2],"
        " self.recurrent_bias)",
    ),
    mistake("no reset", "r * self.shift", "self.shift"),
    mistake("1 - r for r", "r * self.shift", "(1 - r) * self.shift"),
    mistake("z for r", "r * self.shift", "z * self.shift"),
    mistake("no second bias", "self.shift(h_g, self.recurrent_bias)", "h_g"),
    mistake(
        "second bias outside the reset",
        "r * self.shift(h_g, self.recurrent_bias)",
        "self.shift(r * h_g, self.recurrent_bias)",
    ),
    mistake(
        "reset of the input too",
        "x_g + r * self.shift(h_g, self.recurrent_bias)",
        "r * (x_g + self.shift(h_g, self.recurrent_bias))",
    ),
    mistake("z sees no past", "x_z + h_z", "x_z"),
    mistake("r sees no past", "x_r + h_r", "x_r"),
    mistake("no memory", " + z * h\n", "\n"),
]

MGU = [
    mistake("f with tanh", "f = ops.sigmoid", "f = ops.tanh"),
    mistake("candidate with sigmoid", "g = ops.tanh", "g = ops.sigmoid"),
    mistake("candidate without tanh", "g = ops.tanh", "g = "),
    mistake("f and g swapped", "x_f, x_g =", "x_g, x_f ="),
    mistake("f for 1 - f", "(1 - f) * h + f * g", "f * h + (1 - f) * g"),
    mistake("not weighted", "(1 - f) * h", "h"),
    mistake("1 + f", "(1 - f)", "(1 + f)"),
    mistake("no reset", "self.dot(f * h,", "self.dot(h,"),
    mistake("1 - f resets", "self.dot(f * h,", "self.dot((1 - f) * h,"),
    mistake(
        "reset after the product",
        "self.dot(f * h, self.candidate_kernel)",
        "f * self.dot(h, self.candidate_kernel)",
    ),
    mistake("gate sees no past", " + self.dot(h, self.recurrent_kernel)", ""),
    mistake("candidate sees no past", " + self.dot(f * h, self.candidate_kernel)", ""),
    mistake(
        "kernels swapped",
        "self.recurrent_kernel",
        "self.candidate",
        "self.candidate_kernel",
        "self.recurrent_kernel",
        "self.candidate)",
        "self.candidate_kernel)",
    ),
    mistake("kernel transposed", "self.recurrent_kernel", "ops.transpose(self.recurrent_kernel)"),
    mistake("no candidate", " + f * g", ""),
    mistake("output is g", "return h,", "return g,"),
    mistake("state is g", "[h]", "[g]"),
    mistake("state not updated", "h = (1 - f)", "y = (1 - f)", "return h,", "return y,"),
]
