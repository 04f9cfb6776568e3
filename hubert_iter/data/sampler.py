"""Which crops of which utterances form each batch: a function of (seed, position), so that resuming is exact.

Utterances of like length share a batch within a budget of audio seconds, and all are cropped to the shortest one, so
that nothing is padded and attention needs no mask. Crops start on the 320-sample grid: label t then is exactly frame t.
"""

from dataclasses import dataclass

import numpy as np

from hubert_iter.errors import UserError
from hubert_iter.frames import FRAME_SHIFT, SAMPLE_RATE


@dataclass(frozen=True)
class Crop:
    """Part of an utterance: `start` is a multiple of 320 samples."""

    utterance: int
    start: int
    num_samples: int


@dataclass(frozen=True)
class BatchPlan:
    """One batch: equally long crops and the seed of everything random about them."""

    crops: tuple[Crop, ...]
    seed: tuple[int, ...]


class Sampler:
    """An endless sequence of batches over epochs; `plan(position)` gives any of them."""

    def __init__(self, lengths: np.ndarray, batch_seconds: float, max_crop_seconds: float, seed: int):
        """`lengths` in samples, one per utterance."""
        if len(lengths) == 0:
            raise UserError("no utterances to train on: the data directory is empty after filtering")
        self.lengths = np.minimum(lengths, int(max_crop_seconds * SAMPLE_RATE))
        self.full_lengths = np.asarray(lengths)
        self.budget = int(batch_seconds * SAMPLE_RATE)
        self.seed = seed
        if self.lengths.max() > self.budget:
            raise UserError(
                f"a crop of {self.lengths.max() / SAMPLE_RATE:.1f} s does not fit into a batch of {batch_seconds} s: "
                "raise device_seconds or lower max_crop_seconds in the training configuration"
            )
        self._starts = [0]  # position of the first batch of each epoch planned so far
        self._epoch, self._groups = -1, []
        self._enter(0)

    def locate(self, position: int) -> tuple[int, int]:
        """Position -> (epoch, number within the epoch)."""
        while position >= self._starts[-1]:
            self._enter(len(self._starts) - 1)
        epoch = int(np.searchsorted(self._starts, position, side="right")) - 1
        return epoch, position - self._starts[epoch]

    def plan(self, position: int) -> BatchPlan:
        """The batch at a position."""
        epoch, number = self.locate(position)
        self._enter(epoch)
        members = self._groups[number]
        rng = np.random.default_rng((self.seed, 1, position))
        shortest = int(self.lengths[members].min())
        grid = (self.full_lengths[members] - shortest) // FRAME_SHIFT + 1
        starts = rng.integers(0, grid) * FRAME_SHIFT
        crops = tuple(Crop(int(m), int(s), shortest) for m, s in zip(members, starts, strict=True))
        return BatchPlan(crops, (self.seed, 2, position))

    def largest(self) -> BatchPlan:
        """The batch with the most samples of the first epoch, to try the memory with."""
        self._enter(0)
        sizes = [len(members) * int(self.lengths[members].min()) for members in self._groups]
        return self.plan(int(np.argmax(sizes)))

    def _enter(self, epoch: int) -> None:
        """Group the epoch's utterances into batches, in random order."""
        if epoch == self._epoch:
            return
        rng = np.random.default_rng((self.seed, 0, epoch))
        order = rng.permutation(len(self.lengths))
        # Stable: utterances of equal (capped) length stay in random order.
        order = order[np.argsort(self.lengths[order], kind="stable")]
        groups, first = [], 0
        for position in range(1, len(order) + 1):
            # In ascending order the first member is the shortest, to which all are cropped.
            full = (position - first + 1) * self.lengths[order[first]] > self.budget
            if position == len(order) or full:
                groups.append(order[first:position])
                first = position
        self._groups = [groups[i] for i in rng.permutation(len(groups))]
        self._epoch = epoch
        if epoch == len(self._starts) - 1:
            self._starts.append(self._starts[-1] + len(groups))
