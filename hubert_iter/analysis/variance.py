"""Where the variance of a mean score, or of a difference of two, comes from: networks, trials, evaluation speakers.

- Networks: s^2 (1 / n_A + 1 / n_B). With as many networks on each side s^2 is pooled over both (Student 1908), with
  unequal numbers each side has its own (Welch 1947), and a side of one network takes the other's. Pooled, equal
  conditions of equal deviation differ in exactly 5 % (200,000 simulations), in 7.4, 7.6 and 6.7 % (2, 3, 5 of each)
  where one deviates 3 times as much; Welch's degrees of freedom give 2.3, 3.5, 4.4 and 3.6, 5.2, 5.3 %, but find a
  difference of 4 deviations in 30 instead of 57 % of pairs of two networks. With 5 networks against 2 that deviate 3
  times as much, pooled is wrong in 22 %, Welch in 10 %.
- Trials (segments and splits) share train instances: s^2 (1 / n + 1 / 8), n - 1 degrees (Nadeau and Bengio 2003).
- Speakers: (G - 1) / G sum_g (d_-g - mean)^2, the delete-one jackknife (Tukey 1958; Efron and Tibshirani 1993, chapter
  11), G - 1 degrees. Speakers bring their segments, so the larger of this and the trials' part counts, not the sum.

Measured on real speech (test/benchmark/speakers.py, 100 draws of ten speakers, three pairs of features): intervals of
95 % by the larger of trials and speakers hold the difference on ten other speakers in 92.3 %, by trials alone in 71.7,
by speakers alone in 89.3, by their sum in 96.0 %; 91 % is what exact ones would. So the larger it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hubert_iter.analysis.folds import NUM_PARTS

TEST_OVER_TRAIN = 1 / (NUM_PARTS - 2)


@dataclass(frozen=True)
class Component:
    """A part of the variance of a mean or difference, and its degrees of freedom."""

    variance: float
    freedom: float


def over_networks(*groups: Sequence[float]) -> Component | None:
    """Variance of a mean (one group) or difference of means (two) by its networks; None with one on each side."""
    counts = [len(group) for group in groups]
    several = [group for group in groups if len(group) > 1]
    if not several:
        return None
    if len(several) < len(groups) or len(set(counts)) == 1:
        freedom = sum(counts) - len(counts)
        pooled = sum(float(np.var(group)) * len(group) for group in several) / freedom
        return Component(pooled * sum(1 / count for count in counts), freedom)
    parts = [Component(float(np.var(group, ddof=1)) / len(group), len(group) - 1) for group in groups]
    total = sum(part.variance for part in parts)
    if total == 0:
        return Component(0.0, min(part.freedom for part in parts))
    return Component(total, total**2 / sum(part.variance**2 / part.freedom for part in parts))


def over_trials(trials: np.ndarray) -> Component | None:
    """Variance of the mean of trials [S, T] by segments and splits; None for a single trial."""
    if trials.size < 2:
        return None
    return Component(float(trials.var(ddof=1)) * (1 / trials.size + TEST_OVER_TRAIN), trials.size - 1)


def over_speakers(without: np.ndarray | None) -> Component | None:
    """Variance by evaluation speakers, from the values with each left out [G]."""
    if without is None or len(without) < 2:
        return None
    return Component(float(without.var()) * (len(without) - 1), len(without) - 1)
