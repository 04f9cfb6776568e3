"""k-means of units/kmeans.py against faiss's own and scikit-learn's: seconds, and inertia on held-out frames.

Three kinds of features: MFCC of real speech (frames of `train-clean-5`, held-out ones of other speakers in
`test-other`); 768 made dimensions with the shape of a layer's features (1000 overlapping clusters of unequal sizes);
and 100 clusters that lie apart, where poor seeds show. Each fit has a process of its own with as many threads as said.

Printed for each fit: inertia on held-out frames and on those it was fitted on, seconds, seconds of processors, and the
ratios of these four to ours (above 1: ours is better), means over seeds; and whether the fit gives the same centroids
with one thread as with two. scikit-learn is set as fairseq sets it (docs/protocol.md section 3). With --check it exits
1 where a peer has an inertia 0.5 % lower than ours, or scikit-learn needs less of the processors.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import faiss
import numpy as np
import soundfile
import torch

from hubert_iter.feats.mfcc import mfcc
from hubert_iter.units import kmeans

DATA = Path(os.environ.get("HUBERT_ITER_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
HELD_OUT = 20_000  # frames
LEAST_INERTIA = 0.995


def ours(features: np.ndarray, k: int, seed: int) -> np.ndarray:
    return kmeans.fit(features, k, seed).centroids


def faiss_default(features: np.ndarray, k: int, seed: int) -> np.ndarray:
    """faiss as it comes: random frames as seeds, 25 passes; but on all frames."""
    return _faiss(features, k, seed)


def faiss_plus_plus(features: np.ndarray, k: int, seed: int) -> np.ndarray:
    """faiss with k-means++ seeds and up to 100 passes, ended by a gain below 0.01 %."""
    method = faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS
    return _faiss(features, k, seed, init_method=method, niter=100, early_stop_threshold=1e-4)


def _faiss(features: np.ndarray, k: int, seed: int, **more) -> np.ndarray:
    model = faiss.Kmeans(features.shape[1], k, seed=seed + 1, max_points_per_centroid=len(features), **more)
    model.train(features)
    return model.centroids


def scikit_learn(features: np.ndarray, k: int, seed: int) -> np.ndarray:
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(
        n_clusters=k, init="k-means++", n_init=20, batch_size=10_000, max_iter=100, max_no_improvement=100,
        reassignment_ratio=0.0, tol=0.0, random_state=seed,
    )  # fmt: skip
    return model.fit(features).cluster_centers_


CONTENDERS = {each.__name__: each for each in (ours, faiss_default, faiss_plus_plus, scikit_learn)}


@dataclass(frozen=True)
class Fitted:
    """Centroids [k, D], and what they took."""

    centroids: np.ndarray
    seconds: float
    processor_seconds: float


def fit_alone(name: str, path: Path, k: int, seed: int) -> Fitted:
    """One fit, in a process that does nothing else."""
    features = np.load(path)
    CONTENDERS[name](features[: 2 * k], k // 2, 0)  # load libraries, start threads
    began, before = time.perf_counter(), _processor_seconds()
    centroids = np.ascontiguousarray(CONTENDERS[name](features, k, seed), np.float32)
    return Fitted(centroids, time.perf_counter() - began, _processor_seconds() - before)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def fit(name: str, path: Path, k: int, seed: int, threads: int) -> Fitted:
    """`fit_alone` in a new process with so many threads."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(threads)  # inherited, read at imports
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(fit_alone, name, path, k, seed).result()


def speech(data: Path, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """MFCC [N, 39] to fit on and held-out ones of other speakers."""
    return _mfcc(data / "LibriSpeech/train-clean-5", frames), _mfcc(data / "LibriSpeech/test-other", HELD_OUT)


def _mfcc(folder: Path, frames: int) -> np.ndarray:
    """So many frames, if there are, of utterances drawn at random."""
    torch.set_num_threads(1)
    parts, count = [], 0
    for path in np.random.default_rng(0).permutation(sorted(folder.rglob("*.flac"))):
        if count < frames:
            parts.append(mfcc(soundfile.read(path, dtype="float32")[0]))
            count += len(parts[-1])
    return np.concatenate(parts)[:frames]


def made(frames: int, dim: int = 768, clusters: int = 1000, latent: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """[N, dim] to fit on and held-out ones: overlapping clusters in a few dimensions, seen through more, and noise."""
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(clusters, 0.5))
    centres, view = rng.normal(size=(clusters, latent)), rng.normal(size=(latent, dim)) / latent**0.5
    number = rng.choice(clusters, frames + HELD_OUT, p=shares)
    points = centres[number] + 0.5 * rng.normal(size=(len(number), latent))
    feats = (points @ view + 0.3 * rng.normal(size=(len(number), dim))).astype(np.float32)
    return feats[:frames], feats[frames:]


def apart(frames: int, dim: int = 39, clusters: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """[N, dim] to fit on and held-out ones: clusters with more room between them than they are wide."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 3, (clusters, dim))
    feats = centres[rng.integers(clusters, size=frames + HELD_OUT)] + rng.normal(size=(frames + HELD_OUT, dim))
    return feats[:frames].astype(np.float32), feats[frames:].astype(np.float32)


def compare(title: str, make: Callable, tasks: list[tuple[int, int]], seeds: int, folder: Path) -> list[str]:
    """Print a table for each (k, threads) of these features; returns what is better than ours."""
    train, held_out = make()
    path = folder / "features.npy"
    np.save(path, train)
    better, kept = [], {}
    for k, threads in tasks:
        print(f"{title}, {len(train)} frames, k={k}, {threads} thread{'s'[: threads > 1]}", flush=True)
        reference = None
        for name in CONTENDERS:
            fits = [fit(name, path, k, seed, threads) for seed in range(seeds)]
            inertias, on_fitted = (
                [kmeans.nearest(frames, each.centroids)[0].mean(dtype=np.float64) for each in fits]
                for frames in (held_out, train)
            )
            seconds = [each.seconds for each in fits], [each.processor_seconds for each in fits]
            found = np.array([np.mean(inertias), np.mean(on_fitted), *np.mean(seconds, axis=1)])
            reference = found if reference is None else reference
            over = found / reference
            first = kept.setdefault((name, k), fits[0].centroids)
            same = "" if first is fits[0].centroids else f", same centroids: {np.array_equal(first, fits[0].centroids)}"
            print(
                f"  {name:16s} inertia {found[0]:9.3f} (+-{np.std(inertias) / found[0]:.2%}), fitted {found[1]:9.3f}, "
                f"{found[2]:6.1f} s, processors {found[3]:.1f} s; ratios "
                + " ".join(f"{each:.3f}" for each in over)
                + same,
                flush=True,
            )
            if over[0] < LEAST_INERTIA or (name == "scikit_learn" and over[3] < 1):
                better.append(f"{name} ({title}, k={k}, threads {threads})")
    return better


def main() -> None:
    """Measure, print, check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with LibriSpeech")
    parser.add_argument("--frames", type=int, default=100_000, help="of speech to fit on; of made ones a third")
    parser.add_argument("--k", type=int, nargs="+", default=[100, 500], help="of speech; of made features the largest")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    print(f"faiss {faiss.__version__}, load {os.getloadavg()[0]:.1f}")
    better = []
    with tempfile.TemporaryDirectory() as folder:
        if (args.data / "LibriSpeech").is_dir():
            tasks = [(k, threads) for k in args.k for threads in args.threads]
            better += compare("MFCC", lambda: speech(args.data, args.frames), tasks, args.seeds, Path(folder))
        else:
            print(f"no real speech at {args.data}: give --data, or set HUBERT_ITER_DATA")
        tasks = [(100, threads) for threads in args.threads]
        better += compare("100 clusters apart", lambda: apart(args.frames // 3), tasks, args.seeds, Path(folder))
        tasks = [(max(args.k), threads) for threads in args.threads]
        better += compare("made 768-d", lambda: made(args.frames // 3), tasks, args.seeds, Path(folder))
    if args.check and better:
        sys.exit(f"better than ours: {', '.join(better)}")


if __name__ == "__main__":
    main()
