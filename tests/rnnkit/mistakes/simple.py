"""Mistakes in the nets without gates."""

from tests.rnnkit.mistakes.mistake import mistake

VANILLA = [
    mistake("no recurrence", " + self.dot(h, self.recurrent_kernel)", ""),
    mistake("no input", "projected + ", ""),
    mistake("recurrence subtracted", "projected + ", "projected - "),
    mistake("recurrence multiplied", "projected + ", "projected * "),
    mistake(
        "kernel transposed", "self.recurrent_kernel", "keras.ops.transpose(self.recurrent_kernel)"
    ),
    mistake("no activation", "self.activation", ""),
    mistake("sigmoid for tanh", "self.activation", "keras.ops.sigmoid"),
    mistake(
        "activation before the sum",
        "self.activation(projected + self.dot(h, self.recurrent_kernel))",
        "self.activation(projected) + self.dot(h, self.recurrent_kernel)",
    ),
    mistake("state not updated", "h = self.act", "y = self.act", "return h,", "return y,"),
    mistake("output of the step before", "h = self.act", "new = self.act", "[h]", "[new]"),
    mistake("output squashed twice", "return h,", "return self.activation(h),"),
    mistake("state squashed twice", "[h]", "[self.activation(h)]"),
    mistake("state added up", "h = self.act", "h = h + self.act"),
]

INDRNN = [
    mistake("no recurrence", " + self.scale(h, self.recurrent_kernel)", ""),
    mistake("no input", "projected + ", ""),
    mistake("recurrence subtracted", "projected + ", "projected - "),
    mistake("recurrence multiplied", "projected + ", "projected * "),
    mistake("recurrence without weights", "self.scale(h, self.recurrent_kernel)", "h"),
    mistake(
        "weights without the state", "self.scale(h, self.recurrent_kernel)", "self.recurrent_kernel"
    ),
    mistake("weights added", "self.scale(h, self.recurrent_kernel)", "h + self.recurrent_kernel"),
    mistake(
        "another unit's past",
        "self.scale(h, self.recurrent_kernel)",
        "self.scale(ops.roll(h, 1, axis=-1), self.recurrent_kernel)",
    ),
    mistake(
        "the mean of all units' past",
        "self.scale(h, self.recurrent_kernel)",
        "self.scale(ops.mean(h, axis=-1, keepdims=True), self.recurrent_kernel)",
    ),
    mistake("weights bounded", "self.recurrent_kernel", "ops.abs(self.recurrent_kernel)"),
    mistake("no activation", "ops.relu", ""),
    mistake("tanh for relu", "ops.relu", "ops.tanh"),
    mistake("sigmoid for relu", "ops.relu", "ops.sigmoid"),
    mistake(
        "relu before the sum",
        "ops.relu(projected + self.scale(h, self.recurrent_kernel))",
        "ops.relu(projected) + self.scale(h, self.recurrent_kernel)",
    ),
    mistake("state not updated", "h = ops", "y = ops", "return h,", "return y,"),
    mistake("output of the step before", "h = ops", "new = ops", "[h]", "[new]"),
    mistake("state added up", "h = ops", "h = h + ops"),
]

OUTPUT_RECURRENT = [
    mistake("no recurrence", " + self.dot(y, self.recurrent_kernel)", ""),
    mistake("no input", "projected + ", ""),
    mistake("recurrence subtracted", "projected + ", "projected - "),
    mistake("kernel transposed", "self.recurrent_kernel", "ops.transpose(self.recurrent_kernel)"),
    mistake("output kernel transposed", "self.output_kernel", "ops.transpose(self.output_kernel)"),
    mistake(
        "kernels swapped",
        "self.recurrent_kernel",
        "self.output",
        "self.output_kernel",
        "self.recurrent_kernel",
        "self.output)",
        "self.output_kernel)",
    ),
    mistake("hidden layer without tanh", "h = ops.tanh", "h = "),
    mistake("hidden layer with sigmoid", "h = ops.tanh", "h = ops.sigmoid"),
    mistake("no activation of y", "self.activation", ""),
    mistake(
        "no output bias",
        "self.shift(self.dot(h, self.output_kernel), self.output_bias)",
        "self.dot(h, self.output_kernel)",
    ),
    mistake(
        "output bias into the hidden layer",
        "self.shift(self.dot(h, self.output_kernel), self.output_bias)",
        "self.dot(h + self.output_bias, self.output_kernel)",
    ),
    mistake("output bias scales", "self.shift(", "self.scale("),
    mistake("state is the hidden layer, as Elman's", "[y]", "[h]"),
    mistake("output is the hidden layer", "return y,", "return h,"),
    mistake("y read from the input", "self.dot(h, self.output", "self.dot(projected, self.output"),
    mistake("y added up", "y = self.act", "y = y + self.act"),
    mistake("output of the step before", "y = self.act", "new = self.act", "[y]", "[new]"),
]
