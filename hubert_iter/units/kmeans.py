"""Mini-batch k-means on frames in memory.

The method is HuBERT's (scikit-learn's MiniBatchKMeans as fairseq sets it): greedy k-means++ seeds, the best of 20
starts on a sample, batches of 10,000 frames, at most 100 passes, an end after 100 batches without progress. Two things
differ, both for speed: the 20 starts are drawn in step, so that distances are large matrix products, and the
nearest centroids are faiss's.

Why it is our own (test/benchmark/kmeans.py, docs/design.md). On MFCC, which hardly cluster, faiss's k-means, seeded by
plain k-means++, reaches the same inertia in a twelfth of the time. On features that do cluster, its inertia is 31 %
above scikit-learn's even in the best of 20 runs; ours is 2 % below scikit-learn's. scikit-learn takes 1.3 times our
processor time on MFCC, and does not have faiss's fast products, which count at 768 dimensions.
"""

import functools
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import faiss
import numpy as np
from scipy import sparse

from hubert_iter.array_files import DAMAGE
from hubert_iter.errors import UserError
from hubert_iter.feats.source import num_threads
from hubert_iter.randomness import sorted_choice

BATCH = 10_000  # frames
STARTS = 20
PASSES = 100
PATIENCE = 100  # batches
LAST_PASSES = 10
CHUNK = 2_500  # frames that one thread compares with all centroids
SEED_FRAMES = 3 * BATCH  # frames among which seeds are drawn
SEED_MEMORY = 256e6  # bytes of distances held while seeding
FILE_NAME = "kmeans.npz"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fit:
    """Centroids float32 [k, D] and how the fit went. Inertia is the mean squared distance per frame."""

    centroids: np.ndarray
    inertia: float
    used_clusters: int
    batches: int


def nearest(feats: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each frame's squared distance to its nearest centroid and that centroid's number (int32)."""
    feats = np.ascontiguousarray(feats, np.float32)
    parts = [feats[begin : begin + CHUNK] for begin in range(0, len(feats), CHUNK)]
    found = list(_threads().map(lambda part: faiss.knn(part, centroids, 1), parts))
    distances, labels = (np.concatenate([pair[which][:, 0] for pair in found]) for which in (0, 1))
    return distances, labels.astype(np.int32)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Threads that each run faiss alone: its own would wait in a busy loop, a hundredfold slower beside other work."""
    return ThreadPoolExecutor(num_threads(), initializer=faiss.omp_set_num_threads, initargs=(1,))


def fit(features: np.ndarray, k: int, seed: int, starts: int = STARTS, passes: int = PASSES) -> Fit:
    """Cluster features [N, D] (float32) into k; the same seed gives the same centroids."""
    if len(features) < k:
        raise UserError(f"k-means: expected at least k = {k} frames, found {len(features)}. Lower k or add data")
    rng = np.random.default_rng(seed)
    began = time.monotonic()
    log.info("k-means: seeding %d clusters, the best of %d starts", k, starts)
    centroids = _best_start(features, k, rng, starts)
    log.info("k-means: seeded in %.1f s; batches of %d frames", time.monotonic() - began, min(BATCH, len(features)))
    centroids, batches = _refine(features, centroids, rng, passes)
    log.info("k-means: %d batches after %.1f s; plain passes last", batches, time.monotonic() - began)
    centroids, inertia, used = _finish(features, centroids)
    return Fit(centroids, inertia, used, batches)


def _best_start(features: np.ndarray, k: int, rng: np.random.Generator, starts: int) -> np.ndarray:
    """Draw k-means++ starts among a pool of frames; run them on the pool, dropping the worse half time and again."""
    size = min(len(features), max(SEED_FRAMES, 3 * k))
    pool = features[sorted_choice(rng, len(features), size)]
    trials = 2 + int(np.log(k))  # as scikit-learn
    together = int(max(1, min(starts, SEED_MEMORY // (4 * size * trials))))
    alive = []
    for begin in range(0, starts, together):
        alive += [pool[seeds] for seeds in _plus_plus(pool, k, rng, min(together, starts - begin), trials)]
    passes = 1
    while len(alive) > 1:
        scored = []
        for centroids in alive:
            for _ in range(passes):
                centroids, inertia, _ = _plain_pass(pool, centroids)
            scored.append((inertia, centroids))
        scored.sort(key=lambda pair: pair[0])
        alive = [centroids for _, centroids in scored[: len(scored) // 2]]
        passes *= 2
    return alive[0]


def _plus_plus(pool: np.ndarray, k: int, rng: np.random.Generator, starts: int, trials: int) -> np.ndarray:
    """Greedy k-means++ (Arthur and Vassilvitskii 2007), several starts in step: frame numbers [starts, k].

    Each new seed is the best of `trials` frames drawn in proportion to their squared distance from the seeds so far.
    """
    size = len(pool)
    chunks = [slice(begin, begin + CHUNK) for begin in range(0, size, CHUNK)]
    seeds = rng.integers(size, size=(starts, k))  # only the first column stays
    closest = np.full((starts, size), np.inf, np.float32)

    def draw_near(frames: np.ndarray, chunk: slice) -> np.ndarray:
        """Distances [starts, candidates, chunk] to the nearest seed if `frames` [starts, candidates] became seeds."""
        distances = faiss.pairwise_distances(pool[frames.ravel()], pool[chunk]).reshape(*frames.shape, -1)
        np.maximum(distances, 0, out=distances)
        return np.minimum(distances, closest[:, None, chunk], out=distances)

    every = np.arange(starts)
    candidates = seeds[:, :1]
    for number in range(k):
        if number:
            sums = np.cumsum(closest, axis=1, dtype=np.float64)
            drawn = rng.random((starts, trials)) * sums[:, -1:]
            found = [np.searchsorted(row, wanted) for row, wanted in zip(sums, drawn, strict=True)]
            candidates = np.minimum(np.stack(found), size - 1)
        parts = list(_threads().map(functools.partial(draw_near, candidates), chunks))
        chosen = np.sum([part.sum(axis=2, dtype=np.float64) for part in parts], axis=0).argmin(axis=1)
        seeds[:, number] = candidates[every, chosen]
        for chunk, part in zip(chunks, parts, strict=True):
            closest[:, chunk] = part[every, chosen]
    return seeds


def _refine(
    features: np.ndarray, centroids: np.ndarray, rng: np.random.Generator, passes: int
) -> tuple[np.ndarray, int]:
    """Move centroids to the running mean of the frames assigned to them, batch by batch."""
    size, k = min(BATCH, len(features)), len(centroids)
    sums, counts = np.zeros(centroids.shape), np.zeros(k)
    centroids, smooth, best, waited, batches = centroids.copy(), None, np.inf, 0, 0
    weight = min(1.0, 2 * size / (len(features) + 1))  # of the newest batch in the smoothed inertia
    began = last = time.monotonic()
    for number in range(passes):
        order = rng.permutation(len(features))
        for begin in range(0, len(order) - size + 1, size):
            batch = features[order[begin : begin + size]]
            distances, labels = nearest(batch, centroids)
            counts += np.bincount(labels, minlength=k)
            sums += _sums(batch, labels, k)
            seen = counts > 0
            centroids[seen] = sums[seen] / counts[seen, None]
            inertia, batches = float(distances.mean()), batches + 1
            smooth = inertia if smooth is None else (1 - weight) * smooth + weight * inertia
            best, waited = (smooth, 0) if smooth < best else (best, waited + 1)
            if time.monotonic() - last > 30:
                last = time.monotonic()
                log.info(
                    "k-means: pass %d of at most %d, %d batches, inertia %.4f, %.0f s",
                    number + 1, passes, batches, smooth, last - began,
                )  # fmt: skip
            if waited >= PATIENCE:
                return centroids, batches
    return centroids, batches


def _finish(features: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, float, int]:
    """Plain passes while they gain; return centroids, their inertia and the number of clusters with a frame."""
    best, best_inertia, best_used = centroids, np.inf, 0
    for _ in range(LAST_PASSES):
        moved, inertia, used = _plain_pass(features, centroids)
        gain = best_inertia - inertia
        if gain > 0:
            best, best_inertia, best_used = centroids, inertia, used
        if not gain > 1e-3 * inertia:
            break
        centroids = moved
    return best, best_inertia, best_used


def _plain_pass(features: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, float, int]:
    """One step of plain k-means: the means of each cluster's frames, the inertia before, the clusters used.

    A cluster without a frame stays where it is.
    """
    k, total = len(centroids), 0.0
    sums, counts = np.zeros(centroids.shape), np.zeros(k)
    for begin in range(0, len(features), BATCH):
        part = features[begin : begin + BATCH]
        distances, labels = nearest(part, centroids)
        total += float(distances.sum(dtype=np.float64))
        counts += np.bincount(labels, minlength=k)
        sums += _sums(part, labels, k)
    moved, seen = centroids.copy(), counts > 0
    moved[seen] = sums[seen] / counts[seen, None]
    return moved, total / len(features), int(seen.sum())


def _sums(feats: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Sum of the frames of each cluster, [k, D]."""
    size = len(feats)
    return sparse.csr_array((np.ones(size, np.float32), labels, np.arange(size + 1)), (size, k)).T @ feats


def save(folder: Path, result: Fit, facts: dict) -> None:
    """Write kmeans.npz (key "centroids") and fit.json, whose contents repeat exactly when the fit is repeated."""
    write(folder, result.centroids)
    numbers = {name: value for name, value in asdict(result).items() if name != "centroids"}
    (Path(folder) / "fit.json").write_text(json.dumps(facts | numbers, indent=1) + "\n")


def write(folder: Path, centroids: np.ndarray) -> None:
    """Write kmeans.npz, float32 [k, D]."""
    np.savez(Path(folder) / FILE_NAME, centroids=centroids)


def load(folder: Path) -> np.ndarray:
    """Read a k-means folder's centroids, float32 [k, D]."""
    path = Path(folder) / FILE_NAME
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return np.ascontiguousarray(arrays["centroids"], np.float32)
    except FileNotFoundError:
        raise UserError(f"{path}: expected a fitted k-means, found none. Run fit_kmeans (stage 5)") from None
    except DAMAGE as error:
        raise UserError(f"{path}: expected an npz file with an array 'centroids' ({error}). Fit again") from None
