"""Figures of the scores by any measure: over layers, and over layers and updates."""

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hubert_iter.analysis.measure import Measure, Metric
from hubert_iter.report import curves as scores
from hubert_iter.report import style

PANEL = (4.8, 3.4)
MOST_DIRECT_LABELS = 8
FAR = 0.5
"""Where no curve reaches this share of a line, the axis ends above the curves."""
TOUCHING = 0.05
"""Lines closer than this share of the highest curve have one name."""
SMALL = {"fontsize": 8, "color": style.MUTED}
# One hue from light to dark, so that the order survives in grey print and for colour-blind readers.
RAMP = LinearSegmentedColormap.from_list("ramp", ["#eaf2fb", "#8fbbe9", "#2a78d6", "#12305c"], N=40)


@dataclass(frozen=True)
class Drawing:
    """One figure that has been written: its name, its section of the page, what it shows, and its SVG."""

    name: str
    section: str
    description: str
    svg: str


@dataclass(frozen=True)
class Look:
    """The lines that are drawn, in order, and how each looks."""

    lines: Sequence[str]
    styles: Mapping[str, style.RunStyle]


@dataclass
class Canvas:
    """Where figures are written, and the drawings so far."""

    folder: Path
    drawings: list[Drawing]

    @contextmanager
    def figure(self, name: str, section: str, description: str, size: tuple[float, float] = PANEL) -> Iterator[Figure]:
        """Give an empty figure of `size` inches to draw on; save it afterwards."""
        with matplotlib.rc_context(style.SETTINGS):
            figure = Figure(figsize=size, layout="constrained")
            yield figure
            svg = style.save(figure, self.folder, name)
        self.drawings.append(Drawing(name, section, description, svg))


def layers(
    canvas: Canvas, section: str, curves: scores.Curves, measure: Measure, look: Look, sections: Container[str]
) -> None:
    """One panel for each drawn metric and property; and all side by side, under the section's name, for documents.

    `sections` are those of the page: a metric that belongs beside another measure's is drawn there.
    """
    panels = [(metric, prop) for metric in measure.metrics if metric.drawn for prop in curves.of(metric.name)]
    for metric, prop in panels:
        what = f"{prop}: {metric.label} of each run over the layers, with what it is to be compared with"
        place = metric.beside if metric.beside in sections else section
        with canvas.figure(f"{section}_{metric.name}_{prop}", place, what) as figure:
            axes = figure.add_subplot()
            _Panel(axes, curves, metric, prop, look).draw(direct=True)
            if place != section:  # among others' panels it says whose it is
                axes.set_title(f"{prop}: {metric.label}\n{measure.variant}".rstrip(), fontsize=8)
    if not panels:
        return
    size = (4.2 * len(panels), 3.7)
    with canvas.figure(section, "documents", f"{section} over the layers", size) as figure:
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (metric, prop) in zip(grid, panels, strict=True):
            _Panel(axes, curves, metric, prop, look).draw(direct=False)
        handles, names = grid[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 5))


def checkpoints(canvas: Canvas, curves: scores.Curves, metrics: Sequence[Metric], lines: Sequence[str]) -> None:
    """Heat maps over layers and updates, for lines that were scored at several updates."""
    shown = [(metric, prop) for metric in metrics if metric.course for prop in curves.of(metric.name)]
    for line, (metric, prop) in product(lines, shown):
        cells = {
            (update, layer): point.mean
            for update in curves.updates(line)
            for layer, point in curves.points.get((line, update, prop, metric.name), {}).items()
        }
        updates = sorted({update for update, _layer in cells})
        if len(curves.updates(line)) < 2 or not updates:
            continue
        taps = sorted({layer for _update, layer in cells}, key=scores.position)
        name, what = f"{line}_{metric.name}_{prop}", f"{prop}: {metric.label} of {line} over layers and updates"
        size = (4.8, 1.6 + 0.28 * len(curves.updates(line)))
        with canvas.figure(f"checkpoints_{name}", "checkpoints", what, size) as figure:
            axes = figure.add_subplot()
            mesh = matrix(axes, cells, updates, taps, max(cells.values()), edgecolors=style.SURFACE, linewidth=1)
            axes.set_xticks(middles(taps), taps, fontsize=9)
            axes.set_yticks(middles(updates), [f"{update:,}" for update in updates], fontsize=9)
            axes.set(title=f"{line}: {prop}", xlabel="layer", ylabel="updates")
            figure.colorbar(mesh, label=metric.label)


def matrix(axes: Axes, cells: Mapping, down: Sequence, across: Sequence, most: float = 1.0, **edges) -> QuadMesh:
    """A square for each of the cells, (row, column) -> value from 0 to `most`; the first row is the lowest."""
    axes.grid(False)
    values = [[cells.get((row, column), math.nan) for column in across] for row in down]
    return axes.pcolormesh(values, cmap=RAMP, vmin=0, vmax=most, **edges)


def middles(places: Sequence) -> list[float]:
    """Where the middles of a matrix's rows or columns are."""
    return [place + 0.5 for place in range(len(places))]


def label_ends(axes: Axes, ends: list[tuple[str, float, style.RunStyle]]) -> None:
    """Name the lines at the right edge, moved apart where they would overlap; many lines get a legend instead."""
    if not ends:
        return
    if len(ends) > MOST_DIRECT_LABELS:
        looks = [Line2D([], [], marker=look.marker, color=look.hex, alpha=look.alpha) for _name, _value, look in ends]
        axes.legend(looks, [name for name, _value, _look in ends], fontsize=8, ncols=2)
        return
    low, high = axes.get_ylim()
    wanted = [(value - low) / (high - low) for _name, value, _style in ends]
    for (name, _value, run_style), height in zip(ends, spread(wanted, 0.058), strict=True):
        axes.plot(
            [1.03], [height], run_style.marker, color=run_style.hex, transform=axes.transAxes, clip_on=False, ms=4.5,
            alpha=run_style.alpha,
        )  # fmt: skip
        text = name if len(name) <= 18 else name[:17] + "…"
        axes.text(1.06, height, text, transform=axes.transAxes, va="center", fontsize=9)


def spread(wanted: list[float], gap: float) -> list[float]:
    """Move heights in 0..1 apart by at least `gap`, each as near as it can stay to where it wants to be."""
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    groups: list[list[int]] = []

    def heights(group: list[int]) -> list[float]:
        middle = math.fsum(wanted[place] for place in group) / len(group)
        half = gap * (len(group) - 1) / 2
        middle = min(max(middle, half), 1 - half)
        return [middle - half + gap * number for number in range(len(group))]

    for place in order:
        groups.append([place])
        # Two groups that touch become one around their common middle.
        while len(groups) > 1 and heights(groups[-2])[-1] + gap > heights(groups[-1])[0]:
            groups[-2:] = [groups[-2] + groups[-1]]
    out = [0.0] * len(wanted)
    for group in groups:
        for place, height in zip(group, heights(group), strict=True):
            out[place] = height
    return out


@dataclass(frozen=True)
class _Panel:
    """One metric of one property over the layers."""

    axes: Axes
    curves: scores.Curves
    metric: Metric
    prop: str
    look: Look

    def draw(self, direct: bool) -> None:
        """All lines, what they are to be compared with, and the axes; `direct`: name the lines at their ends."""
        axes, reached, ends = self.axes, [0.0] * (not self.metric.lower_is_better), []
        for line in self.look.lines:
            points = self.curves.last(line, self.prop, self.metric.name)
            if points:
                reached += self._line(line, points)
                ends.append((line, points[max(points, key=scores.position)].mean, self.look.styles[line]))
        reached += self._control()
        reached += self._lines(max(reached))
        low, high = min(reached), max(reached)
        room = (high - low) or 1.0
        axes.set_ylim(low - 0.03 * room, high + 0.08 * room)
        taps = self.curves.axis(self.look.lines, self.prop, self.metric.name)
        layer_ticks(axes, [scores.position(tap) for tap in taps])
        label = self.metric.label + (" (lower is better)" if self.metric.lower_is_better else "")
        axes.set(title=self.prop, xlabel="layer", ylabel=label)
        if direct:
            label_ends(axes, ends)

    def _line(self, line: str, points: dict[str, scores.Point]) -> list[float]:
        """Draw a line; the values that the axis must show."""
        look, reached = self.look.styles[line], []
        whole = [points[name] for name in scores.WHOLE if name in points]
        if whole:  # features without a network have no layers, a recogniser has all of them
            value = whole[0].mean
            self.axes.axhline(value, color=look.hex, dashes=look.dashes, linewidth=1.2, label=line)
            return [value]
        # conv is not joined: between it and layer 0 lie the positional convolutions and a LayerNorm.
        joined = {layer: point for layer, point in points.items() if layer.isdigit()}
        apart = {layer: point for layer, point in points.items() if layer not in joined}
        for part, name in ((joined, line), (apart, None)):
            taps = sorted(part, key=scores.position)
            x, y = [scores.position(tap) for tap in taps], [part[tap].mean for tap in taps]
            half = [part[tap].reach for tap in taps]
            low, high = [a - b for a, b in zip(y, half, strict=True)], [a + b for a, b in zip(y, half, strict=True)]
            self.axes.plot(x, y, marker=look.marker, color=look.hex, dashes=look.dashes, label=name, alpha=look.alpha)
            self.axes.fill_between(x, low, high, color=look.hex, alpha=0.18 * look.alpha, linewidth=0)
            if name is None:
                self.axes.errorbar(x, y, half, color=look.hex, linewidth=0, elinewidth=1.2, alpha=look.alpha)
            networks = [part[tap].networks for tap in taps]
            if networks and len(networks[0]) > 1:  # a thin line for each
                thin = {"linewidth": 0.7, "marker": "" if len(x) > 1 else "_", "markersize": 4}
                self.axes.plot(x, networks, color=look.hex, alpha=0.6 * look.alpha, **thin)
            # Two networks have an interval as wide as the panel; then their own values say where the axis ends.
            near = [value for values in networks if len(values) == 2 for value in values]
            reached += near or [*low, *high]
        return reached

    def _control(self) -> list[float]:
        """Draw what the control scores (range over the runs' intervals); the values that the axis must show."""
        found = [self.curves.last(line, self.prop, self.metric.control) for line in self.look.lines]
        taps = self.curves.axis(self.look.lines, self.prop, self.metric.control)
        if not taps:
            return []
        x = [scores.position(tap) for tap in taps]
        low = [min(points[tap].mean - points[tap].reach for points in found if tap in points) for tap in taps]
        high = [max(points[tap].mean + points[tap].reach for points in found if tap in points) for tap in taps]
        self.axes.fill_between(x, low, high, color=style.MUTED, alpha=0.25, linewidth=0.6)
        place = {"xytext": (0, 2), "textcoords": "offset points", "ha": "right"}
        self.axes.annotate(self.metric.control_label, (x[-1], high[-1]), **place, **SMALL)
        return [min(low), max(high)]

    def _lines(self, highest: float) -> list[float]:
        """Draw ceiling, chance and the like; far ones above are only named, lest all curves look flat."""
        facts = self.curves.facts.get(self.prop, {})
        given = sorted((value, f"{name} {value:.3f}") for name in self.metric.lines for value in facts.get(name, ()))
        far = [name for value, name in given if value > highest / FAR > 0]
        shown = [(value, name) for value, name in given if name not in far]
        near: list[tuple[float, str]] = []
        for value, name in shown:
            self.axes.axhline(value, color=style.MUTED, linewidth=1, dashes=(5, 3))
            if near and value - near[-1][0] < TOUCHING * highest:
                near[-1] = value, f"{near[-1][1]}, {name}"
            else:
                near.append((value, name))
        for value, names in near:
            self.axes.text(0.02, value, names, transform=self.axes.get_yaxis_transform(), va="bottom", **SMALL)
        if far:
            names = f"{', '.join(far)}, far above ↑"
            self.axes.text(0.02, 0.985, names, transform=self.axes.transAxes, va="top", **SMALL)
        return [value for value, _ in shown]


def layer_ticks(axes: Axes, positions: list[float]) -> None:
    """Name the taps on the axis of layers, conv apart on the left."""
    if not positions:  # features alone, which are drawn as lines across
        axes.set_xticks([])
        return
    numbers = [where for where in positions if where >= 0]
    step = 1 if len(numbers) <= 13 else 3
    ticks = [where for where in numbers if where % step == 0]
    conv = [where for where in positions if where < 0]
    axes.set_xticks(conv + ticks, ["conv"] * len(conv) + [f"{where:g}" for where in ticks], fontsize=9)
    axes.set_xlim(min(positions) - 0.5, max(positions) + 0.4)
