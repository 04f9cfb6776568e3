"""Figures of the pseudo-labels: quality against aligned phones, agreement between label sets."""

from collections.abc import Callable, Mapping
from itertools import product
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from hubert_iter.report import style
from hubert_iter.report.figures import Canvas, matrix, middles

# Names of the scores as people write them.
QUALITY = {
    "cluster_purity": "cluster purity",
    "phone_purity": "phone purity",
    "pnmi": "PNMI",
    "speaker_share": "share of the speaker's entropy",
    "cluster_purity_sil": "cluster purity, silence counted",
    "phone_purity_sil": "phone purity, silence counted",
    "pnmi_sil": "PNMI, silence counted",
    "used_clusters": "used clusters",
    "cluster_entropy": "cluster-size entropy (bits)",
    "mean_run_length": "mean run length (frames)",
}
DRAWN = ("pnmi", "speaker_share", "phone_purity", "cluster_purity")


def quality(canvas: Canvas, scores: Mapping[tuple[str, str, str], list[float]]) -> None:
    """One panel per share or purity: label sets from top to bottom, a mark for each replicate and data set.

    `scores`: (label set, data set, metric) -> values of its replicates.
    """
    for metric in DRAWN:
        values = {(labels, name): found for (labels, name, measured), found in scores.items() if measured == metric}
        names = list(dict.fromkeys(labels for labels, _set in values))
        if names:
            what, size = f"{QUALITY[metric]} of each label set", (4.8, 1.3 + 0.38 * len(names))
            with canvas.figure(f"labels_{metric}", "labels", what, size) as figure:
                _panel(figure.add_subplot(), QUALITY[metric], values, names)


def _panel(axes: Axes, title: str, values: dict[tuple[str, str], list[float]], names: list[str]) -> None:
    sets = list(dict.fromkeys(name for _labels, name in values))
    for number, name in enumerate(sets):
        points = [(value, place) for place, labels in enumerate(names) for value in values.get((labels, name), ())]
        look = style.series(number)
        axes.plot(*zip(*points, strict=True), look.marker, color=look.hex, markersize=7, label=name)
    top = max(value for found in values.values() for value in found)
    for place, labels in enumerate(names):
        mine = [value for name in sets for value in values.get((labels, name), ())]
        axes.hlines(place, 0, max(mine), color=style.GRID, linewidth=3, zorder=1)
        if len(sets) == 1:  # several sets on one line: the table has the numbers
            axes.text(max(mine) + top * 0.04, place, f"{fmean(mine):.3f}", va="center", fontsize=9)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.set_ylim(len(names) - 0.5, -0.6)
    axes.set_xlim(0, top * 1.22)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set(title=title, xlabel=f"{title} (0 to 1)")
    if len(sets) > 1:
        axes.legend(fontsize=8, loc="lower right")


def agreement(canvas: Canvas, rows: list[dict[str, str]]) -> None:
    """Normalised mutual information of every pair of label sets as a matrix."""
    values = {(row["labels_a"], row["labels_b"]): float(row["value"]) for row in rows if row["metric"] == "nmi"}
    names = list(dict.fromkeys(name for pair in values for name in pair))
    if not names:
        return
    values |= {(b, a): value for (a, b), value in values.items()} | {(name, name): 1.0 for name in names}
    side = 1.5 + 0.55 * len(names)
    size = (max(4.8, side + 1.3), max(2.6, side))
    with canvas.figure("agreement", "labels", "agreement of label sets", size) as figure:
        axes = figure.add_subplot()
        matrix(axes, values, names, names, edgecolors=style.SURFACE, linewidth=2)
        middle = dict(zip(names, middles(names), strict=True))
        for a, b in product(names, names):
            if (a, b) in values:
                text, colour = f"{values[a, b]:.2f}", "#000000" if values[a, b] < 0.45 else "#ffffff"
                axes.text(middle[b], middle[a], text, ha="center", va="center", fontsize=9, color=colour)
        axes.set_xticks(middles(names), names, rotation=30, ha="right", rotation_mode="anchor", fontsize=9)
        axes.set_yticks(middles(names), names, fontsize=9)
        axes.invert_yaxis()
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_title("normalised mutual information")


def survival(canvas: Canvas, rows: list[dict[str, str]], name_of: Callable[[str], str]) -> None:
    """For each phone the share of its frames in clusters that stand for it, one mark per label set.

    Of replicates the first is shown: `name_of` gives them all its name.
    """
    rows = [row for row in rows if row["set"] == rows[0]["set"] and name_of(row["labels"]) == row["labels"]]
    if not rows:
        return
    names = list(dict.fromkeys(row["labels"] for row in rows))
    own = {(row["labels"], row["phone"]): float(row["share"]) for row in rows if row["phone"] == row["read_as"]}
    phones = sorted({row["phone"] for row in rows}, key=lambda phone: (own.get((names[-1], phone), 0.0), phone))
    what, size = "share of each phone's frames in clusters of its own", (4.8, 1.5 + 0.17 * len(phones))
    with canvas.figure("survival", "phones", what, size) as figure:
        axes = figure.add_subplot()
        for place, phone in enumerate(phones):
            shares = [own.get((name, phone), 0.0) for name in names]
            axes.hlines(place, min(shares), max(shares), color=style.GRID, linewidth=3, zorder=1)
        for number, name in enumerate(names):
            shares, look = [own.get((name, phone), 0.0) for phone in phones], style.series(number)
            axes.plot(shares, range(len(phones)), look.marker, color=look.hex, markersize=5, label=name)
        axes.set_yticks(range(len(phones)), phones, fontsize=8)
        axes.set_ylim(-0.7, len(phones) - 0.3)
        axes.set_xlim(-0.03, 1.0)
        axes.grid(axis="y", visible=False)
        title = "phones that keep clusters of their own"
        axes.set(title=title, xlabel="share of the phone's frames in its own clusters")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
