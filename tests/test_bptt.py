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
    "joined = np.concatenate([before, x], axis=1)": "joined = np.concatenate([hs, x], axis=1)",
    "return np.diag(1 - hs[j] ** 2) @ W_h.T": "return W_h.T @ np.diag(1 - hs[j] ** 2)",
    "for j in range(t, k, -1):": "for j in range(t, k + 1, -1):",
    "tiny @ np.linalg.matrix_power(W_h, T - 1)": "tiny @ np.linalg.matrix_power(W_h.T, T - 1)",
    "(1 - np.tanh(c[:, t]) ** 2) + later_c": "(1 - np.tanh(c[:, t]) ** 2)",
    'dh_t * gate["o"][:, t] * (1 -': "dh_t * (1 -",
    'assert same(later_c, dc_t * gate["f"][:, t])': 'assert same(later_c, dc_t * gate["i"][:, t])',
    "if (T - t) % cut else": "if (t + 1) % cut else",
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
