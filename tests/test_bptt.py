"""The checks of docs/bptt.md bite: no formula on the page could be wrong unnoticed.

That the page as it stands is right, `tests/test_readme.py` shows by running it.
"""

from __future__ import annotations

import keras
import pytest

import rnnkit
from tests.test_readme import ROOT, blocks

PAGE = ROOT / "docs" / "bptt.md"

# What a careless hand writes, and in which place: a line of the page -> the wrong one.
SLIPS = {
    "ds = ys - np.eye(k)[target]": "ds = np.eye(k)[target] - ys",
    "dV = hs.T @ ds": "dV = before.T @ ds",
    "dh[t] = ds[t] @ V.T + later": "dh[t] = ds[t] @ V.T",
    "da[t] = dh[t] * (1 - hs[t] ** 2)": "da[t] = dh[t] * (1 - hs[t])",
    "later = da[t] @ W_h.T\n": "later = da[t] @ W_h\n",
    "dW_h = before.T @ da": "dW_h = hs.T @ da",
    "dW_x = x.T @ da": "dW_x = x.T @ dh",
    "db = da.sum(axis=0)": "db = da.mean(axis=0)",
    "assert same(found[0][0], da @ W_x.T)": "assert same(found[0][0], dh @ W_x.T)",
    "joined = np.concatenate([before, x], axis=1)": "joined = np.concatenate([hs, x], axis=1)",
    "return np.diag(1 - hs[j] ** 2) @ W_h.T": "return W_h.T @ np.diag(1 - hs[j] ** 2)",
    "for j in range(t, k, -1):": "for j in range(t, k + 1, -1):",
    "tiny @ np.linalg.matrix_power(W_h, T - 1)": "tiny @ np.linalg.matrix_power(W_h.T, T - 1)",
    "back = error @ np.linalg.matrix_power(W_h.T, T - 1)": (
        "back = error @ np.linalg.matrix_power(W_h, T - 1)"
    ),
    "power = Q @ np.diag(eigenvalues ** (T - 1)) @ np.linalg.inv(Q)": (
        "power = Q @ np.diag(eigenvalues ** (T - 1)) @ Q.T"
    ),
    "return g * min(1, bound / np.linalg.norm(g))": "return np.clip(g, -bound, bound)",
    "return g * min(1, bound /": "return abs(g) * min(1, bound /",
    "min(1, bound / np.linalg.norm(g))": "bound / np.linalg.norm(g)",
    'gate["f"] * c_before + gate["i"] * gate["g"]': 'gate["i"] * c_before + gate["f"] * gate["g"]',
    'gate["o"] * np.tanh(c))': 'np.tanh(gate["o"] * c))',
    "(1 - np.tanh(c[:, t]) ** 2) + later_c": "(1 - np.tanh(c[:, t]) ** 2)",
    'dh_t * gate["o"][:, t] * (1 -': "dh_t * (1 -",
    'assert same(later_c, dc_t * gate["f"][:, t])': 'assert same(later_c, dc_t * gate["i"][:, t])',
    "np.gradient(s, grid), s * (1 - s)": "np.gradient(s, grid), s * (1 + s)",
    "tanh(grid), grid), 1 - np.tanh(grid) ** 2": "tanh(grid), grid), 1 - np.tanh(grid)",
    "2 / (1 + np.exp(-2 * grid)) - 1": "2 / (1 + np.exp(-grid)) - 1",
    "(r * h) @ U_g)": "r * (h @ U_g))",
    "return (1 - z) * h + z * g": "return z * h + (1 - z) * g",
    "kept = dh_1 * (1 - z)": "kept = dh_1 * z",
    "da_z = dh_1 * (g - h_0) * z * (1 - z)": "da_z = dh_1 * (g + h_0) * z * (1 - z)",
    "da_r = (da_g @ U_g.T) * h_0 * r": "da_r = (da_g @ U_g.T) * r",
    "np.concatenate([U_z, U_r], axis=1)": "np.concatenate([U_r, U_z], axis=1)",
    "if (T - t) % cut else": "if t % cut else",
    "cell.recurrent_kernel), before.T @ expected": "cell.recurrent_kernel), hs.T @ expected",
    "known = np.concatenate([y_0[None], truth[:-1]])": "known = truth",
    "h = np.tanh(from_x + known @ U)": "h = np.tanh(known @ U)",
    "return h, h @ V_y + b_y": "return h, h @ V_y",
    "@ V_y.T * (1 - h**2)": "@ V_y.T",
}


def run(slip: str | None = None) -> None:
    """The blocks up to the one with the slip; those that only compare with layers are left out."""
    names: dict[str, object] = {"__name__": "page", "keras": keras, "rnnkit": rnnkit}
    for line, code in blocks(PAGE, "python"):
        here = slip is not None and slip in code
        if "rnnkit." in code and not here:
            continue
        code = code.replace(slip, SLIPS[slip]) if here else code
        exec(compile("\n" * (line - 1) + code, str(PAGE), "exec"), names)
        if here:
            return


@pytest.mark.parametrize("slip", SLIPS)
def test_a_wrong_formula_is_noticed(slip):
    """A reader can trust each line: with a slip in it the page would not have passed."""
    assert slip in PAGE.read_text("utf-8"), "the page has changed: change the slip with it"
    with pytest.raises(AssertionError):
        run(slip)


def test_without_a_slip_nothing_is_noticed():
    """So that what the slips show is due to the slips."""
    run()


def test_every_block_that_checks_a_formula_has_a_slip():
    """Blocks that call rnnkit are left out above, but for the one with the slip: each has one."""
    for line, code in blocks(PAGE, "python"):
        if "assert same(" in code:
            assert any(slip in code for slip in SLIPS), f"{PAGE.name}:{line}"
