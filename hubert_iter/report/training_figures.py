"""Figures of training: loss and masked accuracy over updates and over hours of audio, beside chance level."""

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from hubert_iter.report import style
from hubert_iter.report.curves import line_of
from hubert_iter.report.figures import Canvas, label_ends
from hubert_iter.study import Run

MOST_POINTS = 200
QUANTITIES = {"loss": "loss, all terms (nats)", "accuracy": "masked accuracy (%)"}
AXES = {"update": "updates", "hours": "hours of audio seen"}


def training(
    canvas: Canvas, metrics: dict[str, list[dict]], specs: Mapping[str, Run], styles: dict[str, style.RunStyle]
) -> None:
    """A panel for each of loss and accuracy, over updates and over hours; replicates look alike."""
    looks = {run: styles[line_of(run, specs)] for run in metrics}
    for along, axis in AXES.items():
        for quantity in QUANTITIES:
            if any(series(records, along, quantity, split) for records in metrics.values() for split in SPLITS):
                canvas.add(
                    f"training_{quantity}_{along}",
                    "training",
                    f"{quantity} of each run over {axis}, training and held-out utterances",
                    lambda figure, along=along, quantity=quantity: _panel(
                        figure.add_subplot(), metrics, specs, looks, along, quantity
                    ),
                )


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
    return [tuple(math.fsum(values) / len(group) for values in zip(*group, strict=True)) for group in groups]


def _panel(axes: Axes, metrics: dict[str, list[dict]], specs, looks, along: str, quantity: str) -> None:
    ends: dict[str, tuple] = {}
    factor = 100.0 if quantity == "accuracy" else 1.0
    for run, records in metrics.items():
        look = looks[run]
        train = thin(series(records, along, quantity, "train"))
        valid = series(records, along, quantity, "valid")
        if train:
            axes.plot(
                [x for x, _y in train], [y * factor for _x, y in train], color=look.hex, linewidth=1,
                alpha=0.55 * look.alpha, dashes=look.dashes,
            )  # fmt: skip
        if valid:
            every = max(1, len(valid) // 12)
            axes.plot(
                [x for x, _y in valid], [y * factor for _x, y in valid], color=look.hex, marker=look.marker,
                markevery=every, dashes=look.dashes, alpha=look.alpha,
            )  # fmt: skip
        line = line_of(run, specs)
        if (train or valid) and line not in ends:
            ends[line] = (line, (valid or train)[-1][1] * factor, look)
        if quantity == "accuracy":
            for key, dashes in BESIDE.items():
                points = series(records, along, key, "valid") or series(records, along, key, "train")
                if points:
                    axes.plot(
                        [0, points[-1][0]], [points[-1][1] * factor] * 2, color=look.hex, linewidth=1.2, dashes=dashes,
                        alpha=look.alpha,
                    )  # fmt: skip
    axes.set_xlim(left=0)
    if quantity == "accuracy":
        axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
    axes.set(xlabel=AXES[along], ylabel=QUANTITIES[quantity], title=f"{quantity} over {AXES[along].split(' of ')[0]}")
    label_ends(axes, list(ends.values()))


def _thousands(value: float, _place: int) -> str:
    return f"{value / 1000:g}k" if abs(value) >= 10000 else f"{value:g}"
