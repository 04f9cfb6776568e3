"""Which crops of which utterances form each batch: a function of (seed, position), so that resuming is exact.

Utterances of like length share a batch within a budget of audio seconds, and all are cropped to the shortest one, so
that nothing is padded and attention needs no mask. Crops start on the 320-sample grid: label t then is exactly frame t.
"""

from dataclasses import dataclass

import numpy as np

from hubert_iter.data.joining import SPARE, Joining
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
    """One batch: equally long sequences and the seed of everything random about them."""

    sequences: tuple[tuple[Crop, ...], ...]
    """Of one crop each, or of several that are joined."""
    seed: tuple[int, ...]

    @property
    def num_samples(self) -> int:
        """Of each sequence."""
        return sum(crop.num_samples for crop in self.sequences[0])


class Sampler:
    """An endless sequence of batches over epochs; `plan(position)` gives any of them."""

    def __init__(
        self, lengths: np.ndarray, batch_seconds: float, max_crop_seconds: float, seed: int,
        joining: Joining | None = None,
    ):  # fmt: skip
        """`lengths` in samples, one per utterance; `joining` for sequences of several crops."""
        if len(lengths) == 0:
            raise UserError("no utterances to train on: the data directory is empty after filtering")
        most = int(max_crop_seconds * SAMPLE_RATE)
        self.joining = joining
        self.lengths = np.minimum(lengths, min(most, joining.most_samples) if joining else most)
        self.full_lengths = np.asarray(lengths)
        self.budget = int(batch_seconds * SAMPLE_RATE)
        self.seed = seed
        if self.lengths.max() > self.budget:
            raise UserError(
                f"a crop of {self.lengths.max() / SAMPLE_RATE:.1f} s does not fit into a batch of {batch_seconds} s: "
                "raise device_seconds or lower max_crop_seconds in the training configuration"
            )
        if joining:
            self._refuse_short(joining)
        self._starts = [0]  # position of the first batch of each epoch planned so far
        self._epoch, self._groups = -1, []
        self._enter(0)

    def _refuse_short(self, joining: Joining) -> None:
        """An utterance must be long enough for its crop and what must follow it."""
        shortest = int(self.full_lengths.min())
        wanted = max(joining.parts(int(self.lengths.min()))) + SPARE
        if shortest < wanted:
            raise UserError(
                f"an utterance of {shortest / SAMPLE_RATE:.3f} s is too short for sequences of {joining.crops} crops, "
                f"{wanted / SAMPLE_RATE:.3f} s would do: leave out the shortest utterances in stage 2 (--min_seconds)"
            )

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
        parts = self.joining.parts(shortest) if self.joining else [shortest]
        columns = [members]
        if self.joining:
            partner_rng = np.random.default_rng((self.seed, 3, position))
            columns += zip(*(self.joining.partners(int(m), shortest, partner_rng) for m in members), strict=True)
        made = [self._crops(np.array(column), part, rng) for column, part in zip(columns, parts, strict=True)]
        return BatchPlan(tuple(zip(*made, strict=True)), (self.seed, 2, position))

    def _crops(self, utterances: np.ndarray, samples: int, rng: np.random.Generator) -> list[Crop]:
        """A crop at a random place of each utterance."""
        spare = SPARE if self.joining else 0
        grid = (self.full_lengths[utterances] - samples - spare) // FRAME_SHIFT + 1
        starts = rng.integers(0, grid) * FRAME_SHIFT
        return [Crop(int(u), int(s), samples) for u, s in zip(utterances, starts, strict=True)]

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
