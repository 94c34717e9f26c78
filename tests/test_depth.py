"""What docs/depth.md says of sixty epochs; that its code runs, `tests/test_readme.py` shows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.test_readme import ROOT, blocks

PAGE = ROOT / "docs" / "depth.md"


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(8))
def test_sixty_epochs_learn_parity(seed, record_property):
    """98 % of the answers at 8 steps whatever the depth, and at 32 by deep transition."""
    swaps = {
        "epochs=2": "epochs=60",
        "set_random_seed(0)": f"set_random_seed({seed})",
        "rnnkit.testing.check_cell(DeepTransitionCell(4))\n": "",
        'serializable("docs")': f'serializable("depth{seed}")',  # the page's own may be there
    }
    plain = """none = fit(
        rnnkit.RNN(rnnkit.VanillaCell(16), return_sequences=True),
        keras.layers.Dense(1, activation="sigmoid"),
    )"""
    page = "".join(code for _, code in blocks(PAGE, "python") if "fit(" in code)
    for old, new in swaps.items():
        assert page.count(old) == 1, old
        page = page.replace(old, new)
    names: dict = {"__name__": "page"}
    exec(compile(page + plain, str(PAGE), "exec"), names)

    every = np.array(list(itertools.product((0.0, 1.0), repeat=8)))  # what 8 bits can be
    longer = np.random.default_rng(1).integers(0, 2, size=(512, 32)).astype("float64")
    right = {
        (place, bits.shape[1]): np.mean(
            (names[place].predict(bits[..., None], verbose=0)[..., 0] > 0.5)
            == np.cumsum(bits, axis=1) % 2
        )
        for place in ("none", "stacked", "deep_transition", "deep_output")
        for bits in (every, longer)
    }
    for (place, steps), share in right.items():
        record_property(f"% of {steps} bits by {place}", f"{100 * share:.1f}")
    assert all(share > 0.98 for (_, steps), share in right.items() if steps == 8)
    assert right["deep_transition", 32] > 0.98
