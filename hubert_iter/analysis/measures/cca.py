"""PWCCA and mean CCA of layers with phones, words and speakers: every sample set and trial, with controls.

Each layer is scored by a process with one linear-algebra thread, so numbers do not depend on the number of processes.
The mathematics are in `analysis/cca.py`.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hubert_iter.analysis import folds, pool
from hubert_iter.analysis.left_out import Groups, mean_rows
from hubert_iter.analysis.measure import FACT, Material, Measure, Metric, Row, Scored
from hubert_iter.analysis.sample import NOTHING_SAMPLED, class_numbers
from hubert_iter.options import option

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What shapes the scores."""

    regularisers: tuple[float, ...] = option(
        (1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1),
        "relative to each covariance's largest entry; the dev part chooses one (the code of Pasad et al.: up to 1e-5)",
        least=0,
        most=1,
        fewest=1,
    )
    control: bool = option(True, "score shuffled labels too, which takes about a seventh of the time")


@dataclass(frozen=True)
class Task:
    """One layer of one property and sample set."""

    layers: pool.Layers
    prop: str
    sample_set: int
    tap: str
    labels: np.ndarray
    settings: Settings
    seed: int
    trials: int
    """(dev, test) pairs of parts."""
    groups: np.ndarray | None = None
    """Evaluation speaker (or group of speakers) of each instance, int [N]."""
    num_groups: int = 0


class Cca(Measure):
    """Held-out canonical correlation with one-hot labels (Pasad et al. 2021, 2023; docs/protocol.md section 4)."""

    title = "What the layers know"
    text = (
        "Held-out PWCCA of each layer with phone, word and speaker identity: how well a linear map of the layer tells "
        "the classes apart. Compare layers and runs, not properties, whose numbers of instances and classes differ.",
    )
    order = 10
    metrics = (
        Metric("pwcca", "PWCCA, held out", control="null_pwcca", lines=("ceiling",), course=True),
        Metric("mean_cca", "mean CCA, held out", drawn=False),
    )
    facts: Mapping[str, str] = {"num_instances": "instances", "num_classes": "classes", "ceiling": "ceiling"}
    Settings = Settings

    def leaves_out(self, material: Material) -> str:
        """Needs classes."""
        return "" if material.segments else NOTHING_SAMPLED

    def score(self, material: Material, settings: Settings) -> Scored:
        """All properties and sample sets; warns where instances are too few for the layer's width."""
        layers = material.layers
        groups = Groups(material.speakers, material.seed)
        tasks: list[Task] = []
        rows: list[Row] = []
        for (prop, sample_set), spans in material.segments.items():
            labels = class_numbers([span.label for span in spans])
            groups_of = groups.numbers(groups.speakers(spans)) if len(groups.names) > 1 else None
            for tap in layers.taps:
                tasks.append(
                    Task(
                        layers, prop, sample_set, tap, labels, settings, material.seed, material.trials, groups_of,
                        len(groups.names),
                    )
                )  # fmt: skip
            rows += _facts(layers, prop, sample_set, labels)
        started = time.monotonic()
        left_out: dict[tuple[str, str], list[tuple[float, ...]]] = {}
        for task, (results, without) in zip(tasks, material.workers.map(score_layer, tasks, _cost), strict=True):
            rows += results
            left_out.setdefault((task.tap, task.prop), []).extend(without)
        log.info(
            "%s: %d layers x %d properties and sample sets scored in %.1f s",
            layers.name, len(layers.taps), len(material.segments), time.monotonic() - started,
        )  # fmt: skip
        return Scored(rows, mean_rows("pwcca", groups.names, left_out))


def score_layer(task: Task) -> tuple[list[Row], list[tuple[float, ...]]]:
    """Scores of one layer (pwcca, mean_cca, null_pwcca, the regulariser), and per trial PWCCA without each group."""
    features = task.layers.instances(task.prop, task.sample_set, task.tap, len(task.labels))
    rows, without = [], []
    for trial, result in enumerate(score_features(features, task)):
        values = {"pwcca": result.score.pwcca, "mean_cca": result.score.mean_cca}
        if result.null:
            values["null_pwcca"] = result.null.pwcca
        values["regulariser"] = result.regulariser
        rows += [Row(task.tap, task.prop, metric, task.sample_set, trial, value) for metric, value in values.items()]
        if result.without is not None:
            without.append(result.without)
    return rows, without


def score_features(features: np.ndarray, task: Task) -> list:
    """All trials of features [N, D] against the task's labels; where it has groups also without each of them."""
    from hubert_iter.analysis import cca  # loads scipy: not needed to say "up to date"

    labels, groups, settings = task.labels, task.groups, task.settings
    num_classes = int(labels.max()) + 1
    parts = folds.deal(labels, task.prop, task.sample_set, task.seed)
    layer = cca.Layer(features, labels, parts, num_classes)
    null = by_part = None
    if settings.control:
        shuffled = folds.shuffle_within_parts(labels, parts, task.prop, task.sample_set, task.seed)
        null = cca.Labels([shuffled[parts == part] for part in range(folds.NUM_PARTS)], layer.features, num_classes)
    if groups is not None:
        by_part = cca.Groups([groups[parts == part] for part in range(folds.NUM_PARTS)], task.num_groups)
    return [
        cca.score_trial(layer, dev, test, settings.regularisers, null, by_part)
        for dev, test in folds.trials(task.trials)
    ]


def _facts(layers: pool.Layers, prop: str, sample_set: int, labels: np.ndarray) -> list[Row]:
    """Counts, the ceiling, and whether instances are too few, which is also logged."""
    dimension = max(layers.load(prop, sample_set, tap).shape[1] for tap in layers.taps)
    counts = np.bincount(labels)
    num_classes = len(counts)
    num_train = len(labels) * (folds.NUM_PARTS - 2) // folds.NUM_PARTS
    too_few = num_train < 2 * dimension
    if too_few and sample_set == 0:
        log.warning(
            "%s: %s: %d instances to train on are too few for %d dimensions (at least twice as many are wanted): "
            "scores rest on the regulariser and are low, compare them with care",
            layers.name, prop, num_train, dimension,
        )  # fmt: skip
    if counts.min() < folds.NUM_PARTS and sample_set == 0:
        log.warning(
            "%s: %s: %d of %d classes have fewer than %d instances, so some parts lack them",
            layers.name, prop, int((counts < folds.NUM_PARTS).sum()), num_classes, folds.NUM_PARTS,
        )  # fmt: skip
    facts = {
        "num_instances": len(labels),
        "num_classes": num_classes,
        "ceiling": min(dimension, num_classes - 1) / num_classes,
        "too_few_instances": int(too_few),
    }
    return [Row(FACT, prop, metric, sample_set, None, value) for metric, value in facts.items()]


def _cost(task: Task) -> int:
    return int(task.labels.max()) * len(task.labels)
