"""Linear probe: how often a linear classifier of a layer's instances is right, held out. docs/protocol.md section 8.

Same instances and folds as CCA: eight parts to train on, the dev part chooses the penalty, the test part gives the
accuracy. One trial takes about as long as all nine of CCA (three sample sets of three trials), so by default there is
one, and its interval is over evaluation speakers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hubert_iter.analysis import folds, logistic, pool
from hubert_iter.analysis.left_out import Groups, mean_rows
from hubert_iter.analysis.measure import FACT, Material, Measure, Metric, Row, Scored
from hubert_iter.analysis.sample import NOTHING_SAMPLED, class_numbers
from hubert_iter.errors import UserError
from hubert_iter.options import option


@dataclass(frozen=True)
class Settings:
    """How many classifiers are fitted."""

    sample_sets: int = option(1, "sample sets that are scored, the first ones", least=1, most=100)
    trials: int = option(1, "pairs of dev and test parts for each sample set", least=1, most=folds.NUM_PARTS // 2)
    penalties: tuple[float, ...] = option(
        (0.01, 0.001), "L2 penalties that the dev part chooses from", least=1e-12, most=10**6, fewest=1
    )
    control: bool = option(True, "score shuffled labels too")


@dataclass(frozen=True)
class Task:
    """One tap of one property and sample set."""

    layers: pool.Layers
    prop: str
    sample_set: int
    tap: str
    labels: np.ndarray
    groups: np.ndarray
    """Evaluation speaker (or group of speakers) of each instance, int [N]."""
    num_groups: int
    seed: int
    settings: Settings


@dataclass(frozen=True)
class Trial:
    """One classifier of the test part. `without`: its accuracy with each group of speakers left out."""

    accuracy: float
    penalty: float
    null: float | None
    without: np.ndarray


class Probe(Measure):
    """Multinomial logistic regression on means of segments."""

    title = "Linear probe"
    text = (
        "The share of held-out segments that a linear classifier (multinomial logistic regression) names correctly. It "
        "says how much of a property can be read off one layer by simple means. Lines show the share of the most "
        "frequent class and chance; the control is a classifier of shuffled labels.",
        "Accuracies of different properties are not comparable, since they have different numbers of classes and "
        "segments. An accuracy does not say that the network uses the property, nor in how many dimensions it lies.",
    )
    order = 30
    form = 2
    metrics = (
        Metric("accuracy", "accuracy, held out", control="null_accuracy", lines=("ceiling", "majority", "chance")),
        Metric("null_accuracy", "accuracy, shuffled labels", drawn=False),
        Metric("penalty", "penalty chosen", drawn=False),
    )
    facts = {
        "num_instances": "instances",
        "num_classes": "classes",
        "chance": "chance",
        "majority": "most frequent class",
        "ceiling": "ceiling",
    }
    Settings = Settings

    def check(self, settings: Settings) -> None:
        """There must be a penalty to choose."""
        if not settings.penalties:
            raise UserError("probe: penalties: expected at least one, found none. The default is 0.01 and 0.001")

    def leaves_out(self, material: Material) -> str:
        """Needs classes."""
        return "" if material.segments else NOTHING_SAMPLED

    def score(self, material: Material, settings: Settings) -> Scored:
        """Rows of each sample set and trial, and means over them with each evaluation speaker left out."""
        groups = Groups(material.speakers, material.seed)
        tasks, rows = [], []
        for (prop, sample_set), spans in material.segments.items():
            if sample_set >= settings.sample_sets:
                continue
            labels = class_numbers([span.label for span in spans])
            who = groups.numbers(groups.speakers(spans))
            rows += _facts(prop, sample_set, labels, material.seed, settings.trials)
            tasks += [
                Task(
                    material.layers, prop, sample_set, tap, labels, who, len(groups.names), material.seed, settings
                )
                for tap in material.layers.taps
            ]  # fmt: skip
        without: dict[tuple[str, str], list[np.ndarray]] = {}
        for task, trials in zip(tasks, material.workers.map(score_layer, tasks, _cost), strict=True):
            rows += _rows(task, trials)
            without.setdefault((task.tap, task.prop), []).extend(trial.without for trial in trials)
        return Scored(rows, mean_rows("accuracy", groups.names, without))


def score_layer(task: Task) -> list[Trial]:
    """All trials of one tap, property and sample set."""
    features = task.layers.instances(task.prop, task.sample_set, task.tap, len(task.labels))
    parts = folds.deal(task.labels, task.prop, task.sample_set, task.seed)
    shuffled = folds.shuffle_within_parts(task.labels, parts, task.prop, task.sample_set, task.seed)
    num_classes = int(task.labels.max()) + 1
    trials = []
    for dev, test in folds.trials(task.settings.trials):
        in_train, in_test = (parts != dev) & (parts != test), parts == test
        train = logistic.Train(features[in_train])
        weights, penalty = choose(
            train, task.labels[in_train], num_classes, train.turn(features[parts == dev]), task.labels[parts == dev],
            task.settings.penalties,
        )  # fmt: skip
        turned = train.turn(features[in_test])
        right = logistic.predict(weights, turned) == task.labels[in_test]
        null = None
        if task.settings.control:
            null_weights = train.fit(shuffled[in_train], num_classes, penalty, tolerance=logistic.ROUGH)
            null = float((logistic.predict(null_weights, turned) == shuffled[in_test]).mean())
        without = accuracy_without(right, task.groups[in_test], task.num_groups)
        trials.append(Trial(float(right.mean()), penalty, null, without))
    return trials


def choose(
    train: logistic.Train,
    labels: np.ndarray,
    num_classes: int,
    dev: np.ndarray,
    dev_labels: np.ndarray,
    penalties: tuple[float, ...],
) -> tuple[np.ndarray, float]:
    """Weights and penalty with the highest accuracy on the dev part (turned); of equal ones the strongest penalty."""
    best = weights = None
    for penalty in sorted(penalties, reverse=True):
        weights = train.fit(labels, num_classes, penalty, weights)
        accuracy = (logistic.predict(weights, dev) == dev_labels).mean()
        if best is None or accuracy > best[0]:
            best = accuracy, weights, penalty
    return best[1:]


def accuracy_without(right: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Accuracy [count] with each group's instances left out, for bool [n] and groups int [n]; 0 where none is left."""
    hits = right.sum() - np.bincount(groups, right, minlength=count)
    left = len(right) - np.bincount(groups, minlength=count)
    return hits / np.maximum(left, 1)


def _rows(task: Task, trials: list[Trial]) -> Iterator[Row]:
    for number, trial in enumerate(trials):
        values = {"accuracy": trial.accuracy, "null_accuracy": trial.null, "penalty": trial.penalty}
        for metric, value in values.items():
            if value is not None:
                yield Row(task.tap, task.prop, metric, task.sample_set, number, value)


def _facts(prop: str, sample_set: int, labels: np.ndarray, seed: int, trials: int) -> list[Row]:
    """Counts, and what needs no features: guessing, and the share of the most frequent class in the test parts."""
    num_classes = int(labels.max()) + 1
    parts = folds.deal(labels, prop, sample_set, seed)
    tested = [labels[parts == test] for _, test in folds.trials(trials)]
    values = {
        "num_instances": len(labels),
        "num_classes": num_classes,
        "chance": 1 / num_classes,
        "majority": float(np.mean([np.bincount(part).max() / len(part) for part in tested])),
        "ceiling": 1,
    }
    return [Row(FACT, prop, metric, sample_set, None, value) for metric, value in values.items()]


def _cost(task: Task) -> int:
    return int(task.labels.max()) * len(task.labels)
