"""The page of one run over its training: scores, clusters, phones. It speaks of this one network."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from hubert_iter import provenance, tsv
from hubert_iter.analysis import dynamics, frame_sample, measures, pool, scores
from hubert_iter.analysis.dynamics import NONE, Row
from hubert_iter.analysis.frame_sample import FrameSample
from hubert_iter.analysis.measure import FACT, Metric
from hubert_iter.analysis.parallel import Workers
from hubert_iter.report import page
from hubert_iter.report.content import Content
from hubert_iter.report.curves import position
from hubert_iter.report.figures import RAMP, Canvas, matrix, middles
from hubert_iter.report.read import WITHOUT_ALIGNMENTS
from hubert_iter.report.section import Section, Table, number
from hubert_iter.units import labels as units

NOTE = (
    "This page is about one network. Networks that differ in the seed alone differ, so nothing here is a finding about "
    "a setting: make the page of other replicates too, and compare."
)
COURSE = "Lines are layers, from light (first) to dark (last); conv is dashed. Across: updates."
TAUGHT = (
    "Each layer's frames are clustered anew at each milestone (k-means, 100 clusters, on half of the utterances, and "
    "scored on the other half). Agreement is the normalised mutual information: 1 where the clusters are the labels "
    "but for their numbers.",
    "With the labels that the run is taught: layers that take over the task rise. With the milestone before: near 1 a "
    "layer has come to rest.",
)
PHONES = (
    "A cluster is a phone's own where more than half of its frames that bear a phone bear that one. Numbers are of "
    "clusters, means over both halves, at the layer whose clusters say most of phones at the last milestone. Phones "
    "that never have more than shuffled phones do have none worth the name.",
)
AGREEMENT = {
    "taught": ("with the labels taught", "NMI"),
    "before": ("with the milestone before", "NMI"),
    "share": ("PNMI of the clusters", "share of the phone's entropy"),
}
"""Of the clusters: title and unit of each figure."""
MOST_NAMED = 5


@dataclass(frozen=True)
class Sources:
    """What the page is made from."""

    run: str
    folder: Path
    layers: Sequence[Path]
    samples: Path
    labels: Path | None


def write(folder: Path, sources: Sources, seed: int, workers: Workers) -> None:
    """Write index.html, scores.tsv, clusters.tsv and figures/ into `folder`."""
    stages = {found.updates: found for found in map(pool.read, sources.layers)}
    frames = frame_sample.read(sources.samples)
    taught = _taught(sources.labels, frames) if sources.labels else None
    rows = dynamics.course(stages, frames, taught, seed, workers)
    scored = _scored(sources.folder)
    tsv.write(folder / "clusters.tsv", Row._fields, ([*map(str, row[:-1]), f"{row.value:.6g}"] for row in rows))
    lines = [[name, *(row[column] for column in scores.COLUMNS)] for name, each in scored.items() for row in each]
    tsv.write(folder / "scores.tsv", ("measure", *scores.COLUMNS), lines)
    content = build(folder / "figures", sources.run, rows, scored, taught is not None)
    (folder / "index.html").write_text(page.render(content), encoding="utf-8")


def build(folder: Path, run: str, rows: Sequence[Row], scored: Mapping[str, list[dict]], taught: bool) -> Content:
    """Draw all and put the page together."""
    canvas = Canvas(folder, [])
    sections = []
    for name, each in scored.items():
        measure = measures.of_folder(name, "dynamics")
        _draw_measure(canvas, name, each, measure.metrics)
        sections.append(Section(name, measure.heading, (COURSE, *measure.text)))
    for metric, (label, unit) in AGREEMENT.items():
        found = {(row.layer, row.update): row.value for row in rows if row.metric == metric}
        if found:
            with canvas.figure(f"clusters_{metric}", "clusters", f"{label}, over updates") as figure:
                _courses(figure.add_subplot(), found, label, unit)
    missing = [] if taught else ["Agreement with labels: this run is taught none."]
    sections.append(Section("clusters", "Clusters of each layer", (COURSE, *TAUGHT)))
    answers = []
    if best := best_layer(rows):
        changes = phone_changes(rows, best)
        _draw_phones(canvas, rows, best, [change.phone for change in changes])
        title = f"Phones with clusters of their own, layer {best}"
        sections.append(Section("phones", title, PHONES, (_phone_table(changes),), beside=True))
        answers = _answers(rows, best, changes)
    else:
        missing.append(WITHOUT_ALIGNMENTS)
    drawn = {drawing.section for drawing in canvas.drawings}
    return Content(
        title=f"Learning dynamics of {run}", question="How do its layers come about?", note=NOTE,
        cautions=[], verdicts=Table("", [], []), answers=tuple(answers), glance=_glance(rows), missing=missing,
        sections=tuple(section for section in sections if section.name in drawn or section.has_content),
        drawings=tuple(canvas.drawings), styles={},
    )  # fmt: skip


@dataclass(frozen=True)
class Change:
    """How many clusters of its own a phone has at the first and the last milestone."""

    phone: str
    first: float
    last: float


def best_layer(rows: Sequence[Row]) -> str:
    """The layer whose clusters say most of phones at the last milestone; "" where there are no phones."""
    last = max(row.update for row in rows)
    found = {
        row.layer: row.value for row in rows if (row.metric, row.update) == ("share", last) and row.layer.isdecimal()
    }
    return max(found, key=lambda layer: found[layer], default="")


def phone_changes(rows: Sequence[Row], layer: str) -> list[Change]:
    """All phones, those that gain most first."""
    values, updates = _own_clusters(rows, layer)
    changes = [Change(name, values[name, updates[0]], values[name, updates[-1]]) for name in {key[0] for key in values}]
    return sorted(changes, key=lambda each: (each.first - each.last, each.phone))


def _own_clusters(rows: Sequence[Row], layer: str) -> tuple[dict[tuple[str, int], float], list[int]]:
    """(phone, update) -> clusters of its own at a layer; and the updates."""
    values = {(row.phone, row.update): row.value for row in rows if (row.layer, row.metric) == (layer, "own")}
    return values, sorted({update for _, update in values})


def _taught(folder: Path, frames: FrameSample) -> np.ndarray:
    """The labels of the sampled frames, int [N]; -1 where labels end earlier."""
    found = units.read_labels(folder)
    taught = np.full(len(frames), -1)
    for part in frames.parts:
        labels = found[str(frames.utterances[part.start])]
        numbers = frames.numbers[part]
        within = numbers < len(labels)
        taught[part][within] = labels[numbers[within]]
    return taught


def _scored(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Measure -> rows as of scores.tsv at all milestones, in the order of the report.

    Scores of pairs are here those of a layer with the layer of that number of another network.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for path in sorted(folder.glob(f"measures*/*/{scores.FILE_NAME}")):
        if re.fullmatch(r"measures(_\d+)?", path.parent.parent.name) and provenance.is_current(path.parent):
            pairs = scores.read(path.parent, scores.PAIRS_FILE)
            alike = [row for row in pairs if row["layer"] == row["other_layer"] and row["run"] != row["other"]]
            made = [{**row, "property": f"with_{row['other']}", "sample_set": "0"} for row in alike]
            found.setdefault(path.parent.name, []).extend([*scores.read(path.parent), *made])
    return dict(sorted(found.items(), key=lambda item: measures.of_folder(item[0], "dynamics").order))


def _draw_measure(canvas: Canvas, name: str, rows: Sequence[dict[str, str]], metrics: Sequence[Metric]) -> None:
    for metric in metrics:
        mine = [row for row in rows if row["metric"] == metric.name and row["layer"] != FACT]
        for prop in dict.fromkeys(row["property"] for row in mine):
            if not metric.drawn:
                continue
            values: dict[tuple[str, int], list[float]] = {}
            for row in mine:
                if row["property"] == prop:
                    values.setdefault((row["layer"], int(row["update"])), []).append(float(row["value"]))
            found = {key: float(np.mean(each)) for key, each in values.items()}
            with canvas.figure(f"{name}_{metric.name}_{prop}", name, f"{prop}: {metric.label} over updates") as figure:
                _courses(figure.add_subplot(), found, prop, metric.label)


def _courses(axes: Axes, found: Mapping[tuple[str, int], float], title: str, label: str) -> None:
    """A line for each layer over updates."""
    layers = sorted({layer for layer, _ in found}, key=position)
    numbers = [layer for layer in layers if layer.isdecimal()]
    for layer in layers:
        points = sorted((update, value) for (each, update), value in found.items() if each == layer)
        depth = (numbers.index(layer) + 1) / len(numbers) if layer in numbers else 0.0
        axes.plot(
            *zip(*points, strict=True), color=RAMP(0.25 + 0.75 * depth), marker="o", markersize=3, linewidth=1.5,
            dashes=() if layer in numbers else (3, 2), label=layer,
        )  # fmt: skip
    axes.set(title=title, xlabel="updates", ylabel=label)
    axes.legend(fontsize=7, ncols=1, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _draw_phones(canvas: Canvas, rows: Sequence[Row], layer: str, phones: Sequence[str]) -> None:
    values, updates = _own_clusters(rows, layer)
    down = list(reversed(phones))
    what = f"clusters of each phone's own at layer {layer}, over updates"
    with canvas.figure("phones", "phones", what, (4.8, 1.2 + 0.17 * len(down))) as figure:
        axes = figure.add_subplot()
        mesh = matrix(axes, values, down, updates, max(max(values.values()), 1.0))
        axes.set_yticks(middles(down), down, fontsize=8)
        axes.set_xticks(middles(updates), [f"{update:,}" for update in updates], fontsize=8)
        axes.set(title="clusters of its own", xlabel="updates")
        figure.colorbar(mesh, label="clusters")


def _phone_table(changes: Sequence[Change]) -> Table:
    rows = [
        [each.phone, number(each.first, ".1f"), number(each.last, ".1f"), f"{each.last - each.first:+.1f}"]
        for each in changes
    ]
    return Table("Clusters of its own", ["phone", "first milestone", "last milestone", "change"], rows)


def _glance(rows: Sequence[Row]) -> Table:
    """Layers down; what their clusters are at the last milestone."""
    last = max(row.update for row in rows)
    values = {(row.layer, row.metric): row.value for row in rows if row.update == last and row.phone == NONE}
    layers = sorted({layer for layer, _ in values}, key=position)
    header = ["layer", "agreement with the labels taught", "with the milestone before", "PNMI of the clusters"]
    cells = [[layer, *(number(values.get((layer, metric))) for metric in AGREEMENT)] for layer in layers]
    return Table(f"Clusters at update {last:,}", header, cells)


def _answers(rows: Sequence[Row], best: str, changes: Sequence[Change]) -> list[tuple[str, list[str]]]:
    last, first = (pick(row.update for row in rows) for pick in (max, min))
    null = max((row.value for row in rows if (row.layer, row.metric) == (best, "null_own")), default=0.0)
    share = {row.update: row.value for row in rows if (row.layer, row.metric) == (best, "share")}
    gained = [each for each in changes if each.last - each.first > null][:MOST_NAMED]
    lost = [each for each in reversed(changes) if each.first - each.last > null][:MOST_NAMED]
    phones = [
        f"Layer {best} has the clusters that say most of phones: PNMI {share[last]:.3f} at update {last:,}, "
        f"{share[first]:.3f} at update {first:,}.",
        f"Gained most: {_named(gained)}." if gained else "No phone gained more clusters than chance could give it.",
        f"Lost most: {_named(lost)}." if lost else "No phone lost more clusters than chance could take from it.",
        f"By chance, with shuffled phones, a phone has at most {null:.1f} clusters of its own.",
    ]
    return [("Phones", phones)]


def _named(changes: Sequence[Change]) -> str:
    return ", ".join(f"{each.phone} ({each.first:.1f} to {each.last:.1f})" for each in changes)
