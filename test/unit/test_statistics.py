"""What may be claimed of conditions: against scipy, and by simulation of networks that differ in the seed alone."""

import math

import numpy as np
import pytest
from scipy import stats

from hubert_iter.analysis import statistics
from hubert_iter.analysis.statistics import Scores
from hubert_iter.errors import UserError

SETS, TRIALS, SPEAKERS = 3, 3, 10
# docs/protocol.md section 7: measured standard deviations of a difference of two networks, hence / sqrt(2) of one.
DEVIATIONS = {name: value / math.sqrt(2) for name, value in (("phone", 0.0110), ("word", 0.0144), ("speaker", 0.0175))}
RUNS = 600


def most(share=0.05, runs=RUNS):
    """Share of `runs` that a rate of `share` exceeds about once in a thousand tests."""
    return share + 3 * math.sqrt(share * (1 - share) / runs)


class World:
    """Networks scored on the same segments: flat curves, neighbouring layers alike (correlation 0.8).

    Deviations: of networks; of trials, shared by all networks and each one's own; of evaluation speakers likewise.
    """

    def __init__(self, generator, layers, network, trial=0.005, speaker=0.01):
        distance = np.abs(np.subtract.outer(np.arange(layers), np.arange(layers)))
        self.root = np.linalg.cholesky(0.8**distance)
        self.generator, self.network, self.trial, self.speaker = generator, network, trial, speaker
        self.shared_trials = 0.02 * generator.standard_normal((SETS, TRIALS)) + self.smooth(trial, SETS, TRIALS)
        self.shared_speakers = 0.03 * generator.standard_normal(SPEAKERS) + self.smooth(speaker, SPEAKERS)

    def smooth(self, deviation, *shape):
        """Noise [layers, *shape]."""
        return deviation * np.tensordot(self.root, self.generator.standard_normal((len(self.root), *shape)), 1)

    def condition(self, networks, shift=0.0):
        return [self._network(shift) for _ in range(networks)]

    def _network(self, shift):
        speakers = self.shared_speakers + self.smooth(self.speaker, SPEAKERS)
        mean = speakers.mean(axis=1, keepdims=True)
        level = 0.6 + shift + self.smooth(self.network) + mean[:, 0]
        trials = level[:, None, None] + self.shared_trials + self.smooth(self.trial, SETS, TRIALS)
        without = trials.mean(axis=(1, 2))[:, None] - (speakers - mean) / (SPEAKERS - 1)
        return Scores(trials, without)


def findings(a, b):
    """Which kinds of finding are made."""
    return {
        "difference": statistics.difference(a, b).clear,
        "fall": statistics.fall(a).clear,
        "fall_difference": statistics.fall_difference(a, b).clear,
        "best_difference": statistics.best_difference(a, b).clear,
        "any layer": any(statistics.layer_differences(a, b)[1]),
    }


@pytest.mark.parametrize(("layers", "evaluation"), [(7, 0.1), (13, 0.1), (13, 1.0)], ids=["7", "13", "13 noisy"])
@pytest.mark.parametrize("networks", [2, 3, 5])
def test_equal_conditions_are_seldom_told_apart(networks, layers, evaluation):
    generator = np.random.default_rng([networks, layers])
    counts = {}
    for run in range(RUNS):
        deviation = list(DEVIATIONS.values())[run % 3]
        world = World(generator, layers, deviation, 0.005 * evaluation, 0.01 * evaluation)
        for kind, found in findings(world.condition(networks), world.condition(networks)).items():
            counts[kind] = counts.get(kind, 0) + found
    shares = {kind: count / RUNS for kind, count in counts.items()}
    print(shares)
    assert max(shares.values()) <= most(), shares


def single(generator, layers, trial=0.01):
    """A network on its own: exchangeable trials that share train instances (Nadeau and Bengio: correlation 1 / 9)."""
    distance = np.abs(np.subtract.outer(np.arange(layers), np.arange(layers)))
    root = np.linalg.cholesky(0.5**distance)
    noise = generator.standard_normal((layers, SETS, TRIALS)) + math.sqrt(1 / 8) * generator.standard_normal(
        (layers, 1, 1)
    )
    return Scores(0.6 + trial * np.tensordot(root, noise, 1))


def naive_fall(scores):
    """Picked and tested on the same scores."""
    best = scores.trials.mean(axis=(1, 2)).argmax()
    return statistics.of_network((scores.trials[best] - scores.trials[-1]).ravel())


@pytest.mark.parametrize("layers", [7, 13])
def test_single_networks_that_are_the_same_are_seldom_told_apart(layers):
    generator = np.random.default_rng(layers)
    counts = {"naive": 0}
    for _ in range(RUNS):
        a, b = single(generator, layers), single(generator, layers)
        counts["naive"] += naive_fall(a).clear
        for kind, found in findings([a], [b]).items():
            counts[kind] = counts.get(kind, 0) + found
    shares = {kind: count / RUNS for kind, count in counts.items()}
    print(shares)
    naive = shares.pop("naive")
    assert naive > (most() if layers == 13 else 0.05)  # so the test can fail
    assert max(shares.values()) <= most(), shares


def test_segments_alone_call_equal_conditions_different():
    """What must not be done: one network of each condition, and an interval over trials."""
    generator = np.random.default_rng(0)
    found = 0
    for _ in range(RUNS // 3):
        world = World(generator, 7, DEVIATIONS["phone"])
        a, b = (world.condition(1) for _ in range(2))
        found += statistics.of_network((a[0].trials[-1] - b[0].trials[-1]).ravel()).clear
    assert found / (RUNS // 3) > 0.3


@pytest.mark.parametrize("networks", [3, 5])
def test_power_is_what_is_found(networks):
    """A difference of twice a network's deviation; evaluation adds variance that `power` leaves out."""
    generator = np.random.default_rng(networks)
    deviation = DEVIATIONS["phone"]
    found = {0.1: 0, 1.0: 0}
    for evaluation in found:
        for _ in range(RUNS):
            world = World(generator, 1, deviation, 0.005 * evaluation, 0.01 * evaluation)
            a, b = world.condition(networks, 2 * deviation), world.condition(networks)
            interval = statistics.difference(a, b)
            found[evaluation] += interval.clear and interval.mean > 0
    expected = statistics.power(2 * deviation, deviation, networks)
    exact, noisy = (count / RUNS for count in found.values())
    print(f"{networks} networks of each condition: power {expected:.3f}, found {exact:.3f}, noisy scores {noisy:.3f}")
    error = 3 * math.sqrt(expected * (1 - expected) / RUNS)
    assert expected - error - 0.03 <= exact <= expected + error
    # Each network's own evaluation variance is a sixth of that between networks here, and counts in both parts.
    assert expected - error - 0.25 <= noisy <= expected + error


def test_power_is_that_of_the_noncentral_t():
    freedom, shift = 4, 1.5 / 0.9 * math.sqrt(3 / 2)
    critical = stats.t.isf(0.005, freedom)
    expected = stats.nct.sf(critical, freedom, shift) + stats.nct.cdf(-critical, freedom, shift)
    assert statistics.power(-1.5, 0.9, 3, level=0.01) == pytest.approx(expected, rel=1e-6)
    assert statistics.power(0.0, 0.9, 4) == pytest.approx(0.05, abs=1e-6)
    for effect in (0.5, 1.0, 2.0, 20.0):
        count = statistics.replicates_for(effect, 1.0)
        assert statistics.power(effect, 1.0, count) >= 0.8
        assert count == 2 or statistics.power(effect, 1.0, count - 1) < 0.8
    assert statistics.replicates_for(1.0, 1.0) == 17  # Cohen 1988, table 2.4.1
    assert statistics.replicates_for(0.0, 1.0) is None
    assert (statistics.replicates_for(0.1, 0.0), statistics.replicates_for(0.0, 0.0)) == (2, None)
    with pytest.raises(UserError, match="at least 2 networks and a deviation above 0, found 1 and 1.0"):
        statistics.power(1.0, 1.0, 1)


def exact(*values):
    """A condition whose networks' scores do not vary over trials."""
    return [Scores(np.full((1, SETS, TRIALS), value)) for value in values]


def check(found, expected, mean):
    assert found.mean == pytest.approx(mean)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.clear == (expected.pvalue < 0.05)
    low, high = expected.confidence_interval()
    assert found.half == pytest.approx((high - low) / 2)


def test_networks_alone_are_students_test():
    a, b = [0.61, 0.63, 0.60], [0.58, 0.60, 0.585]
    # Exact scores have no evaluation variance, whose 8 degrees of freedom are more than the networks' 4.
    check(statistics.difference(exact(*a), exact(*b)), stats.ttest_ind(a, b), np.mean(a) - np.mean(b))
    check(statistics.level(exact(*a)), stats.ttest_1samp(a, 0), np.mean(a))
    unequal = statistics.difference(exact(*a, 0.7), exact(*b))
    check(unequal, stats.ttest_ind([*a, 0.7], b, equal_var=False), np.mean([*a, 0.7]) - np.mean(b))
    assert unequal.networks == (4, 3) and unequal.conditions


def test_a_single_network_against_several_takes_their_variance():
    found = statistics.difference(exact(0.61, 0.63, 0.60), exact(0.5))
    error = np.std([0.61, 0.63, 0.60], ddof=1) * math.sqrt(1 / 3 + 1)
    assert found.half == pytest.approx(stats.t.isf(0.025, 2) * error)
    assert (found.freedom, found.networks, found.conditions) == (2, (3, 1), True)


def test_trials_alone_are_the_corrected_interval():
    generator = np.random.default_rng(0)
    a, b = (Scores(generator.standard_normal((2, SETS, TRIALS))) for _ in range(2))
    expected = statistics.of_network((a.trials[-1] - b.trials[-1]).ravel())
    found = statistics.difference([a], [b])
    assert (found.mean, found.half) == (pytest.approx(expected.mean), pytest.approx(expected.half))
    assert (found.freedom, found.networks, found.conditions) == (8, (1, 1), False)


def test_speakers_are_a_jackknife():
    """Of a mean the delete-one jackknife is its usual standard error."""
    generator = np.random.default_rng(0)
    by_speaker = generator.standard_normal((2, SPEAKERS))
    networks = [
        Scores(np.full((1, 2, 2), row.mean()), ((row.sum() - row) / (SPEAKERS - 1))[None]) for row in by_speaker
    ]
    found = statistics.difference(networks[:1], networks[1:])
    check(found, stats.ttest_rel(*by_speaker), (by_speaker[0] - by_speaker[1]).mean())
    assert found.freedom == SPEAKERS - 1


def test_the_larger_part_of_evaluation_counts():
    generator = np.random.default_rng(0)
    trials = generator.standard_normal((1, SETS, TRIALS))
    alone = statistics.level([Scores(trials)])
    assert statistics.level([Scores(trials, np.full((1, 5), 0.5))]).half == alone.half
    assert statistics.level([Scores(trials, 9 * generator.standard_normal((1, 5)))]).half > alone.half


def test_one_trial_says_nothing_without_speakers():
    one = Scores(np.full((3, 1, 1), 0.5))
    for found in (statistics.level([one]), statistics.difference([one] * 3, [one] * 3), statistics.fall([one])):
        assert math.isnan(found.half) and math.isnan(found.p) and not found.clear
    assert statistics.layer_differences([one], [one])[1] == [False] * 3
    assert statistics.level([Scores(one.trials, np.array([[0.4, 0.6]] * 3))]).half > 0


def test_the_best_layer_is_picked_on_other_scores():
    trials = np.full((3, 2, 1), 0.1)
    trials[0, 0] = trials[1, 1] = trials[2] = 0.5
    trials[2] = 0.4
    alone = [Scores(trials)]
    assert statistics.best_layers(alone).tolist() == [[1, 0]]  # each set's best layer is the other one's
    assert statistics.fall(alone).mean == pytest.approx(0.1 - 0.4)
    high = Scores(np.array([0.1, 0.9, 0.4])[:, None, None] + np.zeros((3, 2, 1)))
    assert statistics.best_layers([*alone, high]).tolist() == [[1, 1], [1, 0]]
    assert statistics.best_difference([high], [high]).mean == 0


def test_a_real_fall_is_found():
    generator = np.random.default_rng(0)
    world = World(generator, 5, 0.004, 0.001, 0.001)
    curve = np.array([0.0, 0.1, 0.2, 0.1, 0.0])[:, None, None]
    falling = [Scores(s.trials + curve, s.without + curve[:, 0]) for s in world.condition(3)]
    flat = world.condition(3)
    found = statistics.fall(falling)
    assert found.clear and found.mean == pytest.approx(0.2, abs=0.02)
    assert statistics.fall_difference(falling, flat).clear
    assert statistics.best_difference(falling, flat).mean == pytest.approx(0.2, abs=0.02)
    assert statistics.layer_differences(falling, flat)[1] == [False, True, True, True, False]


def test_holm():
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == [True, False, False, True]  # Holm 1979's steps, by hand
    assert statistics.holm([0.04, math.nan, 0.001]) == [False, False, True]
    assert statistics.holm([]) == []
    generator = np.random.default_rng(0)
    for _ in range(200):
        p = generator.random(6) ** 4
        order = np.argsort(p)
        adjusted = np.maximum.accumulate(p[order] * np.arange(6, 0, -1))
        assert statistics.holm(p) == [bool(adjusted[list(order).index(i)] <= 0.05) for i in range(6)]


def test_deviation_between_networks_is_pooled_over_conditions():
    deviation, freedom = statistics.between_networks(exact(0.5, 0.6, 0.7), exact(0.9), exact(0.1, 0.2))
    assert (deviation, freedom) == (pytest.approx(math.sqrt((2 * 0.01 + 0.005) / 3)), 3)
    alone, none = statistics.between_networks(exact(0.5))
    assert math.isnan(alone) and none == 0
    assert statistics.between_networks(exact(0.5, 0.6), of=statistics.falls)[0] == 0


def test_scores_that_do_not_match_are_refused():
    a, b = Scores(np.zeros((3, 2, 2))), Scores(np.zeros((3, 2, 1)))
    for function in (statistics.difference, statistics.fall_difference, statistics.layer_differences):
        with pytest.raises(UserError, match="Score all"):
            function([a], [b])
    with pytest.raises(UserError, match="at least one network"):
        statistics.level([])
    with pytest.raises(UserError, match="same evaluation speakers"):
        statistics.difference([Scores(a.trials, np.zeros((3, 4)))], [Scores(a.trials, np.zeros((3, 5)))])
    # Speakers that only one side knows are not used.
    assert statistics.difference([Scores(a.trials, np.zeros((3, 4)))], [a]).half == 0
