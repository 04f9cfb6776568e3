"""Over a training: how the clusters of each layer come to follow the labels that are taught, and the phones.

At each milestone each layer's frames are clustered as `measures/units.py` does: k-means on half of the utterances
labels the other half, and the reverse; all numbers are means of both halves. Frames, halves and seeds are the same at
all milestones, so that what changes is the network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hubert_iter.analysis import agreement, folds
from hubert_iter.analysis.frame_sample import FrameSample
from hubert_iter.analysis.measures import units
from hubert_iter.analysis.parallel import Workers
from hubert_iter.analysis.pool import Layers
from hubert_iter.units import quality
from hubert_iter.units.quality import contingency

NONE = "-"
"""In place of the phone, for numbers that concern none."""


class Row(NamedTuple):
    """One number of one milestone."""

    update: int
    layer: str
    metric: str
    """share: of the phone's entropy that clusters take away (PNMI). taught: NMI with the labels taught. before: NMI
    with the same layer's clusters at the milestone before. own: clusters of which a phone has more than half of the
    frames; null_own: the same of phones shuffled among frames."""
    phone: str
    value: float


@dataclass(frozen=True)
class Task:
    """One layer at all milestones, in order."""

    stages: Mapping[int, Layers]
    tap: str
    halves: np.ndarray
    phones: np.ndarray
    """int [N], -1 where a frame bears none."""
    shuffled: np.ndarray
    names: Sequence[str]
    taught: np.ndarray | None
    settings: units.Settings
    seed: int


def course(
    stages: Mapping[int, Layers], frames: FrameSample, taught: np.ndarray | None, seed: int, workers: Workers
) -> list[Row]:
    """All rows. `stages`: update -> layers pooled then; `taught`: labels of the frames, int [N], -1 for none."""
    halves = folds.deal_utterances(frames, "units", seed, units.HALVES)
    phones, names = frames.codes("phone")
    shuffled = units.shuffle(phones, halves, np.random.default_rng(seed))
    last = stages[max(stages)]
    tasks = [
        Task(stages, tap, halves, phones, shuffled, names, taught, units.Settings(), seed) for tap in last.taps
    ]  # fmt: skip
    return [row for rows in workers.map(follow, tasks) for row in rows]


def follow(task: Task) -> list[Row]:
    """All rows of one layer."""
    rows, before = [], None
    for update in sorted(task.stages):
        features = np.ascontiguousarray(task.stages[update].frames(task.tap))
        now = [
            units.assign(features[task.halves != half], features[task.halves == half], task.settings, task.seed)
            for half in range(units.HALVES)
        ]
        rows += [Row(update, task.tap, *each) for each in _numbers(task, now, before)]
        before = now
    return rows


def _numbers(task: Task, now: list[np.ndarray], before: list[np.ndarray] | None) -> list[tuple[str, str, float]]:
    """(metric, phone, value), means over halves; those of phones only where there are any."""
    found: dict[tuple[str, str], list[float]] = {}
    for half, labels in enumerate(now):
        chosen, k = task.halves == half, task.settings.k
        values: dict[tuple[str, str], float] = {}
        if task.taught is not None:
            values["taught", NONE] = _nmi(labels, task.taught[chosen])
        if before is not None:
            values["before", NONE] = _nmi(labels, before[half])
        if task.names:
            counts = contingency(labels, task.phones[chosen], k, len(task.names))
            null = contingency(labels, task.shuffled[chosen], k, len(task.names))
            values["share", NONE] = quality.share(counts)
            for metric, joint in (("own", counts), ("null_own", null)):
                owned = own_clusters(joint)
                values |= {(metric, name): float(owned[place]) for place, name in enumerate(task.names)}
        for key, value in values.items():
            found.setdefault(key, []).append(value)
    return [(*key, float(np.mean(values))) for key, values in found.items()]


def own_clusters(joint: np.ndarray) -> np.ndarray:
    """How many clusters each phone owns, int [phones]: those of whose frames, [clusters, phones], it has over half."""
    owned = joint.max(axis=1) * 2 > joint.sum(axis=1)
    return np.bincount(joint[owned].argmax(axis=1), minlength=joint.shape[1])


def _nmi(first: np.ndarray, second: np.ndarray) -> float:
    joint = contingency(first, second, int(first.max()) + 1, int(second.max()) + 1)
    return agreement.measure(joint)["nmi"]
