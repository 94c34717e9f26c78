"""What the pictures of a diagnosis say: each line, colour and point is the number it stands for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import rnnkit
from pipelines import diagnosis_plots
from pipelines.diagnosis import Diagnosis
from pipelines.diagnosis_plots import gates
from rnnkit.gradient_flow import GradientFlow, LayerFlow

STEPS = 9


def layer(name: str, maps: dict[str, np.ndarray], **eigenvalues: list[complex]) -> LayerFlow:
    """What was measured of a layer: norms that the test has made up."""
    return LayerFlow(
        name=name,
        gradients={},
        maps=maps,
        eigenvalues={gate: np.array(values) for gate, values in eigenvalues.items()},
        spectral_radius={gate: max(map(abs, values)) for gate, values in eigenvalues.items()},
        traced={},
        kept=None,
        real=np.ones((1, STEPS), bool),
        saturation={},
    )


def flow(norm: float, *layers: LayerFlow, steps: tuple[int, ...] = (STEPS - 1,)) -> GradientFlow:
    """A model whose gradient of all weights has this norm."""
    return GradientFlow(1.0, np.ones(STEPS), np.array(steps), list(layers), {"w": norm})


def norms(seed: int, rows: int = 1) -> np.ndarray:
    return 10 ** np.random.default_rng(seed).uniform(-6, 2, size=(rows, STEPS))


def diagnosis(columns: dict[str, dict[str, GradientFlow]], clip_norm: float = 1.0) -> Diagnosis:
    return Diagnosis("title", columns, list(columns)[-1], clip_norm)


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """The figures that `rnnkit diagnose` would save, by the names of their files."""

    def draw(of: Diagnosis) -> dict[str, Figure]:
        figures: dict[str, Figure] = {}

        def save(figure: Figure, path: Path) -> None:
            figures[path.name] = figure

        monkeypatch.setattr(diagnosis_plots, "save_figure", save)
        paths = diagnosis_plots.draw(of, tmp_path)
        assert [path.name for path in paths] == list(figures)
        return figures

    return draw


def legend(figure: Figure) -> list[tuple[str, Any, str]]:
    """Label, colour and style of each line of the legend below."""
    (found,) = figure.legends
    lines = zip(found.get_texts(), found.get_lines(), strict=True)
    return [(text.get_text(), line.get_color(), line.get_linestyle()) for text, line in lines]


def test_lines_are_the_norms_of_the_last_loss_and_below_them_the_clipped_ones(drawn):
    """Else the lower row would show what clipping never does, or hide what it does."""
    steps = (2, 5, STEPS - 1)
    columns = {
        "first": {
            "vanilla": flow(0.5, layer("rnn", {"h": norms(1, 3)}), steps=steps),
            "lstm": flow(4.0, layer("rnn", {"h": norms(2, 3), "c": norms(3, 3)}), steps=steps),
        },
        "second": {
            "vanilla": flow(20.0, layer("rnn", {"h": norms(4)})),
            "lstm": flow(0.1, layer("rnn", {"h": norms(5), "c": norms(6)})),
        },
    }
    factors = {"first": (1, 0.5, 0.5), "second": (0.1, 1, 1)}  # 2 / norm where that is below 1
    told = [("vanilla: h", "C0", "-"), ("lstm: h", "C1", "-"), ("lstm: c", "C1", "--")]
    figure = drawn(diagnosis(columns, clip_norm=2.0))["gradients.png"]
    assert legend(figure) == told
    upper, lower = np.array(figure.axes).reshape(2, 2)
    for above, below, (heading, flows) in zip(upper, lower, columns.items(), strict=True):
        assert above.get_title() == heading
        maps = [array for each in flows.values() for array in each.layers[0].maps.values()]
        lines = zip(above.lines, below.lines, maps, factors[heading], strict=True)
        for line, clipped, norm, factor in lines:
            np.testing.assert_array_equal(line.get_xdata(), np.arange(1, STEPS + 1))
            np.testing.assert_array_equal(clipped.get_xdata(), line.get_xdata())
            np.testing.assert_allclose(line.get_ydata(), norm[-1])
            np.testing.assert_allclose(clipped.get_ydata(), factor * norm[-1])
        for axes in (above, below):
            seen = [(line.get_color(), line.get_linestyle()) for line in axes.lines]
            assert seen == [(colour, style) for _, colour, style in told]
            assert axes.get_yscale() == "log"
            assert axes.get_ylim() == upper[0].get_ylim()  # or heights could not be compared
    assert [axes.get_title() for axes in lower] == [
        "scaled: vanilla by 1, lstm by 0.5",
        "scaled: vanilla by 0.1, lstm by 1",
    ]
    assert "not clipped" in upper[0].get_ylabel()
    assert lower[0].get_ylabel() == "clipped to norm 2"


def test_the_layers_of_one_model_have_a_line_each(drawn):
    """Of a run, whose layers stand side by side."""
    low, high = norms(1), norms(2)
    stack = flow(1.0, layer("low", {"h": low}), layer("high", {"h": high}))
    figure = drawn(diagnosis({"before": {"gru": stack}, "after": {"gru": stack}}))["gradients.png"]
    assert [label for label, *_ in legend(figure)] == ["gru, low: h", "gru, high: h"]
    for axes in figure.axes:
        assert [line.get_color() for line in axes.lines] == ["C0", "C1"]
        for line, expected in zip(axes.lines, (low, high), strict=True):
            np.testing.assert_allclose(line.get_ydata(), expected[0])


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_what_has_vanished_or_exploded_leaves_an_upright_picture(drawn, size):
    """With every line beyond the scale, up stays up; zero and infinity break nothing."""
    values = size * norms(1)
    values[0, :2] = 0, np.inf
    figure = drawn(diagnosis({"only": {"gru": flow(1.0, layer("rnn", {"h": values}))}}))
    for axes in figure["gradients.png"].axes:
        bottom, top = axes.get_ylim()
        assert 0 < bottom < top
        np.testing.assert_allclose(axes.lines[0].get_ydata(), [np.nan, np.nan, *values[0, 2:]])


def test_reach_is_the_loss_of_step_t_upwards_and_the_step_k_across(drawn):
    """With k and t swapped, the later steps would seem to learn from the earlier losses."""
    steps = np.arange(STEPS)
    before = steps[:, None] - steps  # t - k
    own = 10.0 ** (steps % 3)  # |dL_t/dh_t|, of each t another
    fades = own[:, None] * np.where(before >= 0, 10.0**-before, 0)
    some = (1, 4, STEPS - 1)
    flows = {
        "all": flow(1.0, layer("rnn", {"h": fades, "c": norms(1, STEPS)}), steps=tuple(steps)),
        "some": flow(1.0, layer("rnn", {"h": fades[some, :]}), steps=some),
    }
    figure = drawn(diagnosis({"main": flows}))["reach.png"]
    for axes, (name, rows) in zip(figure.axes, {"all": steps, "some": some}.items(), strict=False):
        (mesh,) = axes.collections
        rows = np.array(rows)
        shown = np.ma.filled(mesh.get_array(), np.nan)
        np.testing.assert_allclose(shown, np.where(before >= 0, -before, np.nan)[rows], atol=1e-9)
        corners = mesh.get_coordinates()  # (rows + 1, steps + 1, x and y)
        np.testing.assert_allclose(corners[0, :, 0], np.arange(STEPS + 1) + 0.5)
        edges = corners[:, 0, 1]
        assert np.all((edges[:-1] < rows + 1) & (rows + 1 < edges[1:]))
        assert (edges[0], edges[-1]) == (0.5, STEPS + 0.5)
        assert axes.get_title() == name
        assert "step k" in axes.get_xlabel()
        assert mesh.norm.vmin == -mesh.norm.vmax  # what neither grows nor fades is in the middle
    assert "step t" in figure.axes[0].get_ylabel()


def test_one_step_followed_back_is_no_map(drawn):
    """A single row would be a picture of nothing."""
    flows = {"gru": flow(1.0, layer("rnn", {"h": norms(1)}))}
    assert set(drawn(diagnosis({"main": flows}))) == {"gradients.png"}


def test_eigenvalues_stand_where_they_are_beside_the_unit_circle(drawn):
    """Whether a matrix explodes is read from which points lie outside of the circle."""
    values = {"f": [0.6 + 0.8j, 0.6 - 0.8j, -0.3], "i": [1.5, 0.25j, -0.25j]}
    flows = {
        "lstm": flow(1.0, layer("rnn", {"h": norms(1)}, **values)),
        "vanilla": flow(1.0, layer("rnn", {"h": norms(2)}, h=[0.5])),
    }
    figure = drawn(diagnosis({"main": flows}))["spectra.png"]
    for axes, name, expected in zip(figure.axes, flows, (values, {"h": [0.5]}), strict=True):
        circle, *points = axes.lines
        np.testing.assert_allclose(np.hypot(*circle.get_data()), 1)
        for line, found in zip(points, expected.values(), strict=True):
            x, y = line.get_data()
            np.testing.assert_allclose(x + 1j * y, found)
            assert (line.get_marker(), line.get_linestyle()) == ("o", "None")
        assert axes.get_title() == name
        assert axes.get_aspect() == 1  # a circle looks like one
        assert (axes.get_xlabel(), figure.axes[0].get_ylabel()) == ("real", "imaginary")
    told = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in figure.axes]
    assert told == [["f: radius 1.00", "i: radius 1.50"], ["h: radius 0.50"]]


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
