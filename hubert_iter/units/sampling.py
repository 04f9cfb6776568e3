"""The frames that k-means is fitted on: of a seeded draw of utterances, all frames or as many as memory holds.

What an utterance gives depends on the seed and on the whole draw alone, not on who reads it or when. So parts that
several processes read are together the frames that one would have read.
"""

import logging
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from hubert_iter.array_files import DAMAGE
from hubert_iter.errors import UserError
from hubert_iter.feats.source import FeatureSource
from hubert_iter.progress import Progress
from hubert_iter.randomness import sorted_choice

FILE_NAME = "frames.npy"
log = logging.getLogger(__name__)


def choose_utterances[T](utterances: Sequence[T], portion: float, seed: int) -> list[T]:
    """Draw a portion of the utterances, at least one, in their given order."""
    if not 0 < portion <= 1:
        raise UserError(f"--portion: expected more than 0 and at most 1, found {portion}")
    if not utterances:
        raise UserError("k-means: the data directory has no utterances")
    count = max(1, round(portion * len(utterances)))
    return [utterances[index] for index in sorted_choice(np.random.default_rng(seed), len(utterances), count)]


def sample_frames(
    source: FeatureSource, chosen: Sequence[str], seed: int, max_memory_gb: float, part: Sequence[str] | None = None
) -> np.ndarray:
    """The frames of the `chosen` utterances, or as many as the memory budget holds, drawn evenly; float32 [N, D].

    With `part`, a run of neighbours among the chosen, only what they give to the sample of all. Three quarters of the
    budget go to the sample, the rest to batches.
    """
    part = chosen if part is None else part
    places = {utt: place for place, utt in enumerate(chosen)}
    features, ends = None, [0]
    progress = Progress("k-means: frames", len(part), sum(source.num_frames(utt) for utt in part) / source.rate)
    for utt, feats in source.stream(part):
        if features is None:
            ends = _ends(source, chosen, feats.shape[1], max_memory_gb)
            first, end = ends[places[part[0]]], ends[places[part[-1]] + 1]
            features = np.empty((end - first, feats.shape[1]), np.float32)
        if feats.shape[1] != features.shape[1]:
            raise UserError(
                f"{source.path}: utterance {utt}: expected {features.shape[1]} dimensions, found {feats.shape[1]}"
            )
        place = places[utt]
        share = ends[place + 1] - ends[place]
        drawn = slice(None)
        if share < len(feats):
            drawn = sorted_choice(np.random.default_rng([seed, place]), len(feats), share)
        features[ends[place] - first : ends[place + 1] - first] = feats[drawn]
        progress.step(len(feats) / source.rate)
    return np.empty((0, 0), np.float32) if features is None else features


def _ends(source: FeatureSource, chosen: Sequence[str], dim: int, max_memory_gb: float) -> list[int]:
    """Where each utterance's frames begin in the sample, and where the last one's end.

    Shares are rounded on the running total, so that they add up to the whole sample exactly.
    """
    totals = list(accumulate((source.num_frames(utt) for utt in chosen), initial=0))
    available, room = totals[-1], int(0.75 * max_memory_gb * 2**30 / (4 * dim))
    if room < available:
        log.warning(
            "k-means: %d frames of %d dimensions exceed --max_memory_gb %g: sampling %d evenly",
            available, dim, max_memory_gb, room,
        )  # fmt: skip
    size = min(room, available)
    return [total * size // available for total in totals]


def write(folder: Path, frames: np.ndarray) -> None:
    """Write a part's frames."""
    np.save(Path(folder) / FILE_NAME, frames)


def join(folders: Sequence[Path]) -> np.ndarray:
    """The frames of all parts, read one part at a time; those of parts without an utterance are none."""
    arrays = [_open(folder / FILE_NAME) for folder in folders]
    arrays = [frames for frames in arrays if len(frames)]
    joined = np.empty((sum(map(len, arrays)), arrays[0].shape[1] if arrays else 0), np.float32)
    begin = 0
    for frames in arrays:
        joined[begin : begin + len(frames)] = frames
        begin += len(frames)
    return joined


def _open(path: Path) -> np.ndarray:
    try:
        frames = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGE as error:
        raise UserError(f"{path}: cannot be read ({error}). Remove its folder and run sample_frames again") from None
    if frames.ndim != 2 or frames.dtype != np.float32:
        raise UserError(f"{path}: expected float32 [frames, dimensions], found {frames.dtype} {list(frames.shape)}")
    return frames
