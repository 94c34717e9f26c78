"""Pictures of a diagnosis: gradients through time, where each loss reaches, gates, spectra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pipelines.diagnosis import Diagnosis
from pipelines.figures import save_figure
from rnnkit.gradient_flow import GradientFlow, LayerFlow

COLOURS = [f"C{number}" for number in range(10)]
FLOOR, CEILING = 1e-16, 1e16  # beyond them a line leaves the picture: vanished, exploded
ROLES = {  # what a gate does, in the words of the lectures
    "f": "forget f",
    "i": "store i",
    "z": "update z",
    "r": "reset r",
    "o": "output o",
}


def draw(diagnosis: Diagnosis, folder: Path) -> list[Path]:
    """Writes every picture into `folder` and returns the paths.

    Raises:
        UserError: `folder` cannot be written.
    """
    pictures = {
        "gradients.png": gradients,
        "reach.png": reach,
        "gates.png": gates,
        "spectra.png": spectra,
    }
    paths = []
    for name, picture in pictures.items():
        figure = picture(diagnosis)
        if figure is not None:
            save_figure(figure, folder / name)
            paths.append(folder / name)
    return paths


def gradients(diagnosis: Diagnosis) -> Figure:
    """How much of the last step's loss reaches each step, as it is and after clipping.

    A column a state of the model, a row with and one without clipping; a line a state (h, c).
    """
    columns = diagnosis.columns
    figure, grid = _panels(diagnosis.title, 2, len(columns), (4.2, 3.1))
    lowest, highest = np.inf, 0.0
    for column, (heading, flows) in enumerate(columns.items()):
        for row, axes in enumerate(grid[:, column]):
            for number, (label, layer, state, colour) in enumerate(_lines(flows)):
                flow = flows[label]
                factor = flow.clipped(diagnosis.clip_norm) if row else 1.0
                norms = factor * layer.maps[state][-1]
                norms = np.where(np.isfinite(norms) & (norms > 0), norms, np.nan)
                style = "--" if state == "c" else "-"
                steps = np.arange(1, len(norms) + 1)
                axes.plot(steps, norms, style, color=colour, lw=1.8, zorder=3 + number)
                if np.isfinite(norms).any():
                    lowest = min(lowest, np.nanmin(norms))
                    highest = max(highest, np.nanmax(norms))
            axes.set_yscale("log")
            axes.grid(alpha=0.25)
            if row == 0:
                axes.set_title(heading, fontsize=11)
            else:
                factors = (
                    f"{label} by {flow.clipped(diagnosis.clip_norm):.2g}"
                    for label, flow in flows.items()
                )
                axes.set_title(f"scaled: {', '.join(factors)}", fontsize=8, color="dimgray")
                axes.set_xlabel("step k")
    if highest > 0:
        for axes in grid.flat:
            axes.set_ylim(np.clip((lowest, highest), FLOOR, CEILING) * (1 / 3, 3))
    grid[0, 0].set_ylabel("|∂L$_T$/∂h$_k$|, not clipped")
    grid[1, 0].set_ylabel(f"clipped to norm {diagnosis.clip_norm:g}")
    handles = _legend(next(iter(columns.values())))
    figure.legend(handles=handles, loc="outside lower center", ncols=6, frameon=False)
    return figure


def reach(diagnosis: Diagnosis) -> Figure | None:
    """Which steps the loss of each step t reaches: |dL_t/dh_k|, against its value at k = t."""
    flows = diagnosis.details
    if any(len(flow.steps) < 2 for flow in flows.values()):
        return None
    shown = _shown(flows)
    figure, grid = _panels(f"{diagnosis.title}\n{diagnosis.main}", 1, len(shown), (3.9, 3.4))
    image: Any = None
    for axes, (label, layer, flow) in zip(grid[0], shown, strict=True):
        values = next(iter(layer.maps.values()))
        at_home = values[np.arange(len(flow.steps)), flow.steps][:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = np.log10(values / at_home)
        depth[values == 0] = np.nan
        steps = values.shape[1]
        middles = (flow.steps[:-1] + flow.steps[1:]) / 2 + 1
        edges = np.concatenate([[0.5], middles, [steps + 0.5]])
        image = axes.pcolormesh(
            np.arange(steps + 1) + 0.5, edges, depth, cmap="RdYlBu_r", vmin=-8, vmax=8
        )
        axes.set(title=label, xlabel="step k that learns")
    grid[0, 0].set_ylabel("step t whose loss it is")
    bar = figure.colorbar(image, ax=grid[0].tolist(), extend="both")
    bar.set_label("log$_{10}$ |∂L$_t$/∂h$_k$| / |∂L$_t$/∂h$_t$|")
    return figure


def gates(diagnosis: Diagnosis) -> Figure | None:
    """The gates over one sequence, and below the share of its state that each unit keeps."""
    shown = [each for each in _shown(diagnosis.details) if each[1].kept is not None]
    if not shown:
        return None
    figure, grid = _panels(
        f"{diagnosis.title}\n{diagnosis.main}, {diagnosis.drawn}", 2, len(shown), (4.6, 2.9)
    )
    image: Any = None
    for column, (label, layer, _) in enumerate(shown):
        assert layer.kept is not None  # as chosen above
        upper, lower = grid[:, column]
        real = layer.real[0]
        steps = np.arange(1, real.sum() + 1)
        for number, (name, role) in enumerate(ROLES.items()):
            if name not in layer.traced:
                continue
            gate = layer.traced[name][0, real]
            colour = COLOURS[number]
            meaning = _meaning(gate, layer.kept[0, real])
            upper.plot(steps, gate.mean(1), color=colour, lw=1.6, label=role + meaning)
            low, high = np.quantile(gate, (0.1, 0.9), axis=1)
            upper.fill_between(steps, low, high, color=colour, alpha=0.12, lw=0)
        kept = layer.kept[0, real]
        upper.plot(steps, kept.mean(1), color="black", lw=1.2, ls=":", label="share kept")
        upper.set(title=label, ylim=(-0.02, 1.02), xlim=(0.5, len(kept) + 0.5))
        upper.grid(alpha=0.25)
        upper.legend(fontsize=8, loc="best", ncols=2, framealpha=0.85)
        order = np.argsort(-kept.mean(0), kind="stable")
        image = lower.imshow(
            kept[:, order].T,
            aspect="auto",
            interpolation="nearest",
            extent=(0.5, len(kept) + 0.5, kept.shape[1] + 0.5, 0.5),
            vmin=0,
            vmax=1,
        )
        for axis in (upper.xaxis, lower.xaxis, lower.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
        lower.set(xlabel="step", ylabel="unit, longest memory first" if column == 0 else "")
    grid[0, 0].set_ylabel("gate: mean of units, 10 to 90 %")
    figure.colorbar(image, ax=grid[1].tolist(), label="share of the state kept")
    return figure


def _meaning(gate: np.ndarray, kept: np.ndarray) -> str:
    """What 1 of a gate does to the old state: one GRU's z renews it, the other's keeps it."""
    if np.allclose(gate, kept):
        return ", 1 keeps"
    return ", 1 renews" if np.allclose(gate, 1 - kept) else ""


def spectra(diagnosis: Diagnosis) -> Figure | None:
    """The eigenvalues of W_h, gate by gate, beside the circle of radius 1."""
    shown = [each for each in _shown(diagnosis.details) if each[1].eigenvalues]
    if not shown:
        return None
    figure, grid = _panels(f"{diagnosis.title}\n{diagnosis.main}", 1, len(shown), (3.9, 4.2))
    circle = np.exp(1j * np.linspace(0, 2 * np.pi, 200))
    for axes, (label, layer, _) in zip(grid[0], shown, strict=True):
        axes.plot(circle.real, circle.imag, color="gray", lw=0.8)
        for number, (name, values) in enumerate(layer.eigenvalues.items()):
            radius = layer.spectral_radius[name]
            values = np.asarray(values, complex)
            axes.plot(
                values.real,
                values.imag,
                "o",
                ms=3.5,
                mew=0,
                alpha=0.75,
                color=COLOURS[number],
                label=f"{name}: radius {radius:.2f}",
            )
        axes.set(title=label, xlabel="real", aspect="equal")
        axes.grid(alpha=0.25)
        axes.legend(
            fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False
        )
    grid[0, 0].set_ylabel("imaginary")
    return figure


def _panels(
    title: str, rows: int, columns: int, size: tuple[float, float]
) -> tuple[Figure, np.ndarray]:
    """A figure with a grid of panels, all of `size` in inches."""
    figure = Figure(figsize=(size[0] * columns + 1.2, size[1] * rows + 0.5), layout="constrained")
    figure.suptitle(title, fontsize=12, parse_math=False)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _shown(flows: dict[str, GradientFlow]) -> list[tuple[str, LayerFlow, GradientFlow]]:
    """What has a panel of its own: each model's first layer, or all layers of a single model."""
    if len(flows) > 1:
        return [(label, flow.layers[0], flow) for label, flow in flows.items()]
    ((label, flow),) = flows.items()
    return [(f"{label}, {layer.name}", layer, flow) for layer in flow.layers]


def _lines(flows: dict[str, GradientFlow]) -> list[tuple[str, LayerFlow, str, Any]]:
    """A line a state of what is shown: (name of the model, layer, state, colour)."""
    labels = list(flows) if len(flows) > 1 else list(flows) * len(next(iter(flows.values())).layers)
    return [
        (label, layer, state, COLOURS[number % len(COLOURS)])
        for number, (label, (_, layer, _)) in enumerate(zip(labels, _shown(flows), strict=True))
        for state in layer.maps
    ]


def _legend(flows: dict[str, GradientFlow]) -> list[Any]:
    names = [name for name, layer, _ in _shown(flows) for _ in layer.maps]
    return [
        Line2D([], [], color=colour, ls="--" if state == "c" else "-", label=f"{name}: {state}")
        for name, (_, _, state, colour) in zip(names, _lines(flows), strict=True)
    ]
