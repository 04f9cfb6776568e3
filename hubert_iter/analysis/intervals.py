"""Means over trials with intervals.

Trials share most of their train instances, so their spread alone understates the error; intervals are 95 % with the
correction of Nadeau and Bengio (2003) for resampled train sets: t * sd * sqrt(1 / n + test / train), where
test / train = 1 / 8.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

from hubert_iter.analysis.folds import NUM_PARTS

TEST_OVER_TRAIN = 1 / (NUM_PARTS - 2)


@dataclass(frozen=True)
class Interval:
    """Mean over trials and half of its 95 % interval (nan for a single trial)."""

    mean: float
    half: float
    count: int

    @property
    def clear(self) -> bool:
        """True when 0 lies outside."""
        return abs(self.mean) > self.half

    def __str__(self) -> str:
        """Mean and interval as text."""
        return f"{self.mean:.3f} ± {self.half:.3f}" if self.count > 1 else f"{self.mean:.3f} (one trial, no interval)"


def interval(values: Sequence[float]) -> Interval:
    """Mean and half-width over trials."""
    count = len(values)
    mean = math.fsum(values) / count
    if count < 2:
        return Interval(mean, math.nan, count)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    return Interval(mean, float(stdtrit(count - 1, 0.975)) * deviation * math.sqrt(1 / count + TEST_OVER_TRAIN), count)
