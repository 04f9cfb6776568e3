"""Sequences made of several crops: of different speakers, or as a control of one.

Arm and control have the same sequences but for who speaks in all crops after the first: as many crops, of the same
lengths, after the same first crop. Nothing is padded. Every crop but the last is a multiple of 320 samples long, so
that frames of the sequence are frames of its crops. The last frame of such a crop sees 80 samples of the next one; its
label is that of the utterance, whose own 80 samples followed.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hubert_iter.errors import UserError
from hubert_iter.frames import FRAME_LENGTH, FRAME_SHIFT

SPARE = 2 * FRAME_SHIFT + FRAME_LENGTH - FRAME_SHIFT
"""Samples that an utterance must have after a crop within a sequence: its labels may end two frames early (units.labels
SLACK), and its last frame needs 80 more."""


@dataclass(frozen=True, eq=False)
class Joining:
    """How crops are joined. `speakers` [N]: of each utterance; `lengths` [N]: its samples."""

    crops: int
    speakers: np.ndarray
    lengths: np.ndarray
    mixed: bool
    """Each crop of a sequence is of another speaker; otherwise all are of one."""

    def __post_init__(self):
        count = len(self._longest)
        if count < self.crops:
            raise UserError(
                f"expected at least {self.crops} training speakers for sequences of {self.crops} crops "
                f"(speakers_per_sequence, crops_per_sequence), found {count}"
            )

    def parts(self, samples: int) -> list[int]:
        """Lengths of a sequence's crops in samples: as equal as the grid allows, the rest at the end."""
        each, longer = divmod(samples // FRAME_SHIFT, self.crops)
        lengths = [FRAME_SHIFT * (each + (number < longer)) for number in range(self.crops)]
        return [*lengths[:-1], lengths[-1] + samples % FRAME_SHIFT]

    @property
    def most_samples(self) -> int:
        """Longest sequence: there are speakers enough with utterances as long as its crops, in arm and control."""
        longest = np.sort(self._longest)[-self.crops]
        return int(longest - SPARE) // FRAME_SHIFT * FRAME_SHIFT * self.crops

    def partners(self, first: int, samples: int, generator: np.random.Generator) -> list[int]:
        """Utterances of the crops after the first, for a sequence of so many samples that begins with `first`."""
        enough = max(self.parts(samples)) + SPARE
        found = [first]
        while len(found) < self.crops:
            draw = self._draw_other if self.mixed else self._draw_same
            found.append(draw(found, enough, generator))
        return found[1:]

    def _draw_other(self, found: list[int], enough: int, generator: np.random.Generator) -> int:
        """Any utterance that is long enough, of a speaker not heard yet. `most_samples` ensures that there is one."""
        able = self._by_length[np.searchsorted(self.lengths[self._by_length], enough) :]
        while True:
            other = int(able[generator.integers(len(able))])
            if self._codes[other] not in self._codes[found]:
                return other

    def _draw_same(self, found: list[int], enough: int, generator: np.random.Generator) -> int:
        """Another utterance of the first one's speaker; one that is in already, where there is no other."""
        mine = self._of_speaker[self._codes[found[0]]]
        able = mine[self.lengths[mine] >= enough]
        fresh = np.setdiff1d(able, found)
        choice = fresh if len(fresh) else able if len(able) else np.array(found[:1])
        return int(choice[generator.integers(len(choice))])

    @cached_property
    def _codes(self) -> np.ndarray:
        return np.unique(self.speakers, return_inverse=True)[1]

    @cached_property
    def _of_speaker(self) -> list[np.ndarray]:
        return [np.flatnonzero(self._codes == code) for code in range(int(self._codes.max()) + 1)]

    @cached_property
    def _by_length(self) -> np.ndarray:
        return np.argsort(self.lengths, kind="stable")

    @cached_property
    def _longest(self) -> np.ndarray:
        """Samples of each speaker's longest utterance."""
        return np.array([self.lengths[mine].max() for mine in self._of_speaker])
