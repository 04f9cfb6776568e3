"""CCA scores of a run: every property, sample set, layer and trial, on several processors, as a tidy table.

Each layer is scored by a process with one linear-algebra thread, so numbers do not depend on the number of processes.
"""

import logging
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hubert_iter.analysis import cca, folds, parallel, pool
from hubert_iter.analysis.sample import Samples, Span
from hubert_iter.errors import UserError

MOST_GROUPS = 50
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What shapes the scores."""

    trials: int = 3
    seed: int = 0
    regularisers: tuple[float, ...] = cca.REGULARISERS
    null: bool = True
    """Score shuffled labels too, which takes about a seventh of the time."""


@dataclass(frozen=True)
class Task:
    """One layer of one property and sample set."""

    layers: pool.Layers
    prop: str
    sample_set: int
    tap: str
    labels: np.ndarray
    settings: Settings
    groups: np.ndarray | None = None
    """Evaluation speaker (or group of speakers) of each instance, int [N]."""
    num_groups: int = 0


def score(layers: pool.Layers, samples: Samples, settings: Settings, nj: int) -> list[tuple]:
    """All rows of scores.tsv, in a fixed order. Warns where instances are too few for the dimension."""
    return score_run(layers, samples, settings, nj, {})[0]


def score_run(
    layers: pool.Layers, samples: Samples, settings: Settings, nj: int, speakers: Mapping[str, str]
) -> tuple[list[tuple], list[tuple]]:
    """All rows of scores.tsv and of speakers.tsv (none without `speakers`: utterance -> evaluation speaker)."""
    folds.trials(settings.trials)
    tasks = []
    rows = []
    group_of = speaker_groups(speakers.values(), settings.seed)
    names = sorted(set(group_of.values()))
    numbers = {speaker: names.index(group) for speaker, group in group_of.items()}
    for (prop, sample_set), spans in samples.items():
        labels = class_indices([span.label for span in spans])
        groups = np.array([numbers[_speaker(span, speakers)] for span in spans]) if len(names) > 1 else None
        for tap in layers.taps:
            tasks.append(Task(layers, prop, sample_set, tap, labels, settings, groups, len(names)))
        rows.extend(_facts(layers, prop, sample_set, labels))
    started = time.monotonic()
    left_out: dict[tuple[str, str], list[np.ndarray]] = {}
    for task, (results, without) in zip(tasks, parallel.run(score_layer, tasks, nj, _cost), strict=True):
        rows.extend((layers.name, layers.updates, task.tap, task.prop, *result) for result in results)
        left_out.setdefault((task.tap, task.prop), []).extend(without)
    log.info(
        "%s: %d layers x %d properties and sample sets scored in %.1f s",
        layers.name, len(layers.taps), len(samples), time.monotonic() - started,
    )  # fmt: skip
    speaker_rows = [
        (layers.name, layers.updates, tap, prop, "pwcca", name, float(value))
        for (tap, prop), without in left_out.items()
        if without
        for name, value in zip(names, np.mean(without, axis=0), strict=True)
    ]
    return rows, speaker_rows


def score_layer(task: Task) -> tuple[list[tuple], list[tuple[float, ...]]]:
    """(metric, sample set, trial, value) of one layer, and per trial PWCCA without each group of speakers.

    Metrics: pwcca, mean_cca, null_pwcca and the regulariser chosen.
    """
    features = task.layers.load(task.prop, task.sample_set, task.tap)
    if len(features) != len(task.labels):
        raise UserError(
            f"{task.layers.folder}: {task.prop}, sample set {task.sample_set}: expected {len(task.labels)} instances, "
            f"found {len(features)}. They were pooled for other samples: run pool_layers again"
        )
    results = score_features(
        features, task.labels, task.prop, task.sample_set, task.settings, task.groups, task.num_groups
    )
    rows = []
    for trial, result in enumerate(results):
        values = {"pwcca": result.score.pwcca, "mean_cca": result.score.mean_cca}
        if result.null:
            values["null_pwcca"] = result.null.pwcca
        values["regulariser"] = result.regulariser
        rows.extend((metric, task.sample_set, trial, value) for metric, value in values.items())
    return rows, [result.without for result in results if result.without is not None]


def score_features(
    features: np.ndarray,
    labels: np.ndarray,
    prop: str,
    sample_set: int,
    settings: Settings,
    groups: np.ndarray | None = None,
    num_groups: int = 0,
) -> list[cca.TrialResult]:
    """All trials of features [N, D] against labels int [N]; with `groups` int [N] also without each of them."""
    num_classes = int(labels.max()) + 1
    parts = folds.deal(labels, prop, sample_set, settings.seed)
    layer = cca.Layer(features, labels, parts, num_classes)
    null = by_part = None
    if settings.null:
        shuffled = folds.shuffle_within_parts(labels, parts, prop, sample_set, settings.seed)
        null = cca.Labels([shuffled[parts == part] for part in range(folds.NUM_PARTS)], layer.features, num_classes)
    if groups is not None:
        by_part = cca.Groups([groups[parts == part] for part in range(folds.NUM_PARTS)], num_groups)
    return [
        cca.score_trial(layer, dev, test, settings.regularisers, null, by_part)
        for dev, test in folds.trials(settings.trials)
    ]


def speaker_groups(speakers: Iterable[str], seed: int, most: int = MOST_GROUPS) -> dict[str, str]:
    """Speaker -> what is left out at once: the speaker, or of more than `most` one of so many groups, dealt by seed."""
    speakers = sorted(set(speakers))
    if len(speakers) <= most:
        return {speaker: speaker for speaker in speakers}
    order = np.random.default_rng([seed, zlib.crc32(b"speakers")]).permutation(len(speakers))
    return {speakers[index]: f"group{place % most:02d}" for place, index in enumerate(order)}


def _speaker(span: Span, speakers: Mapping[str, str]) -> str:
    try:
        return speakers[span.utterance]
    except KeyError:
        raise UserError(
            f"utterance {span.utterance}: expected its speaker beside the samples, found none. "
            "Run sample_segments (stage 8) again"
        ) from None


def class_indices(labels: Sequence[str]) -> np.ndarray:
    """Labels as numbers 0..K-1, in alphabetical order."""
    return np.unique(np.asarray(labels, dtype=np.str_), return_inverse=True)[1]


def _facts(layers: pool.Layers, prop: str, sample_set: int, labels: np.ndarray) -> list[tuple]:
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
    return [
        (layers.name, layers.updates, "-", prop, metric, sample_set, None, value) for metric, value in facts.items()
    ]


def _cost(task: Task) -> int:
    return int(task.labels.max()) * len(task.labels)
