"""How orthogonal a layer's directions of speakers and of phones are. docs/protocol.md section 8.

Scored on the means of phone segments: each has a phone and a speaker, and the sample sets show how far scores depend on
the segments. Single frames would count long segments more, and at the edges of segments they belong to two phones.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hubert_iter.analysis import pool, subspaces
from hubert_iter.analysis.left_out import Groups
from hubert_iter.analysis.measure import FACT, Material, Measure, Metric, Row, Scored, SpeakerRow
from hubert_iter.analysis.sample import class_numbers
from hubert_iter.options import option

BOTH = "both"
"""In place of the property, for scores of phones and speakers together."""


@dataclass(frozen=True)
class Settings:
    """What is projected out."""

    share: float = option(0.95, "share of the means' variance in the directions projected out", above=0, most=1)


@dataclass(frozen=True)
class Task:
    """One tap and sample set."""

    layers: pool.Layers
    sample_set: int
    tap: str
    phones: np.ndarray
    """Phone of each instance, int [N]."""
    speakers: np.ndarray
    """Speaker of each instance, int [N]."""
    groups: np.ndarray
    """Group of each speaker, which are left out together, int [speakers]."""
    num_groups: int
    seed: int
    share: float


class Subspaces(Measure):
    """What is left of phones outside the speakers' directions, and the reverse."""

    title = "Directions of speakers and phones"
    text = (
        "Each speaker's mean over phones and each phone's mean over speakers span directions of a layer. Shown is the "
        "share of the phones' variance that is left when the speakers' directions are projected out, and of the "
        "speakers' when the phones' are: 1 where they are orthogonal, 0 where they are the same.",
        "The control projects out as many directions of shuffled speakers (or phones), which are those in which the "
        "layer varies anyway. Scores above it say that speakers and phones keep out of each other's way. They do not "
        "say how much a layer knows of either: means that hardly differ may be orthogonal.",
    )
    order = 70
    metrics = (
        Metric("left", "variance left", control="null_left", lines=("ceiling",)),
        Metric("null_left", "variance left, shuffled labels", drawn=False),
        Metric("directions", "directions projected out", drawn=False),
        Metric("cosine", "mean |cosine| of directions", lower_is_better=True, drawn=False),
    )
    facts = {"num_instances": "instances", "num_classes": "classes", "ceiling": "ceiling"}
    Settings = Settings

    def leaves_out(self, material: Material) -> str:
        """It takes phones of three speakers: with one left out there must be two that differ."""
        if ("phone", 0) not in material.segments:
            return "no phones were sampled"
        speakers = {material.speakers.get(span.utterance) for span in material.segments["phone", 0]}
        return "" if len(speakers) > 2 else f"the phones sampled are of {len(speakers)} speakers, it takes 3"

    def score(self, material: Material, settings: Settings) -> Scored:
        """Rows of each sample set, and means over them with each evaluation speaker left out."""
        groups = Groups(material.speakers, material.seed)
        tasks, rows = [], []
        for (prop, sample_set), spans in material.segments.items():
            if prop != "phone":
                continue
            speakers = groups.speakers(spans)
            phones = class_numbers([span.label for span in spans])
            numbers = class_numbers(speakers)
            who = groups.numbers(np.unique(speakers).tolist())
            rows += _facts(sample_set, phones, numbers)
            tasks += [
                Task(
                    material.layers, sample_set, tap, phones, numbers, who, len(groups.names), material.seed,
                    settings.share,
                )
                for tap in material.layers.taps
            ]  # fmt: skip
        without: dict[tuple[str, str, int], list[float]] = {}
        for task, (values, left_out) in zip(tasks, material.workers.map(score_layer, tasks), strict=True):
            rows += [Row(task.tap, prop, metric, task.sample_set, 0, value) for prop, metric, value in values]
            for prop, group, value in left_out:
                without.setdefault((task.tap, prop, group), []).append(value)
        speaker_rows = [
            SpeakerRow(tap, prop, "left", groups.names[group], float(np.mean(values)))
            for (tap, prop, group), values in without.items()
        ]
        return Scored(rows, speaker_rows)


def score_layer(task: Task) -> tuple[list[tuple[str, str, float]], list[tuple[str, int, float]]]:
    """(property, metric, value) of one tap and sample set, and (property, group, left) with each group left out."""
    features = task.layers.instances("phone", task.sample_set, task.tap, len(task.phones))
    shape = len(task.groups), int(task.phones.max()) + 1
    table = subspaces.cells(features, task.speakers, task.phones, shape)
    means = dict(zip(("speaker", "phone"), subspaces.effects(table), strict=True))
    # The variation within phones gives directions in the place of the speakers', and the reverse.
    by_chance = {
        "speaker": subspaces.effects(
            subspaces.cells(features, _shuffled(task, task.speakers, task.phones), task.phones, shape)
        )[0],
        "phone": subspaces.effects(
            subspaces.cells(features, task.speakers, _shuffled(task, task.phones, task.speakers), shape)
        )[1],
    }
    found = {prop: subspaces.directions(each) for prop, each in means.items()}
    values = [(BOTH, "cosine", subspaces.cosine(found["phone"], found["speaker"]))]
    for prop, other in (("phone", "speaker"), ("speaker", "phone")):
        count = subspaces.leading(found[other][0], task.share)
        values += [
            (prop, "left", subspaces.left(means[prop], found[other][1][:count])),
            (prop, "null_left", subspaces.left(means[prop], subspaces.directions(by_chance[other])[1][:count])),
            (prop, "directions", count),
        ]
    return values, list(_without(table, task))


def _shuffled(task: Task, labels: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Labels int [N], dealt anew among the instances of each class `within`, so that cells keep their sizes."""
    generator = np.random.default_rng([task.seed, task.sample_set, zlib.crc32(b"subspaces")])
    order = np.argsort(within, kind="stable")
    drawn = np.lexsort((generator.random(len(within)), within))
    shuffled = np.empty_like(labels)
    shuffled[order] = labels[drawn]
    return shuffled


def _without(table: subspaces.Cells, task: Task) -> Iterator[tuple[str, int, float]]:
    for group in range(task.num_groups):
        speakers, phones = subspaces.effects(table.without(task.groups == group))
        for prop, means, other in (("phone", phones, speakers), ("speaker", speakers, phones)):
            shares, directions = subspaces.directions(other)
            yield prop, group, subspaces.left(means, directions[: subspaces.leading(shares, task.share)])


def _facts(sample_set: int, phones: np.ndarray, speakers: np.ndarray) -> Iterator[Row]:
    for prop, labels in (("phone", phones), ("speaker", speakers)):
        values = {"num_instances": len(labels), "num_classes": int(labels.max()) + 1, "ceiling": 1}
        for metric, value in values.items():
            yield Row(FACT, prop, metric, sample_set, None, value)
