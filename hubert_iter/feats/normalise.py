"""Features without what stays the same all through an utterance, or all through what a speaker says.

Their mean is subtracted, and by some kinds what is left is divided by its standard deviation, so that labels made of
them say little of who speaks (docs/protocol.md section 3; for layers after van Niekerk et al. 2021, arXiv 2108.00917).
"""

import logging
import time
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hubert_iter.data import datadir

if TYPE_CHECKING:
    import numpy as np

    from hubert_iter.feats.source import FeatureSource

NONE = "none"
KINDS = (NONE, "utterance_mean", "utterance", "speaker_mean", "speaker")
"""Those that end in _mean do not divide by the deviation."""
log = logging.getLogger(__name__)


def describe(features: dict, kind: str) -> dict:
    """A description of features, with how they are normalised. Raw ones are described as if there were no choice."""
    return features if kind == NONE else {**features, "normalise": kind}


def kind_of(features: dict) -> str:
    """How features of this description are normalised."""
    return features.get("normalise", NONE)


class Statistics:
    """Mean and standard deviation [D] of the frames seen so far, float64; frames are not kept.

    Sums of squares are taken around the mean and merged as by Chan et al. (1983), so that a constant dimension has a
    deviation of exactly 0, which a difference of two large sums would not give.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: np.ndarray | float = 0.0
        self._squares: np.ndarray | float = 0.0

    def add(self, feats: "np.ndarray") -> "Statistics":
        """Count frames [T, D]."""
        feats = feats.astype("float64")
        mean, total = feats.mean(axis=0), self.count + len(feats)
        shift = mean - self.mean
        squares = ((feats - mean) ** 2).sum(axis=0)
        self._squares = self._squares + squares + shift**2 * (self.count * len(feats) / total)
        self.mean = self.mean + shift * (len(feats) / total)
        self.count = total
        return self

    @property
    def deviation(self) -> "np.ndarray":
        """Over all frames, as a population's."""
        return (self._squares / self.count) ** 0.5


class NormalisedSource:
    """Another source's features, normalised by the statistics of each utterance or of its speaker.

    A speaker's are those of all that the data set has of the speaker, whichever utterances are asked for: k-means,
    fitted on a part of them, and the labels of all must see the same features. They take a first pass over these
    utterances.
    """

    def __init__(self, source: "FeatureSource", kind: str, data: Path | datadir.DataDir):
        self.path, self.rate = source.path, source.rate
        self._source, self._kind, self._data = source, kind, data

    def describe(self) -> dict:
        """The features' description and the kind of normalisation."""
        return describe(self._source.describe(), self._kind)

    def inputs(self) -> dict[str, Path]:
        """The features' own."""
        return self._source.inputs()

    def num_frames(self, utt: str) -> int:
        """The features' own."""
        return self._source.num_frames(utt)

    def stream(self, utts: Iterable[str]) -> "Iterator[tuple[str, np.ndarray]]":
        """Yield (utterance, float32 [T, D]) in the order asked for."""
        utts = list(utts)
        of_speakers = self._of_speakers(utts) if self._kind.startswith("speaker") else None
        for utt, feats in self._source.stream(utts):
            found = of_speakers[self._speakers[utt]] if of_speakers else Statistics().add(feats)
            yield utt, self._apply(feats, found)

    def _apply(self, feats: "np.ndarray", found: Statistics) -> "np.ndarray":
        centred = feats - found.mean
        if not self._kind.endswith("_mean"):
            deviation = found.deviation
            centred /= deviation + (deviation == 0)  # a dimension that never changes is left at 0
        return centred.astype("float32")

    @cached_property
    def _speakers(self) -> dict[str, str]:
        data = self._data if isinstance(self._data, datadir.DataDir) else datadir.read(self._data)
        return {utterance.id: utterance.speaker for utterance in data.utterances}

    def _of_speakers(self, utts: list[str]) -> dict[str, Statistics]:
        """Statistics of the speakers of these utterances."""
        began = time.monotonic()
        found = {self._speakers[utt]: Statistics() for utt in utts}
        theirs = [utt for utt, speaker in self._speakers.items() if speaker in found]
        for utt, feats in self._source.stream(theirs):
            found[self._speakers[utt]].add(feats)
        log.info(
            "statistics of %d speakers from %d utterances in %.1f s",
            len(found), len(theirs), time.monotonic() - began,
        )  # fmt: skip
        return found
