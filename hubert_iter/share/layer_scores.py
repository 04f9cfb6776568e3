"""What the study's measures say of a model's layers, for its card: read from stage 9, with the study's intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hubert_iter.analysis import measures, scores, statistics
from hubert_iter.analysis.measure import Metric
from hubert_iter.analysis.statistics import Interval


@dataclass(frozen=True)
class Curve:
    """One metric of one property over the Transformer's layers, from 0; means with 95 % intervals."""

    prop: str
    metric: Metric
    layers: tuple[Interval, ...]
    control: float | None = None
    """Mean over all layers of the same score of what knows nothing."""

    @property
    def best(self) -> int:
        """The layer with the best mean."""
        sign = -1 if self.metric.lower_is_better else 1
        return max(range(len(self.layers)), key=lambda layer: sign * self.layers[layer].mean)

    def cell(self, layer: int) -> str:
        """Mean ± half of the interval; without it where a single trial allows none."""
        found = self.layers[layer]
        half = "" if math.isnan(found.half) else f" ± {found.half:.3f}"
        return f"{found.mean:.3f}{half}"


def read(folders: dict[str, Path]) -> dict[str, list[Curve]]:
    """Measure's heading -> its curves that the report would draw, measures in the report's order."""
    found = {measures.of_folder(name, "export"): folder for name, folder in folders.items()}
    curves = {each.heading: _curves(each.metrics, found[each]) for each in sorted(found, key=lambda each: each.order)}
    return {title: given for title, given in curves.items() if given}


def _curves(metrics: Sequence[Metric], folder: Path) -> list[Curve]:
    rows, speakers = (scores.read(folder, table) for table in (scores.FILE_NAME, scores.SPEAKERS_FILE))
    curves = []
    for metric in metrics:
        if not metric.drawn:
            continue
        controls = scores.networks(rows, metric=metric.control) if metric.control else {}
        for (run, prop), found in scores.networks(rows, speakers, metric.name).items():
            layers = tuple(statistics.level([found], layer) for layer in range(len(found.trials)))
            control = controls.get((run, prop))
            curves.append(Curve(prop, metric, layers, control and float(control.trials.mean())))
    return curves
