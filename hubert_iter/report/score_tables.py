"""Tables of the layers' scores."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from hubert_iter.analysis import findings, statistics
from hubert_iter.analysis.measure import Metric
from hubert_iter.analysis.sample import PROPERTIES
from hubert_iter.report import curves as scores
from hubert_iter.report.read import Results
from hubert_iter.report.section import NONE, Table, number

EFFECTS = (0.01, 0.02, 0.05)
"""Differences in PWCCA for which the number of networks wanted is told."""


def layer_table(curves: scores.Curves, prop: str, lines: Sequence[str], metric: Metric) -> Table:
    """Layers down, lines across, mean ± interval; each line's best layer is stressed."""
    found = {line: points for line in lines if (points := curves.last(line, prop, metric.name))}
    taps = curves.layers(found, prop, metric.name)
    rows = [[tap, *(str(points.get(tap, NONE)) for points in found.values())] for tap in taps]
    best = ((taps.index(_best(points, metric)), column) for column, points in enumerate(found.values(), start=1))
    controls = [curves.last(line, prop, metric.control) for line in found]
    if any(controls):
        rows.append([metric.control_label, *(number(_mean(points)) for points in controls)])
    header = ["layer", *(named(curves, line) for line in found)]
    return Table(f"{prop}: {metric.label}, mean ± interval", header, rows, frozenset(best))


def best_table(curves: scores.Curves, shown: Sequence[tuple[Metric, str]], lines: Sequence[str]) -> Table:
    """Lines down: the best layer (conv left aside) and the final one by each metric and property."""
    rows = [
        [line, *(cell for metric, prop in shown for cell in _best_and_final(curves, line, prop, metric))]
        for line in lines
    ]
    several = len({metric.name for metric, _ in shown}) > 1
    names = [f"{prop}, {metric.label}" if several else prop for metric, prop in shown]
    header = ["run", *(cell for name in names for cell in (f"{name}: best (layer)", "final"))]
    return Table("At a glance: best and final layers", header, rows)


def glance_table(results: Results, curves: scores.Curves, lines: Sequence[str]) -> Table:
    """One row per line: networks that have learnt, best and final layer of each property, the labels' PNMI."""
    pnmi = {labels: fmean(found) for (labels, _set, metric), found in results.label_scores.items() if metric == "pnmi"}
    metric = results.cca.measure.metrics[0]
    properties = curves.of(metric.name)
    rows = []
    for line in lines:
        spec = results.specs.get(line)
        layers = (cell for prop in properties for cell in _best_and_final(curves, line, prop, metric))
        labels = number(pnmi.get(spec.labels) if spec else None)
        rows.append([line, str(curves.networks(line)), _learnt(results, line), *layers, labels])
    layers = (f"{prop}: {which}" for prop in properties for which in ("best (layer)", "final"))
    header = ["run", "networks", "use context", *layers, "labels' PNMI"]
    return Table("At a glance: PWCCA, labels and learning", header, rows)


def deviation_table(evidence: findings.Evidence) -> Table:
    """How much networks of one condition differ at the final layer, and how many a difference of some size wants."""
    rows = []
    for prop in PROPERTIES:
        trained = [name for name in evidence.conditions if evidence.first(name).trained]
        sides = [found for name in trained if len(found := evidence.networks(name, prop)) > 1]
        if not sides:
            continue
        deviation, freedom = statistics.between_networks(*sides)
        wanted = [statistics.replicates_for(effect, deviation) for effect in EFFECTS]
        rows.append([prop, f"{deviation:.4f}", f"{freedom:.0f}", *map(str, wanted)])
    header = ["property", "deviation of one network", "degrees of freedom", *(f"networks for {x}" for x in EFFECTS)]
    return Table("Networks of each condition that a difference in final-layer PWCCA wants", header, rows)


def samples_table(results: Results) -> Table:
    """What the evaluation set and the limits on instances left of each property."""
    names = list(dict.fromkeys(name for facts in results.samples.values() for name in facts))
    rows = [[prop, *(number(facts.get(name)) for name in names)] for prop, facts in results.samples.items()]
    return Table("Classes sampled, and those left out", ["property", *(n.replace("_", " ") for n in names)], rows)


def facts_table(curves: scores.Curves, names: Mapping[str, str]) -> Table:
    """What each property was measured on: one value where all runs agree, else the lowest and the highest."""
    rows = []
    for prop in curves.properties():
        given = [curves.facts.get(prop, {}).get(name) for name in names]
        rows.append([prop, *(" to ".join(map(number, sorted({min(v), max(v)}))) if v else NONE for v in given)])
    return Table("What was compared", ["property", *names.values()], rows)


def _best(points: Mapping[str, scores.Point], metric: Metric) -> str:
    """The tap with the best mean."""
    return (min if metric.lower_is_better else max)(points, key=lambda tap: points[tap].mean)


def _best_and_final(curves: scores.Curves, line: str, prop: str, metric: Metric) -> tuple[str, str]:
    points = {layer: point for layer, point in curves.last(line, prop, metric.name).items() if layer != "conv"}
    if not points:
        return NONE, NONE
    best, final = _best(points, metric), max(points, key=scores.position)
    return f"{points[best].mean:.3f} ({best})", f"{points[final].mean:.3f}"


def _mean(points: Mapping[str, scores.Point]) -> float | None:
    return fmean(point.mean for point in points.values()) if points else None


def named(curves: scores.Curves, line: str) -> str:
    """A line's name, with the number of its networks where there are several."""
    count = curves.networks(line)
    return f"{line} ({count} networks)" if count > 1 else line


def _learnt(results: Results, line: str) -> str:
    """How many of a line's networks use context."""
    told = [found for run, found in results.learning.items() if scores.line_of(run, results.specs) == line]
    return f"{sum(found.uses_context for found in told)} of {len(told)}" if told else NONE
