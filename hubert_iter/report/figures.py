"""Figures of the scores: CCA over layers, and over layers and updates."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from hubert_iter.report import curves as scores
from hubert_iter.report import style

PANEL = (4.8, 3.4)
MOST_DIRECT_LABELS = 8
FAR = 0.5
"""Where no curve reaches this share of the ceiling, the axis ends above the curves."""
# One hue from light to dark, so that the order survives in grey print and for colour-blind readers.
RAMP = LinearSegmentedColormap.from_list("ramp", ["#eaf2fb", "#8fbbe9", "#2a78d6", "#12305c"], N=40)


@dataclass(frozen=True)
class Drawing:
    """One figure that has been written: its name, its section of the page, what it shows, and its SVG."""

    name: str
    section: str
    description: str
    svg: str


@dataclass
class Canvas:
    """Where figures are written, and the drawings so far."""

    folder: Path
    drawings: list[Drawing]

    def add(self, name: str, section: str, description: str, draw: Callable[[Figure], None], size=PANEL) -> None:
        """Make a figure of `size` inches, let `draw` fill it, save it."""
        with matplotlib.rc_context(style.SETTINGS):
            figure = style.new_figure(*size)
            draw(figure)
            svg = style.save(figure, self.folder, name)
        self.drawings.append(Drawing(name, section, description, svg))


def layers(canvas: Canvas, curves: scores.Curves, runs: list[str], styles: dict[str, style.RunStyle]) -> None:
    """One panel per property, and all properties side by side as `layers` for documents."""
    properties = curves.properties()
    for prop in properties:
        canvas.add(
            f"layers_{prop}",
            "layers",
            f"{prop} PWCCA of each run over the layers, with ceiling and shuffled-label control",
            lambda figure, prop=prop: _layer_panel(figure.add_subplot(), curves, prop, runs, styles, True),
        )

    def together(figure: Figure) -> None:
        panels = figure.subplots(1, len(properties), squeeze=False)[0]
        for axes, prop in zip(panels, properties, strict=True):
            _layer_panel(axes, curves, prop, runs, styles, False)
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 5))

    if properties:
        canvas.add("layers", "documents", "PWCCA over the layers", together, (4.2 * len(properties), 3.7))


def checkpoints(canvas: Canvas, curves: scores.Curves, runs: list[str]) -> None:
    """Heat maps of PWCCA over layers and updates, for runs that were scored at several updates."""
    for run in runs:
        if len(curves.updates(run)) < 2:
            continue
        for prop in curves.properties():
            cells = {
                (update, layer): point.mean
                for update in curves.updates(run)
                for layer, point in curves.points.get((run, update, prop, scores.SCORE), {}).items()
            }
            if cells:
                canvas.add(
                    f"checkpoints_{run}_{prop}",
                    "checkpoints",
                    f"{prop} PWCCA of {run} over layers and updates",
                    lambda figure, run=run, prop=prop, cells=cells: _heat_map(figure, f"{run}: {prop}", cells),
                    (4.8, 1.6 + 0.28 * len(curves.updates(run))),
                )


def label_ends(axes: Axes, ends: list[tuple[str, float, style.RunStyle]]) -> None:
    """Name the lines at the right edge, moved apart where they would overlap; many lines get a legend instead."""
    if not ends:
        return
    if len(ends) > MOST_DIRECT_LABELS:
        axes.legend(fontsize=8, ncols=2)
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


def _layer_panel(axes: Axes, curves, prop: str, runs: list[str], styles, direct: bool) -> None:
    ends, highest, lowest = [], 0.0, 0.0
    ceilings = curves.facts.get(prop, {}).get("ceiling", ())  # several where networks differ in width
    taps = curves.layers(runs, prop)
    for run in runs:
        points = curves.last(run, prop)
        if not points:
            continue
        look = styles[run]
        numbered = sorted((scores.position(layer), point) for layer, point in points.items() if layer != "conv")
        # conv is not joined: between it and layer 0 lie the positional convolutions and a LayerNorm.
        apart = [(scores.position("conv"), points["conv"])] if "conv" in points else []
        for part, name in ((numbered, run), (apart, None)):
            x, y = [where for where, _point in part], [point.mean for _where, point in part]
            half = [0.0 if math.isnan(point.half) else point.half for _where, point in part]
            axes.plot(x, y, marker=look.marker, color=look.hex, dashes=look.dashes, label=name, alpha=look.alpha)
            low, high = [a - b for a, b in zip(y, half, strict=True)], [a + b for a, b in zip(y, half, strict=True)]
            axes.fill_between(x, low, high, color=look.hex, alpha=0.18 * look.alpha, linewidth=0)
            if name is None:
                axes.errorbar(x, y, half, color=look.hex, linewidth=0, elinewidth=1.2, alpha=look.alpha)
            _single_networks(axes, part, look)
            # Two networks have an interval as wide as the panel; then their own values say where the axis ends.
            near = [point.networks for _where, point in part if len(point.networks) == 2]
            reached = [value for values in near for value in values] if near else [*low, *high]
            highest, lowest = max([highest, *reached]), min([lowest, *reached])
        if numbered:
            ends.append((run, numbered[-1][1].mean, look))
    lowest = min(lowest, _null_band(axes, curves, prop, runs, taps))
    top = _ceilings(axes, ceilings, highest)
    axes.set_ylim(lowest - 0.03 * (top - lowest), top + 0.08 * (top - lowest))
    layer_ticks(axes, [scores.position(tap) for tap in taps])
    axes.set(title=prop, xlabel="layer", ylabel="PWCCA, held out")
    if direct:
        label_ends(axes, ends)


def _single_networks(axes: Axes, part: list[tuple[float, scores.Point]], look: style.RunStyle) -> None:
    """A thin line for each network of a condition that has several."""
    if not part or len(part[0][1].networks) < 2:
        return
    x = [where for where, _point in part]
    marker = "" if len(x) > 1 else "_"
    for values in zip(*(point.networks for _where, point in part), strict=True):
        axes.plot(x, values, color=look.hex, linewidth=0.7, alpha=0.6 * look.alpha, marker=marker, markersize=4)


def _ceilings(axes: Axes, ceilings: Sequence[float], highest: float) -> float:
    """Draw the ceilings and return where the axis should end; far ones are only named, lest all curves look flat."""
    if ceilings and highest < FAR * min(ceilings):
        names = ", ".join(f"{ceiling:.3f}" for ceiling in ceilings)
        axes.text(
            0.02, 0.985, f"ceiling {names}, far above ↑", transform=axes.transAxes, va="top", fontsize=8,
            color=style.MUTED,
        )  # fmt: skip
        return highest * 1.06
    for ceiling in ceilings:
        axes.axhline(ceiling, color=style.MUTED, linewidth=1, dashes=(5, 3))
        axes.text(
            0.02, ceiling, f"ceiling {ceiling:.3f}", transform=axes.get_yaxis_transform(), va="bottom", fontsize=8,
            color=style.MUTED,
        )  # fmt: skip
    return max([highest, *ceilings])


def _null_band(axes: Axes, curves, prop: str, runs: list[str], taps: list[str]) -> float:
    """Draw what shuffled labels score (range over the runs' intervals); return the band's lowest value."""
    x, low, high = [], [], []
    for tap in taps:
        points = [curves.last(run, prop, scores.NULL).get(tap) for run in runs]
        points = [point for point in points if point is not None]
        if points:
            half = [0.0 if math.isnan(point.half) else point.half for point in points]
            x.append(scores.position(tap))
            low.append(min(point.mean - part for point, part in zip(points, half, strict=True)))
            high.append(max(point.mean + part for point, part in zip(points, half, strict=True)))
    if not x:
        return 0.0
    axes.fill_between(x, low, high, color=style.MUTED, alpha=0.25, linewidth=0.6)
    axes.annotate(
        "shuffled labels", (x[-1], high[-1]), (0, 2), textcoords="offset points", ha="right", fontsize=8,
        color=style.MUTED,
    )  # fmt: skip
    return min(low)


def layer_ticks(axes: Axes, positions: list[float]) -> None:
    """Name the taps on the axis of layers, conv apart on the left."""
    numbers = [where for where in positions if where >= 0]
    step = 1 if len(numbers) <= 13 else 3
    ticks = [where for where in numbers if where % step == 0]
    conv = [where for where in positions if where < 0]
    axes.set_xticks(conv + ticks, ["conv"] * len(conv) + [f"{where:g}" for where in ticks], fontsize=9)
    axes.set_xlim(min(positions) - 0.5, max(positions) + 0.4)


def _heat_map(figure: Figure, title: str, cells: dict[tuple[int, str], float]) -> None:
    updates = sorted({update for update, _layer in cells})
    taps = sorted({layer for _update, layer in cells}, key=scores.position)
    values = [[cells.get((update, tap), math.nan) for tap in taps] for update in updates]
    axes = figure.add_subplot()
    mesh = axes.pcolormesh(values, cmap=RAMP, vmin=0, vmax=max(cells.values()), edgecolors=style.SURFACE, linewidth=1)
    axes.set_xticks([place + 0.5 for place in range(len(taps))], taps, fontsize=9)
    axes.set_yticks([place + 0.5 for place in range(len(updates))], [f"{update:,}" for update in updates], fontsize=9)
    axes.grid(False)
    axes.set(title=title, xlabel="layer", ylabel="updates")
    figure.colorbar(mesh, label="PWCCA")
