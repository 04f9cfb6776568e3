"""Ten label-stratified parts and the trials over them, the same for all models. docs/protocol.md section 4, point 4."""

import zlib

import numpy as np

from hubert_iter.analysis.frame_sample import FrameSample
from hubert_iter.errors import UserError

NUM_PARTS = 10


def deal(labels: np.ndarray, prop: str, sample_set: int, seed: int, num_parts: int = NUM_PARTS) -> np.ndarray:
    """Part of each instance, int [instances].

    Each class is shuffled, then all are dealt in turn like cards, the next class going on where the last one ended:
    counts of a class differ by at most one between parts, sizes of parts too, and small classes are spread.
    """
    generator = np.random.default_rng([seed, sample_set, zlib.crc32(f"folds {prop}".encode())])
    shuffled = generator.permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    parts = np.empty(len(labels), dtype=np.int64)
    parts[order] = np.arange(len(labels)) % num_parts
    return parts


def deal_utterances(frames: FrameSample, name: str, seed: int, num_parts: int = NUM_PARTS) -> np.ndarray:
    """Part of each frame, int [N]: an utterance's frames stay together, and each speaker's utterances are spread.

    Neighbouring frames are nearly alike: dealt one by one, those of a test part would have been trained on.
    """
    starts = [part.start for part in frames.parts]
    speakers = np.unique(frames.labels["speaker"][starts], return_inverse=True)[1]
    parts = deal(speakers, name, 0, seed, num_parts)
    return np.repeat(parts, [part.stop - part.start for part in frames.parts])


def evenly(numbers: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the numbers, evenly spaced."""
    count = min(most, len(numbers))
    return numbers[np.arange(count) * len(numbers) // max(count, 1)]


def shuffle_within_parts(labels: np.ndarray, parts: np.ndarray, prop: str, sample_set: int, seed: int) -> np.ndarray:
    """Labels for the null: each part keeps its class counts, who bears which label is drawn."""
    generator = np.random.default_rng([seed, sample_set, zlib.crc32(f"null {prop}".encode())])
    shuffled = labels.copy()
    for part in range(NUM_PARTS):
        members = np.flatnonzero(parts == part)
        shuffled[members] = labels[generator.permutation(members)]
    return shuffled


def trials(count: int) -> list[tuple[int, int]]:
    """(dev part, test part) of each trial; no part is used twice."""
    if not 1 <= count <= NUM_PARTS // 2:
        raise UserError(f"trials: expected 1 to {NUM_PARTS // 2} (disjoint pairs of ten parts), found {count}")
    return [(2 * trial, 2 * trial + 1) for trial in range(count)]
