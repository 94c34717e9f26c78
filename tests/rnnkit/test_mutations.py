"""Cells broken as a careless hand would break them: the check that we ship must notice each one."""

import types
from dataclasses import dataclass

import numpy as np
import pytest

from rnnkit.cells import Cell
from rnnkit.reference import REFERENCE, run_forward
from rnnkit.testing import check_forward, sample, weights_of
from tests import zoo
from tests.rnnkit.mutants import edited, mutants


@dataclass(frozen=True)
class Mistake:
    """Pieces of a method's source, and what stands there by mistake."""

    what: str
    edits: tuple[tuple[str, str], ...]
    method: str = "step"

    def __str__(self) -> str:
        return self.what


def mistake(what: str, *pieces: str) -> Mistake:
    return Mistake(what, tuple(zip(pieces[::2], pieces[1::2], strict=True)))


IN_EVERY_CELL = [
    Mistake("no bias", ((" + self.bias", ""),), "project"),
    Mistake("bias subtracted", ((" + self.bias", " - self.bias"),), "project"),
    Mistake("bias scales", ((" + self.bias", " * self.bias"),), "project"),
]

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

MISTAKES = {
    "vanilla": [*IN_EVERY_CELL, *VANILLA],
    "lstm": [*IN_EVERY_CELL, *LSTM],
    "peephole_lstm": [*IN_EVERY_CELL, *PEEPHOLE],
    "full_peephole_lstm": [*IN_EVERY_CELL, *FULL_PEEPHOLE],
    "gru": [*IN_EVERY_CELL, *GRU],
    "gru_reset_after": [*IN_EVERY_CELL, *GRU_RESET_AFTER],
}


def broken(name: str, error: Mistake) -> Cell:
    right = type(zoo.CELLS[name]())
    method = edited(getattr(right, error.method), error.edits)
    return type(f"Broken{right.__name__}", (right,), {error.method: method})(4)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        pytest.param(name, error, id=f"{name}: {error}")
        for name in MISTAKES
        for error in MISTAKES[name]
    ],
)
def test_a_broken_cell_does_not_pass(name, error):
    """If this fails, the cell could be wrong in this very way and no test would say so."""
    with pytest.raises(AssertionError, match="steps against the NumPy reference"):
        check_forward(broken(name, error), REFERENCE[name][0])


def test_every_cell_is_broken_in_a_dozen_ways():
    assert set(MISTAKES) == set(zoo.CELLS), "add the mistakes of the new cell"
    few = [name for name, mistakes in MISTAKES.items() if len(mistakes) < 12]
    assert not few


@pytest.mark.parametrize("name", zoo.CELLS)
def test_every_small_mistake_shows(name, record_property):
    """Any operator, operand, activation, variable or weight of a step changed, dropped, swapped."""
    cell, xs, states = sample(zoo.CELLS[name]())
    expected, _, _ = run_forward(REFERENCE[name][0], xs, states, weights_of(cell))
    projected = cell.project(xs)

    def right(step):
        now = [np.asarray(state) for state in states]
        for t in range(3):
            y, now = step(projected[:, t], now)
            if np.shape(y) != expected[:, t].shape or not np.allclose(y, expected[:, t], atol=1e-9):
                return False
        return True

    assert right(cell.step)
    survivors, wrong, crashed = [], 0, 0
    for change, mutant in mutants(type(cell).step):
        try:
            if right(types.MethodType(mutant, cell)):
                survivors.append(change)
            else:
                wrong += 1
        except Exception:  # whatever TensorFlow raises: nobody would miss that
            crashed += 1
    record_property("wrong values", wrong)
    record_property("crashes", crashed)
    assert wrong > 12
    assert not survivors, f"mistakes that nobody would notice: {survivors}"
