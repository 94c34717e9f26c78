"""What the pictures of a diagnosis say of the curves in them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

import rnnkit
from pipelines.diagnosis_plots import gates


def test_a_gate_says_which_share_is_kept():
    """Side by side, an update gate that renews and one that keeps would be read as the same."""
    x, names = np.ones((1, 4, 2)), ("lstm", "gru", "gru_reset_after", "mgu")
    flows = {
        name: rnnkit.gradient_flow(
            rnnkit.RNN(rnnkit.CELLS[name](3), return_sequences=True),
            (x, np.zeros((1, 4, 3))),
            "mse",
            steps=[],
        )
        for name in names
    }
    figure = gates(SimpleNamespace(title="", main="", drawn="", details=flows))
    told = {
        axes.get_title(): {text.get_text() for text in axes.get_legend().get_texts()}
        for axes in figure.axes
        if axes.get_legend() is not None
    }
    always = {"share kept"}
    assert told == {
        "lstm": always | {"forget f, 1 keeps", "store i", "output o"},
        "gru": always | {"update z, 1 renews", "reset r"},
        "gru_reset_after": always | {"update z, 1 keeps", "reset r"},
        "mgu": always | {"forget f, 1 renews"},
    }
