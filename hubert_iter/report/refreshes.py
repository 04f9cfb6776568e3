"""Runs with refresh: the labels of each leg over updates, how good they are and how much each refresh changed them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hubert_iter.report import style, tables
from hubert_iter.report.figures import Canvas, label_ends
from hubert_iter.report.read import Results
from hubert_iter.report.section import Section, Table

NAME = "refreshes"
TEXT = (
    "Labels that a run has been taught, from which update on, and what its layer had become by then. PNMI is their "
    "quality, as in the table of pseudo-labels. Agreement is the normalised mutual information of the labels before "
    "and after a refresh (1: the same but for names): near 1 the refresh changed little, and further ones will too.",
)


@dataclass(frozen=True)
class Leg:
    """One leg of all networks of a condition."""

    labels: str
    begins: int
    """The update from which on it was taught by these labels."""
    ends: int
    pnmi: list[float]
    agreement: list[float]
    """With the labels before; empty for the first."""


def build(canvas: Canvas, results: Results, styles: Mapping[str, style.RunStyle]) -> Section:
    """The section, with its figure; without content where no run has a refresh."""
    refreshed = dict.fromkeys(run.condition for run in results.specs.values() if run.refresh)
    found = {condition: legs(results, condition) for condition in refreshed}
    rows = [
        [condition, f"{leg.begins:,} to {leg.ends:,}", leg.labels, *map(tables.spread, (leg.pnmi, leg.agreement))]
        for condition, each in found.items()
        for leg in each
    ]
    if any(leg.pnmi for each in found.values() for leg in each):
        what = "PNMI of each run's labels over updates, and their agreement with those before"
        with canvas.figure(NAME, NAME, what, (9.6, 3.4)) as figure:
            _draw(figure, found, styles)
    header = ["run", "updates", "labels", "PNMI", "agreement with those before (NMI)"]
    return Section(NAME, "Labels over refreshes", TEXT, (Table("Labels of each leg", header, rows),))


def legs(results: Results, condition: str) -> list[Leg]:
    """The condition's legs in order; values are of its networks, on the first data set that was scored."""
    scored = results.quality[0]["set"] if results.quality else ""
    pnmi = {
        row["labels"]: float(row["value"])
        for row in results.quality
        if row["metric"] == "pnmi" and row["set"] == scored
    }
    nmi = {
        frozenset((row["labels_a"], row["labels_b"])): float(row["value"])
        for row in results.agreement
        if row["metric"] == "nmi"
    }
    networks = [results.legs[run.name] for run in results.specs.values() if run.condition == condition]
    found = []
    for number, first in enumerate(networks[0]):
        sets = [network[number].labels for network in networks]
        pairs = [frozenset((network[number - 1].labels, network[number].labels)) for network in networks if number]
        begins = networks[0][number - 1].until if number else 0
        values = [pnmi[labels] for labels in sets if labels in pnmi]
        found.append(Leg(first.labels, begins, first.until, values, [nmi[pair] for pair in pairs if pair in nmi]))
    return found


def _draw(figure: Figure, found: Mapping[str, list[Leg]], styles: Mapping[str, style.RunStyle]) -> None:
    quality, agreement = figure.subplots(1, 2, sharex=True)
    for axes, of, title in (
        (quality, "pnmi", "PNMI of the labels in use"),
        (agreement, "agreement", "agreement at a refresh"),
    ):
        ends = []
        for condition, each in found.items():
            points = [(leg, math.fsum(values) / len(values)) for leg in each if (values := getattr(leg, of))]
            if not points:
                continue
            look = styles[condition]
            common = {"color": look.hex, "dashes": look.dashes, "alpha": look.alpha, "marker": look.marker}
            if of == "pnmi":
                places = [leg.begins for leg, _ in points] + [points[-1][0].ends]
                axes.plot(places, [value for _, value in points] + [points[-1][1]], drawstyle="steps-post", **common)
            else:
                axes.plot([leg.begins for leg, _ in points], [value for _, value in points], **common)
            ends.append((condition, points[-1][1], look))
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set(title=title, xlabel="updates")
        label_ends(axes, ends)
