"""Evaluation speakers as numbers, for scores with each of them left out."""

import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from hubert_iter.analysis.measure import SpeakerRow
from hubert_iter.analysis.sample import Span
from hubert_iter.errors import UserError

MOST_GROUPS = 50


class Groups:
    """What is left out together: each speaker alone, or groups where there are many speakers."""

    def __init__(self, speakers: Mapping[str, str], seed: int):
        """Take utterance -> evaluation speaker."""
        self._speakers = speakers
        self._group_of = speaker_groups(speakers.values(), seed)
        self.names = sorted(set(self._group_of.values()))
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def speakers(self, spans: Sequence[Span]) -> list[str]:
        """Who speaks each segment."""
        unknown = sorted({span.utterance for span in spans} - set(self._speakers))
        if unknown:
            raise UserError(
                f"utterance {unknown[0]}: expected its speaker beside the samples, found none. "
                "Run sample_segments (stage 8) again"
            )
        return [self._speakers[span.utterance] for span in spans]

    def numbers(self, speakers: Sequence[str]) -> np.ndarray:
        """Group of each speaker given, int [n] in 0..len(names)-1."""
        return np.array([self._numbers[self._group_of[speaker]] for speaker in speakers])


def mean_rows(
    metric: str, names: Sequence[str], without: Mapping[tuple[str, str], Sequence[Sequence[float]]]
) -> list[SpeakerRow]:
    """Means over trials of scores with each group left out, from (tap, property) -> the groups' scores per trial.

    None of one group alone: without it nothing is left.
    """
    if len(names) < 2:
        return []
    return [
        SpeakerRow(tap, prop, metric, name, float(value))
        for (tap, prop), trials in without.items()
        if trials
        for name, value in zip(names, np.mean(trials, axis=0), strict=True)
    ]


def speaker_groups(speakers: Iterable[str], seed: int, most: int = MOST_GROUPS) -> dict[str, str]:
    """Speaker -> what is left out together: the speaker alone, or one of `most` groups, dealt by seed."""
    speakers = sorted(set(speakers))
    if len(speakers) <= most:
        return {speaker: speaker for speaker in speakers}
    order = np.random.default_rng([seed, zlib.crc32(b"speakers")]).permutation(len(speakers))
    return {speakers[index]: f"group{place % most:02d}" for place, index in enumerate(order)}
