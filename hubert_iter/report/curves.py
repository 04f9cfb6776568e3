"""From tidy scores to what is drawn: one mean and interval per run, update, property, metric and layer."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hubert_iter.analysis import compare

PROPERTIES = ("phone", "word", "speaker")
SCORE = compare.SCORE
NULL = compare.NULL


@dataclass(frozen=True)
class Point:
    """Mean and half-width of the interval over sample sets and trials (nan when there is one value only)."""

    mean: float
    half: float
    count: int

    def __str__(self) -> str:
        """Mean ± half-width with three decimals."""
        return f"{self.mean:.3f}" + ("" if math.isnan(self.half) else f" ± {self.half:.3f}")


@dataclass(frozen=True)
class Curves:
    """All points of a study.

    points[run, update, property, metric][layer]; facts[property][fact] is the set of values over runs and sample sets.
    """

    points: dict[tuple[str, int, str, str], dict[str, Point]]
    facts: dict[str, dict[str, tuple[float, ...]]]

    def properties(self) -> list[str]:
        """The properties that have scores, the known ones first."""
        found = {key[2] for key in self.points}
        return [name for name in PROPERTIES if name in found] + sorted(found - set(PROPERTIES))

    def updates(self, run: str) -> list[int]:
        """The updates at which a run was scored, ascending."""
        return sorted({key[1] for key in self.points if key[0] == run})

    def last(self, run: str, prop: str, metric: str = SCORE) -> dict[str, Point]:
        """A run's layers at the last update at which it was scored; empty when it was not."""
        updates = [key[1] for key in self.points if (key[0], key[2], key[3]) == (run, prop, metric)]
        return self.points[run, max(updates), prop, metric] if updates else {}

    def layers(self, runs: Iterable[str], prop: str, metric: str = SCORE) -> list[str]:
        """All layers of the runs, conv first, then by number."""
        return sorted({layer for run in runs for layer in self.last(run, prop, metric)}, key=position)


def position(layer: str) -> float:
    """Where a tap lies on the axis of layers: conv is left of layer 0, with room for its name."""
    try:
        return float(layer)
    except ValueError:
        return -1.6


def from_scores(rows: list[Mapping[str, str]]) -> Curves:
    """Summarise all scores; the rows with layer "-" are facts of a property (instances, classes, ceiling)."""
    points: dict = {}
    for item in compare.summary([row for row in rows if row["layer"] != "-"]):
        key = (item["run"], int(item["update"]), item["property"], item["metric"])
        points.setdefault(key, {})[str(item["layer"])] = Point(item["mean"], item["half"], item["count"])
    facts: dict = {}
    for row in rows:
        if row["layer"] == "-":
            facts.setdefault(row["property"], {}).setdefault(row["metric"], set()).add(float(row["value"]))
    return Curves(
        points, {prop: {name: tuple(sorted(found)) for name, found in each.items()} for prop, each in facts.items()}
    )
