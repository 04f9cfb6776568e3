"""What scores let one claim: of conditions (networks that differ in their seed alone), or of two single networks.

Every finding is a mean, or a difference of means, of one number per network: a layer's score, the best layer's, or how
far the final layer lies below the best. Its variance is the sum of two parts (`variance`): networks, and evaluation,
which is the larger of the variance over trials and the one over evaluation speakers. With one network on each side the
networks' part is missing, and the interval is about *these two networks*.

Intervals are Student's, of 95 %, with the degrees of freedom of the part that has fewer. What is peculiar to a network
*and* a segment is in both parts, which makes intervals a little wide (Owen 2007).

Measured (test_statistics.py; 600 simulated studies with the deviations of docs/protocol.md section 7, correlation 0.8
between neighbouring layers; nominal 5 %): of equal conditions of 2, 3 and 5 networks and 7 or 13 layers at most 5 %
differ in the final layer, 4 % are said to fall, 6 % differ in the fall, 6 % in the best layers, 5 % in any layer
(standard error 0.9 %). Satterthwaite's (1946) degrees of freedom are more, but with two networks of each condition 7 %
differ in the final layer and some layer of 13 does in 13 %: two networks may be alike by chance. The price: where each
network's own evaluation variance is a sixth to a half of that between networks, fewer differ than might (0.3, 1.5 and
3.5 % for 2, 3 and 5 networks). Single networks with flat curves of 13 layers are said to fall in 5 % by `fall`, in 12 %
where the layer is picked and tested on the same scores.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import nctdtr, stdtr, stdtrit

from hubert_iter.analysis.variance import Component, over_networks, over_speakers, over_trials
from hubert_iter.errors import UserError

LEVEL = 0.05


@dataclass(frozen=True)
class Scores:
    """One network's scores of one property over the Transformer's layers.

    `trials` [L layers, S sample sets, T trials]; `without` [L, G]: mean over sets and trials with the instances of
    evaluation speaker (or group of speakers) g left out of the test parts; None where unknown.
    """

    trials: np.ndarray
    without: np.ndarray | None = None


@dataclass(frozen=True)
class Quantity:
    """One number of one network: by trial [S, T], and with each evaluation speaker left out [G].

    `curve` [any]: where a layer was picked, the same number for every layer that could have been.
    """

    trials: np.ndarray
    without: np.ndarray | None = None
    curve: np.ndarray | None = None


@dataclass(frozen=True)
class Interval:
    """Mean, half of its 95 % interval (nan: nothing can be said), p value of 0, networks on each side."""

    mean: float
    half: float
    freedom: float
    networks: tuple[int, ...]
    p: float

    @property
    def clear(self) -> bool:
        """True when 0 lies outside."""
        return abs(self.mean) > self.half

    @property
    def conditions(self) -> bool:
        """True when it is about conditions, False when about these single networks only."""
        return max(self.networks) > 1


Condition = Sequence[Scores]
"""The networks of one condition: same training, other seeds."""


def level(a: Condition, layer: int = -1) -> Interval:
    """A layer's score."""
    return _contrast(at(a, layer))


def difference(a: Condition, b: Condition, layer: int = -1) -> Interval:
    """First minus second condition in one layer; -1 is the final one."""
    return _contrast(at(a, layer), at(b, layer))


def fall(a: Condition) -> Interval:
    """Best layer minus final layer."""
    return _contrast(falls(a))


def fall_difference(a: Condition, b: Condition) -> Interval:
    """How much further the first condition falls from its best to its final layer."""
    return _contrast(falls(a), falls(b))


def best_difference(a: Condition, b: Condition) -> Interval:
    """First minus second condition, each in its best layer."""
    return _contrast(best(a), best(b))


def layer_differences(a: Condition, b: Condition) -> tuple[list[Interval], list[bool]]:
    """First minus second condition in every layer, and which layers differ.

    In at most 5 % of cases does any layer differ by chance (Holm 1979); the intervals are each layer's own.
    """
    _check(*a, *b)
    found = [difference(a, b, layer) for layer in range(len(a[0].trials))]
    return found, holm([interval.p for interval in found])


def of_networks(a: Sequence[float], b: Sequence[float] = ()) -> Interval:
    """Mean over networks of any number that each has, less that of others; nothing is known of the evaluation."""
    sides = [side for side in (a, b) if len(side)]
    mean = float(_minus([np.mean(side) for side in sides]))
    return _interval(mean, [over_networks(*sides)], tuple(len(side) for side in sides))


def of_network(trials: np.ndarray, without: np.ndarray | None = None) -> Interval:
    """Mean over the trials of one network, [any]; `without`: with each evaluation speaker left out, [G]."""
    return _contrast([Quantity(np.asarray(trials), without)])


def at(a: Condition, layer: int = -1) -> list[Quantity]:
    """Each network's score of one layer."""
    _check(*a)
    return [Quantity(scores.trials[layer], None if scores.without is None else scores.without[layer]) for scores in a]


def best(a: Condition) -> list[Quantity]:
    """Each network's score of the best layer, which `best_layers` picks on other scores."""
    picked = []
    for scores, layers in zip(a, best_layers(a), strict=True):
        trials = scores.trials[layers, np.arange(len(layers))]
        without = None if scores.without is None else scores.without[layers].mean(axis=0)
        picked.append(Quantity(trials, without, scores.trials.mean(axis=(1, 2))))
    return picked


def falls(a: Condition) -> list[Quantity]:
    """Each network's best layer, which `best_layers` picks on other scores, minus its final layer."""
    return [
        Quantity(
            top.trials - final.trials,
            None if top.without is None else top.without - final.without,
            top.curve[:-1] - top.curve[-1],
        )
        for top, final in zip(best(a), at(a, -1), strict=True)
    ]


def best_layers(a: Condition) -> np.ndarray:
    """int [networks, S]: the best layer for each network and sample set, picked on scores it is not tested on.

    The layer with the highest mean in the *next* sample set of the *next* network (the first one for the last; of the
    same set, or network, where there is but one). All *other* networks and sets together would pick better, but agree
    on a layer that chance has raised: of equal conditions with flat curves 10 and 11 % (3 and 5 networks, 13 layers)
    then differ in their best layers.
    """
    _check(*a)
    means = np.stack([scores.trials.mean(axis=2) for scores in a], axis=1)  # [L, networks, S]
    return np.roll(means, (-1, -1), axis=(1, 2)).argmax(axis=0)


def between_networks(*conditions: Condition, of: Callable[[Condition], list[Quantity]] = at) -> tuple[float, int]:
    """Standard deviation between networks of one condition, pooled over conditions, and its degrees of freedom.

    `of` says of which number: `at` (the final layer's score), `best`, `falls`. (nan, 0) where all stand alone.
    """
    groups = [[quantity.trials.mean() for quantity in of(condition)] for condition in conditions]
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum(float(np.var(group)) * len(group) for group in groups)
    return (math.sqrt(squares / freedom), freedom) if freedom else (math.nan, 0)


def holm(p: Sequence[float], level: float = LEVEL) -> list[bool]:
    """Which of several hypotheses are rejected with the family's error at most `level` (Holm 1979); nan: never."""
    rejected = [False] * len(p)
    for done, index in enumerate(np.argsort(p)):  # nan sorts last
        if not p[index] <= level / (len(p) - done):
            break
        rejected[index] = True
    return rejected


def power(effect: float, deviation: float, replicates: int, level: float = LEVEL) -> float:
    """Chance to find a difference of two conditions of `replicates` networks each, by the noncentral t distribution.

    `deviation` is that of a single network; evaluation variance is left out (Cohen 1988, chapter 2).
    """
    if replicates < 2 or not deviation > 0:
        raise UserError(
            f"power: expected at least 2 networks and a deviation above 0, found {replicates} and {deviation}. "
            "Train another seed of a condition first"
        )
    freedom = 2 * replicates - 2
    critical = stdtrit(freedom, 1 - level / 2)
    shift = abs(effect) / deviation * math.sqrt(replicates / 2)
    wrong_way = float(nctdtr(freedom, shift, -critical))  # nan where it is far below rounding
    return 1.0 - float(nctdtr(freedom, shift, critical)) + (0.0 if math.isnan(wrong_way) else wrong_way)


def replicates_for(effect: float, deviation: float, wanted: float = 0.8, most: int = 1000) -> int | None:
    """How many networks of each condition find `effect` with chance `wanted`; None where `most` are too few.

    Networks that do not differ at all (deviation 0) leave nothing to wait for: two suffice.
    """
    if deviation == 0:
        return 2 if effect else None
    low, high = 1, most
    if power(effect, deviation, most) < wanted:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, deviation, middle) >= wanted else (middle, high)
    return high


def _contrast(a: Sequence[Quantity], b: Sequence[Quantity] = ()) -> Interval:
    """Mean of a, minus mean of b where there is one."""
    sides = [side for side in (a, b) if side]
    if len({quantity.trials.shape for side in sides for quantity in side}) > 1:
        raise UserError(
            "expected networks scored with the same sample sets and trials. Score all with the same options"
        )
    networks = tuple(len(side) for side in sides)
    trials = _minus([np.mean([quantity.trials for quantity in side], axis=0) for side in sides])
    mean = float(trials.mean())
    candidates = [over_trials(trials), over_speakers(_without(sides))]
    evaluation = max((part for part in candidates if part), key=lambda part: part.variance, default=None)
    if evaluation is None:
        return _interval(mean, [], networks)
    return _interval(mean, [_between(sides), evaluation], networks)


def _interval(mean: float, parts: Sequence[Component | None], networks: tuple[int, ...]) -> Interval:
    """From the parts of the mean's variance that are known; without any, nothing can be said."""
    known = [part for part in parts if part]
    if not known:
        return Interval(mean, math.nan, 0, networks, math.nan)
    error = math.sqrt(sum(part.variance for part in known))
    freedom = min(part.freedom for part in known)
    half = float(stdtrit(freedom, 1 - LEVEL / 2)) * error
    p = float(2 * stdtr(freedom, -abs(mean) / error)) if error > 0 else float(mean == 0)
    return Interval(mean, half, freedom, networks, p)


def _between(sides: Sequence[Sequence[Quantity]]) -> Component | None:
    """Variance by networks. Where two picked layers, at least the mean of all layers': two maxima vary too little."""
    picked = over_networks(*([float(quantity.trials.mean()) for quantity in side] for side in sides))
    if min((len(side) for side in sides if len(side) > 1), default=0) != 2 or sides[0][0].curve is None:
        return picked
    curves = [np.stack([quantity.curve for quantity in side], axis=1) for side in sides]
    layers = [over_networks(*groups).variance for groups in zip(*curves, strict=True)]
    return Component(max(picked.variance, float(np.mean(layers))), picked.freedom)


def _without(sides: Sequence[Sequence[Quantity]]) -> np.ndarray | None:
    """The contrast with each speaker left out [G]; None unless all networks have it."""
    given = [quantity.without for side in sides for quantity in side]
    if any(without is None for without in given):
        return None
    if len({without.shape for without in given}) > 1:
        raise UserError("expected networks scored on the same evaluation speakers. Run stage 9 for all runs")
    return _minus([np.mean([quantity.without for quantity in side], axis=0) for side in sides])


def _minus(sides: Sequence[np.ndarray]) -> np.ndarray:
    return sides[0] - sides[1] if len(sides) > 1 else sides[0]


def _check(*networks: Scores) -> None:
    """Networks of one condition must have the same layers, sets and trials."""
    if not networks:
        raise UserError("expected at least one network of each condition, found none")
    shapes = {scores.trials.shape for scores in networks}
    if len(shapes) > 1 or len(networks[0].trials.shape) != 3:
        found = ", ".join(map(str, sorted(shapes)))
        raise UserError(
            f"expected the same layers, sample sets and trials of all networks, found {found}. "
            "Score all runs of a study with the same options"
        )
