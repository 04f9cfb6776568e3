"""The final layers by what an objective asks and by how often its targets change."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from hubert_iter.analysis.measure import Metric
from hubert_iter.analysis.square import Place, places
from hubert_iter.models.settings import CONTRASTIVE, PREDICTIVE
from hubert_iter.report import curves as scores
from hubert_iter.report import style
from hubert_iter.report.figures import Canvas, Look
from hubert_iter.report.read import Results
from hubert_iter.report.score_tables import named
from hubert_iter.report.section import NONE, Section, Table

NAME = "square"
DASHES = {PREDICTIVE: (), CONTRASTIVE: (4, 2)}
"""Of the lines that join the first iterations."""
TEXT = (
    "Two factors crossed: what an objective asks (predictive: which of all targets a masked frame's is; contrastive: "
    "which of a few), and how often its targets change. Marks are conditions, with their 95 % intervals; lines join "
    "first iterations, solid of predictive objectives and dashed of contrastive ones. Where the lines lie apart it is "
    "the question that matters, where they slope it is how often targets change. Pale marks are of networks that have "
    "not learnt to use context: nothing can be read from them. Cold starts only. Targets that "
    "change at every update are learnt from the network itself, those of a first iteration come from elsewhere "
    "(MFCC): the slope is of both. Levels are to be compared within a panel only.",
)


def build(canvas: Canvas, results: Results, curves: scores.Curves, look: Look) -> Section | None:
    """Draw the square and tell it; None for a study that has not all four corners."""
    scored = [run for run in results.specs.values() if curves.updates(run.condition)]
    found = sorted(
        places(scored, results.configs), key=lambda place: (place.asks != PREDICTIVE, place.every, place.iteration)
    )
    if not found:
        return None
    metric = results.cca.measure.metrics[0]
    properties = curves.of(metric.name)

    size = (4.2 * len(properties), 3.7)
    with canvas.figure(NAME, NAME, "final layers by objective and by how often targets change", size) as figure:
        for axes, prop in zip(figure.subplots(1, len(properties), squeeze=False)[0], properties, strict=True):
            _panel(axes, found, prop, metric, curves, look)
        handles, names = axes.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 5))
    table = _table(found, properties, metric, curves)
    return Section(NAME, "What is asked, and how often targets change", TEXT, (table,), legend=True)


def _panel(axes: Axes, found: Sequence[Place], prop: str, metric: Metric, curves: scores.Curves, look: Look) -> None:
    """One property: how often targets change across, the final layer's score up."""
    columns = sorted({place.every for place in found})
    reached: list[float] = []
    joined: dict[str, dict[float, tuple[float, float]]] = {PREDICTIVE: {}, CONTRASTIVE: {}}
    for place in found:
        point = _final(curves, place, prop, metric)
        if point is None:
            continue
        # Side by side, so that intervals do not hide each other.
        beside = [each for each in found if each.every == place.every]
        x = columns.index(place.every) + 0.08 * (beside.index(place) - (len(beside) - 1) / 2)
        looks = look.styles[place.condition]
        half = 0.0 if math.isnan(point.half) else point.half
        # Two networks have an interval as wide as the panel; then their own values say where the axis ends.
        reached += point.networks if len(point.networks) == 2 else (point.mean - half, point.mean + half)
        axes.errorbar(
            [x], [point.mean], [half], fmt=looks.marker, color=looks.hex,
            alpha=looks.alpha, elinewidth=1.2, label=place.condition,
        )  # fmt: skip
        if place.iteration == 1:
            joined[place.asks].setdefault(place.every, (x, point.mean))
    for asks, points in joined.items():
        along = [points[every] for every in sorted(points)]
        axes.plot(*zip(*along, strict=True), color=style.MUTED, linewidth=1, dashes=DASHES[asks], zorder=0)
    axes.set_xticks(range(len(columns)), [_often(every) for every in columns])
    axes.set_xlim(-0.5, len(columns) - 0.5)
    if reached:
        room = 0.08 * (max(reached) - min(reached)) or 0.01
        axes.set_ylim(min(reached) - room, max(reached) + room)
    axes.set(title=prop, xlabel="targets change", ylabel=f"{metric.label}, final layer")


def _table(found: Sequence[Place], properties: Sequence[str], metric: Metric, curves: scores.Curves) -> Table:
    rows = []
    for place in found:
        points = [_final(curves, place, prop, metric) for prop in properties]
        told = [NONE if point is None else str(point) for point in points]
        rows.append([place.asks, _often(place.every), named(curves, place.condition), *told])
    header = ["asks", "targets change", "run", *properties]
    return Table(f"Final layers: {metric.label}, mean ± interval", header, rows)


def _final(curves: scores.Curves, place: Place, prop: str, metric: Metric) -> scores.Point | None:
    points = curves.last(place.condition, prop, metric.name)
    return points[max(points, key=scores.position)] if points else None


def _often(every: float) -> str:
    return {1: "every update", math.inf: "once a run"}.get(every) or f"every {every:,.0f} updates"
