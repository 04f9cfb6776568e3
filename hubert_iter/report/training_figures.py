"""Figures of training: loss and masked accuracy over updates and over hours of audio, beside chance level."""

import math
from collections.abc import Mapping
from itertools import product
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from hubert_iter.report import style
from hubert_iter.report.curves import line_of
from hubert_iter.report.figures import Canvas, label_ends
from hubert_iter.runs import Run

MOST_POINTS = 200
QUANTITIES = {"loss": "loss, all terms (nats)", "accuracy": "masked accuracy (%)"}
AXES = {"update": "updates", "hours": "hours of audio seen"}


def training(
    canvas: Canvas, metrics: dict[str, list[dict]], specs: Mapping[str, Run], styles: dict[str, style.RunStyle]
) -> None:
    """A panel for each of loss and accuracy, over updates and over hours; replicates look alike."""
    for (along, axis), quantity in product(AXES.items(), QUANTITIES):
        if any(series(records, along, quantity, split) for records in metrics.values() for split in SPLITS):
            what = f"{quantity} of each run over {axis}, training and held-out utterances"
            with canvas.figure(f"training_{quantity}_{along}", "training", what) as figure:
                _panel(figure.add_subplot(), metrics, specs, styles, along, quantity)


SPLITS = ("train", "valid")
BESIDE = {"chance": (1, 2), "guess": (5, 2)}
"""What accuracy is to be compared with: keys of metrics.jsonl, and the dashes of their lines."""


def series(records: list[dict], along: str, quantity: str, split: str) -> list[tuple[float, float]]:
    """The points of one curve; records without the quantity, or with one that is not finite, are left out."""
    points = []
    for record in records:
        x, y = record.get(along), record.get(quantity)
        if record["split"] == split and isinstance(x, int | float) and isinstance(y, int | float) and math.isfinite(y):
            points.append((float(x), float(y)))
    return points


def thin(points: list[tuple[float, float]], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """Average neighbours so that at most `most` points are left."""
    if len(points) <= most:
        return points
    bounds = [round(number * len(points) / most) for number in range(most + 1)]
    groups = [points[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]
    return [tuple(map(fmean, zip(*group, strict=True))) for group in groups]


def _panel(axes: Axes, metrics: dict[str, list[dict]], specs, styles, along: str, quantity: str) -> None:
    ends: dict[str, tuple] = {}
    accuracy = quantity == "accuracy"
    factor = 100.0 if accuracy else 1.0

    def plot(points: list[tuple[float, float]], **how) -> None:
        if points:
            axes.plot([x for x, _y in points], [y * factor for _x, y in points], color=look.hex, **how)

    for run, records in metrics.items():
        line = line_of(run, specs)
        look = styles[line]
        train, valid = (series(records, along, quantity, split) for split in SPLITS)
        plot(thin(train), linewidth=1, alpha=0.55 * look.alpha, dashes=look.dashes)
        every = max(1, len(valid) // 12)
        plot(valid, marker=look.marker, markevery=every, dashes=look.dashes, alpha=look.alpha)
        if train or valid:
            ends.setdefault(line, (line, (valid or thin(train))[-1][1] * factor, look))
        for key, dashes in BESIDE.items() if accuracy else ():
            points = series(records, along, key, "valid") or series(records, along, key, "train")
            level = [(0, points[-1][1]), points[-1]] if points else []
            plot(level, linewidth=1.2, dashes=dashes, alpha=look.alpha)
    axes.set_xlim(left=0)
    if accuracy:
        axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
    axes.set(xlabel=AXES[along], ylabel=QUANTITIES[quantity], title=f"{quantity} over {AXES[along].split(' of ')[0]}")
    label_ends(axes, list(ends.values()))


def _thousands(value: float, _place: int) -> str:
    return f"{value / 1000:g}k" if abs(value) >= 10000 else f"{value:g}"
