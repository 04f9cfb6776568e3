"""Scores of two networks' layers: a map for each pair of lines, and a table of the layers that have the same number."""

from collections.abc import Mapping, Sequence
from itertools import product
from statistics import fmean

from matplotlib.figure import Figure

from hubert_iter.report import curves as scores
from hubert_iter.report import style
from hubert_iter.report.figures import Canvas, matrix
from hubert_iter.report.read import Measured
from hubert_iter.report.section import Table, number
from hubert_iter.runs import Run

MOST_LINES = 10
"""Of more lines the maps would be too small to read."""
Maps = dict[tuple[str, str], dict[tuple[str, str], float]]
"""(line, other line) -> (layer, other layer) -> mean over pairs of networks."""


def figures(canvas: Canvas, section: str, measured: Measured, specs: Mapping[str, Run], lines: Sequence[str]) -> None:
    """Maps of all pairs in one figure, for each metric."""
    for metric in measured.measure.metrics:
        found = _maps(measured, specs, metric.name)
        shown = [line for line in lines if (line, line) in found][:MOST_LINES]
        side = 1.2 + 1.5 * len(shown)
        if shown:
            what = f"{metric.label} between the layers of each pair of runs"
            with canvas.figure(f"{section}_{metric.name}", section, what, (side, side)) as figure:
                _draw(figure, found, shown, metric.label)


def tables(measured: Measured, specs: Mapping[str, Run], lines: Sequence[str]) -> list[Table]:
    """Layers down, pairs of lines across: the score of both lines' layers of that number."""
    found_tables = []
    for metric in measured.measure.metrics:
        found = _maps(measured, specs, metric.name)
        pairs = [(a, b) for a in lines for b in lines if (a, b) in found and _differ(found[a, b])]
        layers = sorted({a for pair in pairs for a, b in found[pair] if a == b}, key=scores.position)
        rows = [[layer, *(number(found[pair].get((layer, layer))) for pair in pairs)] for layer in layers]
        if rows:
            header = ["layer", *(f"{a}, other networks" if a == b else f"{a} ~ {b}" for a, b in pairs)]
            found_tables.append(Table(f"{metric.label} of the same layer of two networks", header, rows))
    return found_tables


def _maps(measured: Measured, specs: Mapping[str, Run], metric: str) -> Maps:
    """A line with itself means its networks with each other, or a single network with itself."""
    values: dict[tuple[str, str], dict[bool, dict[tuple[str, str], list[float]]]] = {}
    for row in measured.pairs:
        if row["metric"] != metric:
            continue
        pair = scores.line_of(row["run"], specs), scores.line_of(row["other"], specs)
        itself = row["run"] == row["other"]
        cells = values.setdefault(pair, {}).setdefault(itself, {})
        cells.setdefault((row["layer"], row["other_layer"]), []).append(float(row["value"]))
    return {
        pair: {key: fmean(given) for key, given in kinds.get(False, kinds.get(True, {})).items()}
        for pair, kinds in values.items()
    }


def _differ(cells: Mapping[tuple[str, str], float]) -> bool:
    """False for a network compared with itself, whose layers are alike by definition."""
    return any(a == b and value < 1 - 1e-6 for (a, b), value in cells.items())


def _draw(figure: Figure, found: Maps, lines: Sequence[str], label: str) -> None:
    grid = figure.subplots(len(lines), len(lines), squeeze=False)
    for axes, (line, other) in zip(grid.flat, product(lines, lines), strict=True):
        cells = found.get((line, other))
        if cells is None:
            axes.set_axis_off()
            continue
        down, across = (sorted(set(taps), key=scores.position) for taps in zip(*cells, strict=True))
        mesh = matrix(axes, cells, down, across)
        axes.set_aspect("equal")
        axes.set_xticks([0.5, len(across) - 0.5], [across[0], across[-1]], fontsize=7)
        axes.set_yticks([0.5, len(down) - 0.5], [down[0], down[-1]], fontsize=7)
        if line == lines[-1]:
            axes.set_xlabel(other, fontsize=8)
        if other == lines[0]:
            axes.set_ylabel(line, fontsize=8)
    figure.colorbar(mesh, ax=grid, shrink=0.5).set_label(label, color=style.MUTED)
