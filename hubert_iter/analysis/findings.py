"""What a study's scores answer to its questions, as data: kind of finding, about what, how much, how surely.

Only the report puts findings into words. What is said of conditions rests on several networks of each and its interval
covers networks, segments, splits and evaluation speakers; with one network on each side it is about these two. No
finding rests on a network that has not learnt to use context (docs/protocol.md sections 6 and 7).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import combinations

import numpy as np

from hubert_iter.analysis import statistics
from hubert_iter.analysis.learning import Learning
from hubert_iter.analysis.sample import PROPERTIES
from hubert_iter.analysis.scores import LINGUISTIC, NULL, Cells, networks
from hubert_iter.analysis.statistics import Interval, Scores
from hubert_iter.runs import MFCC, Run, group


class Kind(StrEnum):
    """The questions."""

    LEARNING = "learning"
    """Is held-out masked accuracy above what needs no network?"""
    FALL = "fall"
    """How far does the final layer lie below the best one?"""
    COMPARISON = "comparison"
    """Final layer: one condition less another, as a question of the study asks."""
    TRAINING = "training"
    """Best layers: trained less untrained."""
    ITERATION = "iteration"
    """Final layer: an iteration less the one that taught it."""
    ITERATION_FALL = "iteration_fall"
    """The same of the fall from the best to the final layer."""
    ITERATION_BEST = "iteration_best"
    """The same of the best layers."""
    OBJECTIVE = "objective"
    """Final layer: one objective less another, of the same iteration."""
    OBJECTIVE_LAYERS = "objective_layers"
    """At which layers two objectives differ, the error controlled over all layers together."""
    DURATION = "duration"
    """Final layer: targets learnt online, less a later iteration that has had as many updates in all, or fewer."""
    LABELS = "labels"
    """PNMI: a teacher's labels less MFCC labels."""
    CONTROL = "control"
    """How many scores of shuffled labels lie outside their interval around 0."""


class Verdict(StrEnum):
    """What the interval says of the estimate's sign."""

    HIGHER = "higher"
    LOWER = "lower"
    OPEN = "no difference beyond the interval"
    UNTOLD = "cannot be judged"


@dataclass(frozen=True)
class Finding:
    """One answer: `first` less `second` where there are two, else of `first` alone."""

    kind: Kind
    first: str
    """A condition, or a label set."""
    estimate: Interval
    second: str = ""
    prop: str = ""
    """phone, word or speaker; "" where it concerns none of them."""
    layers: tuple[int, ...] = ()
    """The layers concerned: of each side, or best and final one, or all that differ."""
    levels: tuple[float, ...] = ()
    """The means that the estimate is the difference of."""
    left_out: tuple[str, ...] = ()
    """Networks of these conditions that have not learnt to use context."""
    wanted: int | None = None
    """Networks of each condition that a difference of this size would want, where the interval leaves it open for want
    of networks."""
    count: tuple[int, int] | None = None
    """How many of how many: layers that differ, or points outside. LABELS: the clusters of both label sets."""
    best_guess: str = ""
    """LEARNING: the best predictor without a network."""
    updates_wanted: int | None = None
    """LEARNING: how many all of the networks would want, at their pace so far; None where that cannot be told."""
    question: str = ""
    """COMPARISON: the study's, which it answers."""

    @property
    def verdict(self) -> Verdict:
        """What may be said of the sign."""
        if math.isnan(self.estimate.half):
            return Verdict.UNTOLD
        if not self.estimate.clear:
            return Verdict.OPEN
        return Verdict.HIGHER if self.estimate.mean > 0 else Verdict.LOWER


@dataclass(frozen=True)
class Evidence:
    """What findings are made from: the table's runs, their scores, and which of them have learnt."""

    runs: Mapping[str, Run]
    scores: Mapping[tuple[str, str], Scores]
    """(run, property) -> scores."""
    learning: Mapping[str, Learning] = field(default_factory=dict)

    @property
    def conditions(self) -> dict[str, tuple[Run, ...]]:
        """The replicates of each row."""
        return group(self.runs.values())

    def first(self, condition: str) -> Run:
        """A condition's first replicate, which stands for what they have in common."""
        return self.conditions[condition][0]

    def updates(self, run: Run) -> int:
        """Of the run and of all runs that it needs, one after the other."""
        return run.updates + max((self.updates(self.runs[name]) for name in run.needs if name in self.runs), default=0)

    def networks(self, condition: str, prop: str) -> list[Scores]:
        """Scores of the condition's networks that findings may rest on."""
        names = [run.name for run in self.conditions[condition] if not self.idle(run.name)]
        return [self.scores[name, prop] for name in names if (name, prop) in self.scores]

    def left_out(self, *conditions: str) -> tuple[str, ...]:
        """The scored networks of these conditions that findings do not rest on."""
        scored = {run for run, _ in self.scores}
        names = [run.name for condition in conditions for run in self.conditions[condition]]
        return tuple(name for name in names if name in scored and self.idle(name))

    def idle(self, run: str) -> bool:
        """True for a run that is known not to use context."""
        return run in self.learning and not self.learning[run].uses_context


def find(
    runs: Mapping[str, Run],
    rows: Sequence[Cells] = (),
    speakers: Sequence[Cells] = (),
    learning: Mapping[str, Learning] | None = None,
    quality: Sequence[Cells] = (),
    compare: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> list[Finding]:
    """All findings, in the order of their importance. Scores of models that are not in the table are left aside.

    `rows` are of scores.tsv, `speakers` of speakers.tsv, `quality` of the label sets' scores; `compare` is the study's:
    questions and the pairs of conditions that answer them.
    """
    known = [row for row in rows if row["run"] in runs]
    scored = networks(known, [row for row in speakers if row["run"] in runs])
    evidence = Evidence(runs, scored, learning or {})
    found = [*_learning(evidence)]
    for question, pairs in (compare or {}).items():
        found += _answer(evidence, question, pairs)
    for prop in PROPERTIES:
        found += about(evidence, prop)
    return [*found, *_labels(evidence, quality), *_control(networks(known, metric=NULL))]


def _learning(evidence: Evidence) -> Iterable[Finding]:
    for condition, replicates in evidence.conditions.items():
        known = [evidence.learning[run.name] for run in replicates if run.name in evidence.learning]
        if not known:
            continue
        accuracy, guess = (np.mean([getattr(each, name) for each in known]) for name in ("accuracy", "guess"))
        gains = [each.accuracy - each.guess for each in known]
        estimate = (
            statistics.of_networks(gains) if len(gains) > 1 else Interval(gains[0], known[0].margin, 0, (1,), math.nan)
        )
        idle = [each for each in known if not each.uses_context]
        wanted = [each.updates_wanted for each in idle]
        yield Finding(
            Kind.LEARNING, condition, estimate, levels=(float(accuracy), float(guess)),
            updates_wanted=max(wanted) if wanted and None not in wanted else None,
            left_out=tuple(each.run for each in idle), count=(len(known) - len(idle), len(known)),
            best_guess=known[0].guess_name,
        )  # fmt: skip


def _answer(evidence: Evidence, question: str, pairs: Sequence[tuple[str, str]]) -> Iterable[Finding]:
    """What the scores say to a question of the study: of each pair and property, or that they cannot say anything."""
    for pair in pairs:
        told = False
        for prop in PROPERTIES:
            able = {name: scores for name in pair if (scores := evidence.networks(name, prop))}
            if len(able) == 2:
                told = True
                found = _Pairs(evidence, prop, able).final(Kind.COMPARISON, *pair)
                yield replace(found, question=question)
        if not told:
            nothing = Interval(math.nan, math.nan, 0, (0, 0), math.nan)
            left_out = evidence.left_out(*pair)
            yield Finding(Kind.COMPARISON, pair[0], nothing, pair[1], left_out=left_out, question=question)


def about(evidence: Evidence, prop: str) -> Iterable[Finding]:
    """All findings of one property."""
    able = {name: scores for name in evidence.conditions if (scores := evidence.networks(name, prop))}
    trained = [name for name in able if evidence.first(name).trained]
    untrained = next((name for name in able if evidence.first(name).random), None)
    pairs = _Pairs(evidence, prop, able)
    if prop in LINGUISTIC:
        for name in trained:
            yield _fall(evidence, prop, name, able[name])
        for name in trained if untrained else ():
            yield pairs.best(Kind.TRAINING, name, untrained)
    for student, teacher in iterations(evidence, able):
        yield pairs.final(Kind.ITERATION, student, teacher)
        if prop in LINGUISTIC:
            yield pairs.fall(student, teacher)
            yield pairs.best(Kind.ITERATION_BEST, student, teacher)
    for one, other in objectives(evidence, able):
        yield pairs.final(Kind.OBJECTIVE, one, other)
        yield pairs.layers(one, other)
    for long, later in durations(evidence, able):
        yield pairs.final(Kind.DURATION, long, later)


def _fall(evidence: Evidence, prop: str, name: str, scores: Sequence[Scores]) -> Finding:
    best, final = best_layer(scores), _final(scores)
    levels = (_level(scores, best), _level(scores, final))
    estimate = statistics.fall(scores)
    return Finding(
        Kind.FALL, name, estimate, prop=prop, layers=(best, final), levels=levels, left_out=evidence.left_out(name)
    )


@dataclass(frozen=True)
class _Pairs:
    """Findings about two conditions."""

    evidence: Evidence
    prop: str
    able: Mapping[str, Sequence[Scores]]

    def final(self, kind: Kind, first: str, second: str) -> Finding:
        """Difference of the final layers."""
        one, other = self.able[first], self.able[second]
        layers = (_final(one), _final(other))
        return self._made(kind, first, second, statistics.difference(one, other), layers)

    def best(self, kind: Kind, first: str, second: str) -> Finding:
        """Difference of the best layers, each picked on other data than it is compared on."""
        one, other = self.able[first], self.able[second]
        layers = (best_layer(one), best_layer(other))
        return self._made(kind, first, second, statistics.best_difference(one, other), layers)

    def fall(self, first: str, second: str) -> Finding:
        """Difference of the falls from the best to the final layer; levels are the falls."""
        one, other = self.able[first], self.able[second]
        falls = (statistics.fall(one).mean, statistics.fall(other).mean)
        estimate = statistics.fall_difference(one, other)
        return self._made(Kind.ITERATION_FALL, first, second, estimate, (_final(one), _final(other)), falls)

    def layers(self, first: str, second: str) -> Finding:
        """Differences of all layers that both have; the estimate is that of the layer that differs most."""
        one, other = self.able[first], self.able[second]
        found, differ = statistics.layer_differences(one, other)
        layers = tuple(layer for layer, clear in enumerate(differ) if clear)
        most = max(layers or range(len(found)), key=lambda layer: abs(found[layer].mean))
        return Finding(
            Kind.OBJECTIVE_LAYERS, first, found[most], second, self.prop, (most, *layers),
            left_out=self.evidence.left_out(first, second), count=(len(layers), len(found)),
        )  # fmt: skip

    def _made(self, kind: Kind, first: str, second: str, estimate: Interval, layers: tuple, levels=None) -> Finding:
        sides = (self.able[first], self.able[second])
        if levels is None:
            levels = tuple(_level(scores, layer) for scores, layer in zip(sides, layers, strict=True))
        wanted, present = None, min(len(side) for side in sides)
        if present > 1 and not estimate.clear:
            deviation = statistics.between_networks(*sides)[0]
            wanted = statistics.replicates_for(abs(estimate.mean), deviation)
            if wanted and wanted <= present:
                wanted = None  # it is the evaluation that leaves it open
        left_out = self.evidence.left_out(first, second)
        return Finding(kind, first, estimate, second, self.prop, layers, levels, left_out, wanted)


def best_layer(scores: Sequence[Scores]) -> int:
    """The layer with the highest mean over networks and trials."""
    return int(np.mean([each.trials for each in scores], axis=(0, 2, 3)).argmax())


def _final(scores: Sequence[Scores]) -> int:
    return len(scores[0].trials) - 1


def _level(scores: Sequence[Scores], layer: int) -> float:
    return float(np.mean([each.trials[layer] for each in scores]))


def iterations(evidence: Evidence, able: Iterable[str]) -> list[tuple[str, str]]:
    """(student, teacher) of the same objective."""
    pairs = []
    for name in able:
        teacher = evidence.runs.get(evidence.first(name).teacher)
        if teacher and teacher.condition in able and teacher.objective == evidence.first(name).objective:
            pairs.append((name, teacher.condition))
    return pairs


def objectives(evidence: Evidence, able: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of different objectives at the same iteration; online targets are beside iteration 1.

    Cold starts with one set of labels only.
    """
    places: dict[tuple[str, int], str] = {}
    for name in able:
        run = evidence.first(name)
        if run.trained and not run.init and not run.refresh:
            places.setdefault((run.objective, run.iteration), name)
    return [(places[a], places[b]) for a, b in combinations(places, 2) if a[0] != b[0] and a[1] == b[1]]


def durations(evidence: Evidence, able: Iterable[str]) -> list[tuple[str, str]]:
    """(online targets, later iteration) where the first has had as many updates as the second's chain, or more."""
    firsts = {name: evidence.first(name) for name in able}
    online = [name for name, run in firsts.items() if run.trained and not run.targets]
    later = [name for name, run in firsts.items() if run.iteration > 1 and not run.refresh and not run.init]
    return [
        (long, name)
        for long in online
        for name in later
        if evidence.updates(firsts[long]) >= evidence.updates(firsts[name])
    ]


def _labels(evidence: Evidence, quality: Sequence[Cells]) -> Iterable[Finding]:
    """Each teacher's labels against MFCC labels of as many clusters, or else against those with the highest PNMI."""
    pnmi = {row["labels"]: float(row["value"]) for row in quality if row["metric"] == "pnmi"}
    sets: dict[tuple[str, str, int], list[float]] = {}
    for replicates in evidence.conditions.values():
        first = replicates[0]
        # A run with refresh is its own teacher.
        taught = [run for run in replicates if not evidence.idle(run.name if run.refresh else run.teacher)]
        values = [pnmi[run.labels] for run in taught if run.labels in pnmi]
        if values:
            sets[first.labels, first.targets, first.k] = values
    base = {key: values for key, values in sets.items() if key[1] == MFCC}
    for (labels, targets, k), values in sets.items():
        if targets == MFCC or not base:
            continue
        rival = max(base, key=lambda key: (key[2] == k, np.mean(base[key])))
        estimate = statistics.of_networks(values, base[rival])
        levels = (float(np.mean(values)), float(np.mean(base[rival])))
        yield Finding(Kind.LABELS, labels, estimate, rival[0], levels=levels, count=(k, rival[2]))


def _control(null: Mapping[tuple[str, str], Scores]) -> Iterable[Finding]:
    """Are shuffled labels at zero? The estimate is the point that lies furthest outside its interval."""
    points = []
    for (run, prop), scores in null.items():
        for layer in range(len(scores.trials)):
            points.append((statistics.level([scores], layer), run, prop, layer))
    points = [point for point in points if not math.isnan(point[0].half)]
    if points:
        outside = sum(found.clear for found, *_ in points)
        worst, run, prop, layer = max(points, key=lambda point: abs(point[0].mean) - point[0].half)
        yield Finding(Kind.CONTROL, run, worst, prop=prop, layers=(layer,), count=(outside, len(points)))
