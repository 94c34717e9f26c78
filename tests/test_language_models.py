"""The checks of docs/language-models.md bite: no formula on the page could be wrong unnoticed.

That the page as it stands is right, `tests/test_readme.py` shows by running it.
"""

from __future__ import annotations

import pytest

from tests.test_readme import ROOT, blocks

PAGE = ROOT / "docs" / "language-models.md"

# What a careless hand writes: a line of the page -> the wrong one.
SLIPS = {
    "return scores / scores.sum()": "return scores / V",
    "for x in [V, *past]:": "for x in [V, *past[-1:]]:",
    "np.prod([chances(text[:t])[text[t]]": "np.prod([chances(text[: t + 1])[text[t]]",
    "-np.log(chances(text[:t])[text[t]])": "1 - chances(text[:t])[text[t]]",
    "probability(text) * -np.log(q(text))": "-np.log(q(text)) / len(texts)",
    "entropy = mean_cost(probability)": "entropy = mean_cost(lambda text: V**-T / 2)",
}


def run(slip: str | None = None) -> None:
    """The blocks up to the last in plain NumPy, with a slip in one of them."""
    names: dict[str, object] = {"__name__": "page"}
    for line, code in blocks(PAGE, "python"):
        if "pipelines." in code:
            continue
        if slip is not None:
            code = code.replace(slip, SLIPS[slip])
        exec(compile("\n" * (line - 1) + code, str(PAGE), "exec"), names)


@pytest.mark.parametrize("slip", SLIPS)
def test_a_wrong_formula_is_noticed(slip):
    """A reader can trust each line: with a slip in it the page would not have passed."""
    assert slip in PAGE.read_text("utf-8"), "the page has changed: change the slip with it"
    with pytest.raises(AssertionError):
        run(slip)


def test_without_a_slip_nothing_is_noticed():
    """So that what the slips show is due to the slips."""
    run()
