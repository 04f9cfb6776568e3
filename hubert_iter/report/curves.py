"""From tidy scores to what is drawn: one mean and interval per line, update, property, metric and layer.

A line is what is drawn as one: a condition of the study with all its networks, or a model from elsewhere.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from hubert_iter.analysis import statistics
from hubert_iter.analysis.measure import ALL, FACT
from hubert_iter.analysis.sample import PROPERTIES
from hubert_iter.feats.baselines import BASELINES, TAP
from hubert_iter.report.read import Measured
from hubert_iter.runs import Run

WHOLE = (TAP, ALL)
"""In place of a layer: a baseline's features, and all layers together."""


@dataclass(frozen=True)
class Point:
    """Mean and half of its 95 % interval, over networks where there are several, else over the evaluation of one.

    `half` is nan where there is one value only.
    """

    mean: float
    half: float
    networks: tuple[float, ...]
    """Each network's own mean."""

    @property
    def reach(self) -> float:
        """`half`, or 0 where there is no interval to draw."""
        return 0.0 if math.isnan(self.half) else self.half

    def __str__(self) -> str:
        """Mean ± half-width with three decimals."""
        return f"{self.mean:.3f}" + ("" if math.isnan(self.half) else f" ± {self.half:.3f}")


@dataclass(frozen=True)
class Curves:
    """All points of a study.

    points[line, update, property, metric][layer]; facts[property][fact] is the set of values over runs and sample sets.
    """

    points: dict[tuple[str, int, str, str], dict[str, Point]]
    facts: dict[str, dict[str, tuple[float, ...]]]

    def properties(self) -> list[str]:
        """The properties that have scores, the known ones first."""
        found = {key[2] for key in self.points}
        return [name for name in PROPERTIES if name in found] + sorted(found - set(PROPERTIES))

    def updates(self, line: str) -> list[int]:
        """The updates at which a line was scored, ascending."""
        return sorted({key[1] for key in self.points if key[0] == line})

    def last(self, line: str, prop: str, metric: str) -> dict[str, Point]:
        """A line's layers at the last update at which it was scored; empty when it was not."""
        updates = [key[1] for key in self.points if (key[0], key[2], key[3]) == (line, prop, metric)]
        return self.points[line, max(updates), prop, metric] if updates else {}

    def networks(self, line: str) -> int:
        """How many networks a line stands for."""
        points = (self.last(line, key[2], key[3]) for key in self.points if key[0] == line)
        return max((len(point.networks) for layers in points for point in layers.values()), default=0)

    def of(self, metric: str) -> list[str]:
        """The properties that have scores by a metric, the known ones first."""
        found = {key[2] for key in self.points if key[3] == metric}
        return [name for name in self.properties() if name in found]

    def layers(self, lines: Iterable[str], prop: str, metric: str) -> list[str]:
        """All layers of the lines, conv first, then by number."""
        return sorted({layer for line in lines for layer in self.last(line, prop, metric)}, key=position)

    def axis(self, lines: Iterable[str], prop: str, metric: str) -> list[str]:
        """The same, for an axis of layers: what is no layer (`WHOLE`) left out."""
        return [layer for layer in self.layers(lines, prop, metric) if layer not in WHOLE]


def position(layer: str) -> float:
    """Where a tap lies on the axis of layers: conv is left of layer 0, with room for its name.

    What is no layer of a network (`WHOLE`) comes first of all.
    """
    if layer in WHOLE:
        return -math.inf
    return float(layer) if layer.isdigit() else -1.6


def line_of(run: str, specs: Mapping[str, Run]) -> str:
    """The line that a run belongs to."""
    return specs[run].condition if run in specs else run


def from_scores(measured: Measured, specs: Mapping[str, Run]) -> Curves:
    """Summarise all scores by one measure; rows with layer "-" are facts (instances, classes, ceiling, chance).

    Baselines' facts are left aside: they have other ceilings.
    """
    facts: dict = {}
    for row in measured.rows:
        if row["layer"] == FACT and row["run"] not in BASELINES:
            facts.setdefault(row["property"], {}).setdefault(row["metric"], set()).add(float(row["value"]))
    without = _values(measured.speakers, specs)
    points: dict = {}
    for key, networks in _values((row for row in measured.rows if row["layer"] != FACT), specs).items():
        points.setdefault(key[:-1], {})[key[-1]] = _point(networks, without.get(key, {}))
    return Curves(
        points, {prop: {name: tuple(sorted(found)) for name, found in each.items()} for prop, each in facts.items()}
    )


def _values(rows: Iterable[Mapping[str, str]], specs: Mapping[str, Run]) -> dict[tuple, dict[str, list[float]]]:
    """(line, update, property, metric, layer) -> run -> values."""
    found: dict = {}
    for row in rows:
        key = line_of(row["run"], specs), int(row["update"]), row["property"], row["metric"], row["layer"]
        found.setdefault(key, {}).setdefault(row["run"], []).append(float(row["value"]))
    return found


def _point(networks: Mapping[str, list[float]], without: Mapping[str, list[float]]) -> Point:
    means = tuple(map(fmean, networks.values()))
    if len(means) > 1:
        found = statistics.of_networks(means)
    else:
        run, trials = next(iter(networks.items()))
        found = statistics.of_network(np.array(trials), np.array(without[run]) if run in without else None)
    return Point(found.mean, found.half, means)
