"""The seeds of a run: one for each purpose, computed from the study's seed, the replicate and the iteration.

No draw depends on what was drawn before: a run that goes on after it was killed, alone or in several processes, sees
the numbers that it would have seen, and no generator's state is kept (docs/protocol.md section 3, "Whose randomness").
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_WEIGHTS, _BATCHES, _UPDATE, _KMEANS, _HEAD, _LAYERDROP = range(6)


@dataclass(frozen=True)
class Draws:
    """The seeds of one run.

    Replicates differ in all of them. Runs of one replicate and iteration share initial weights of the encoder and
    batches, whatever their objective, so that they can be compared in pairs; another iteration has others.
    """

    seed: int
    """The study's."""
    replicate: int = 1
    iteration: int = 1
    leg: int = 0
    """Of a run with refresh. Only the head that a later leg begins with depends on it: all else goes on."""

    def weights(self) -> int:
        """Seed of the initial weights."""
        return self._derive(_WEIGHTS) if self.leg <= 1 else self._derive(_HEAD, self.leg)

    def batches(self) -> int:
        """Seed of the order of utterances, of crops and of masks."""
        return self._derive(_BATCHES)

    def update(self, update: int, batch: int) -> int:
        """Seed of what is drawn in one batch of an update: dropout, negatives, Gumbel noise.

        Batches are counted over all processes, so that it does not matter which of them goes through one.
        """
        return self._derive(_UPDATE, update, batch)

    def layerdrop(self, update: int) -> int:
        """Seed of which blocks an update leaves out: the same for all its batches, in all processes."""
        return self._derive(_LAYERDROP, update)

    def _derive(self, *purpose: int) -> int:
        return derive(self.seed, self.replicate, self.iteration, *purpose)


def kmeans_seed(seed: int, replicate: int) -> int:
    """Seed of k-means: of the sample that it is fitted on, and of its starts."""
    return derive(seed, replicate, 0, _KMEANS)


def derive(*key: int) -> int:
    """A seed of 63 bits from whole numbers; keys that differ give unrelated seeds (numpy's SeedSequence)."""
    import numpy as np  # here: a stage that is up to date does not need it

    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))


def sorted_choice(rng: "np.random.Generator", total: int, size: int) -> "np.ndarray":
    """`size` different numbers below `total`, ascending."""
    chosen = rng.choice(total, size, replace=False, shuffle=False)
    chosen.sort()
    return chosen
