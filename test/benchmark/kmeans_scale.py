"""k-means of --portion of --hours of 768-d frames within memory budgets: seconds, inertia on held-out frames, memory.

Frames are made as a teacher would give them, an utterance at a time (1000 overlapping clusters in 24 dimensions, seen
through 768, and noise), so that nothing but the sample is ever held. Printed for each budget: frames, seconds to read
them, to fit, inertia on held-out frames, over that of the first budget, and the most memory that the process held. A
process of its own for each. With --check it exits 1 where a fit holds more than its budget and half a gigabyte.
"""

import argparse
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np

from hubert_iter.units import kmeans, sampling

DIM, CLUSTERS, LATENT = 768, 1000, 24
FRAMES = 615  # of an utterance: 12.3 s, LibriSpeech's mean
HELD_OUT = 30  # utterances
ROOM_GB = 0.5  # for Python, its libraries and the results


class MadeSource:
    """Features of utterances that are made when they are asked for; the same each time."""

    path = "made frames"

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.shares = np.cumsum(rng.dirichlet(np.full(CLUSTERS, 0.5)))
        self.centres = rng.standard_normal((CLUSTERS, LATENT), np.float32)
        self.view = rng.standard_normal((LATENT, DIM), np.float32) / LATENT**0.5

    def num_frames(self, utt: str) -> int:
        return FRAMES

    def stream(self, utts):
        for utt in utts:
            rng = np.random.default_rng([1, int(utt)])
            number = np.minimum(np.searchsorted(self.shares, rng.random(FRAMES)), CLUSTERS - 1)
            points = self.centres[number] + 0.5 * rng.standard_normal((FRAMES, LATENT), np.float32)
            yield utt, points @ self.view + 0.3 * rng.standard_normal((FRAMES, DIM), np.float32)


class Fitted(NamedTuple):
    """What a budget gives."""

    frames: int
    reading: float
    fitting: float
    inertia: float
    batches: int
    memory_gb: float


def fit(hours: float, portion: float, k: int, budget: float) -> Fitted:
    """Sample, fit, score on utterances that are in no sample."""
    features = MadeSource()
    count = round(hours * 3600 * 50 / FRAMES)
    chosen = sampling.choose_utterances([str(number) for number in range(count)], portion, 0)
    began = time.perf_counter()
    frames = sampling.sample_frames(features, chosen, 0, budget)
    reading = time.perf_counter() - began
    fitted = kmeans.fit(frames, k, 0)
    fitting = time.perf_counter() - began - reading
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    held_out = np.concatenate([feats for _, feats in features.stream(str(count + n) for n in range(HELD_OUT))])
    inertia = kmeans.nearest(held_out, fitted.centroids)[0].mean(dtype=np.float64)
    return Fitted(len(frames), reading, fitting, inertia, fitted.batches, memory)


def main() -> None:
    """Measure, print, check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=960.0)
    parser.add_argument("--portion", type=float, default=0.01)
    parser.add_argument("--k", type=int, default=500)
    parser.add_argument("--max_memory_gb", type=float, nargs="+", default=[0.5, 1.0, 4.0])
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    first, over = None, []
    for budget in args.max_memory_gb:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            found = pool.submit(fit, args.hours, args.portion, args.k, budget).result()
        first = first or found
        if found.memory_gb > budget + ROOM_GB:
            over.append(budget)
        print(
            f"{args.portion:.0%} of {args.hours:.0f} h, k={args.k}, budget {budget:g} GB: {found.frames} frames, read "
            f"in {found.reading:.0f} s, fitted in {found.fitting:.0f} s ({found.batches} batches), inertia "
            f"{found.inertia:.3f}, ratio {found.inertia / first.inertia:.4f}, {found.memory_gb:.2f} GB held",
            flush=True,
        )
    if args.check and over:
        sys.exit(f"more memory held than the budget and {ROOM_GB} GB: {over}")


if __name__ == "__main__":
    main()
