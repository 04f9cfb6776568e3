"""Which frames are masked: spans at random starts, the same number of masked frames in every utterance."""

import numpy as np

MINIMUM_SPANS = 2


def draw_mask(rng: np.random.Generator, utterances: int, frames: int, probability: float, length: int) -> np.ndarray:
    """Draw a mask of shape [utterances, frames], true where masked.

    `probability` is that of a frame to lie in a span if spans did not overlap: the number of spans is
    probability * frames / length, rounded up or down at random, at least two. Spans may overlap; afterwards frames are
    unmasked at random until all utterances have as many masked frames as the one with the fewest (fairseq's rule).
    """
    length = min(length, frames)
    spans = max(MINIMUM_SPANS, int(probability * frames / length + rng.random()))
    starts_possible = frames - length + 1
    spans = min(spans, starts_possible)
    # The first `spans` of a random order are distinct starts; argpartition spares the full sort.
    order = rng.random((utterances, starts_possible))
    starts = np.argpartition(order, spans - 1, axis=1)[:, :spans]
    mask = np.zeros((utterances, frames), dtype=bool)
    covered = starts[:, :, None] + np.arange(length)
    mask[np.arange(utterances)[:, None, None], covered] = True

    fewest = mask.sum(axis=1).min()
    rank = np.where(mask, rng.random(mask.shape), 2.0)
    keep = np.argpartition(rank, fewest - 1, axis=1)[:, :fewest]
    mask[:] = False
    np.put_along_axis(mask, keep, True, axis=1)
    return mask
