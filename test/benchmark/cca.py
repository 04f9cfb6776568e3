"""How long scoring takes: a BASE model's layers against separate fits in the usual way.

Prints seconds for 13 layers x 768 dimensions x three properties (of about LibriSpeech dev-clean's sizes) x 9 trials x 6
regularisers, and how many times faster that is than as many separate fits, of which it times a few, by processor time
(one thread each, so that other work on the machine matters less). With --check it exits 1 when scoring takes more than
60 s or is less than 10 times faster. It wants 2 free processors: the load is printed, and the processor time, which
says how long free ones would take.
"""

import argparse
import json
import logging
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))  # before numpy

import numpy as np  # noqa: E402

from hubert_iter.analysis import cca, folds, pool, sample  # noqa: E402
from hubert_iter.analysis.measure import Material  # noqa: E402
from hubert_iter.analysis.measures.cca import Cca, Settings  # noqa: E402
from hubert_iter.analysis.parallel import Workers  # noqa: E402
from hubert_iter.analysis.sample import Span  # noqa: E402
from hubert_iter.data.datadir import Utterance  # noqa: E402

MOST_SECONDS = 60.0
LEAST_RATIO = 10.0
SIZES = {"phone": (7800, 39), "word": (6000, 500), "speaker": (2700, 40)}
DIMENSION = 768
NUM_LAYERS = 13
SAMPLE_SETS = 3
TRIALS = 3


def usual_fit(features: np.ndarray, labels: np.ndarray, num_classes: int, train: np.ndarray, regulariser: float):
    """One fit as public implementations do it: np.cov of both views, inverse square roots, a full SVD."""
    label_view = np.eye(num_classes)[labels]
    covariance = np.cov(features[train].T, label_view[train].T)
    blocks = covariance[:DIMENSION, :DIMENSION], covariance[DIMENSION:, DIMENSION:]
    roots = []
    for block in blocks:
        inverse = np.linalg.pinv(block / np.abs(block).max() + regulariser * np.eye(len(block)))
        values, vectors = np.linalg.eigh(inverse)
        roots.append(vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T)
    left, _, right = np.linalg.svd(roots[0] @ covariance[:DIMENSION, DIMENSION:] @ roots[1])
    count = num_classes - 1
    return cca.Weights(roots[0] @ left[:, :count], roots[1] @ right[:count].T)


def usual_score(weights: cca.Weights, features: np.ndarray, labels: np.ndarray) -> float:
    """PWCCA by a QR decomposition over instances."""
    label_view = np.eye(len(weights.labels))[labels]
    left, right = features @ weights.features, label_view @ weights.labels
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    correlations = (left * right).sum(axis=0) / np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
    alpha = np.abs(np.linalg.qr(right)[0].T @ label_view).sum(axis=1)
    return float((len(weights.labels) - 1) / len(weights.labels) * (alpha @ correlations) / alpha.sum())


def make(folder: Path, num_layers: int, seed: int = 0) -> dict:
    """Layers with some knowledge of the labels, as pool_layers writes them, and their segments beside them."""
    generator = np.random.default_rng(seed)
    samples = {}
    for prop, (instances, num_classes) in SIZES.items():
        labels = np.sort(np.arange(instances) % num_classes)
        for sample_set in range(SAMPLE_SETS):
            samples[prop, sample_set] = [Span("utt", n, n + 1, f"{label:03d}") for n, label in enumerate(labels)]
            shape = (num_layers, instances, DIMENSION)
            stored = np.lib.format.open_memmap(folder / f"{prop}.{sample_set}.npy", mode="w+", dtype="f4", shape=shape)
            for layer in stored:
                layer[:] = generator.standard_normal(layer.shape, dtype=np.float32)
                layer += 0.5 * generator.standard_normal((num_classes, DIMENSION), dtype=np.float32)[labels]
    record = {"taps": [str(layer) for layer in range(num_layers)], "updates": 0, "name": "benchmark", "model": {}}
    (folder / pool.FILE_NAME).write_text(json.dumps(record))
    sample.write(folder, samples)
    sample.write_speakers(folder, [Utterance("utt", "speaker", 0, "-")])
    return samples


def time_usual(layers: pool.Layers, samples: dict, fits: int) -> tuple[float, float]:
    """Processor seconds of a usual fit and its score, summed over properties, and how far PWCCA differs at most."""
    total, difference = 0.0, 0.0
    for prop, (_, num_classes) in SIZES.items():
        labels = sample.class_numbers([span.label for span in samples[prop, 0]])
        parts = folds.deal(labels, prop, 0, 0)
        features = layers.load(prop, 0, "0").astype(np.float64)
        started = time.process_time()
        for _ in range(fits):
            weights = usual_fit(features, labels, num_classes, parts > 1, 1e-3)
            usual = usual_score(weights, features[parts == 1], labels[parts == 1])
        total += (time.process_time() - started) / fits
        ours = cca.score_trial(cca.Layer(features, labels, parts, num_classes), 0, 1, (1e-3,)).score.pwcca
        difference = max(difference, abs(ours - usual))
    return total, difference


def processor_seconds() -> float:
    """Of the processes that have ended, not of this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure, print, check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", nargs="?", const="true", default="false", choices=("true", "false"))
    parser.add_argument("--layers", type=int, default=NUM_LAYERS, help="fewer for a quick look: times are scaled up")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    parser.add_argument("--fits", type=int, default=2, help="usual fits to time per property")
    parser.add_argument("--control", default="false", choices=("true", "false"), help="score shuffled labels too")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    print(f"load before: {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} processors")
    with tempfile.TemporaryDirectory() as name:
        samples = make(Path(name), args.layers)
        layers = pool.read(name)
        settings = Settings(control=args.control == "true")
        usual, difference = time_usual(layers, samples, args.fits)
        started, before = time.perf_counter(), processor_seconds()
        with Workers(args.nj) as workers:
            Cca().score(Material(layers, Path(name), workers, trials=TRIALS), settings)
        scale = NUM_LAYERS / args.layers
        seconds = (time.perf_counter() - started) * scale
        processor = (processor_seconds() - before) * scale
    num_fits = NUM_LAYERS * SAMPLE_SETS * TRIALS * len(settings.regularisers)
    ratio = usual * num_fits / processor
    print(f"scoring {NUM_LAYERS} layers x 3 properties x 9 trials x 6 regularisers: {seconds:.1f} s")
    print(f"processor time: {processor:.1f} s, so {processor / args.nj:.1f} s on {args.nj} free processors")
    print(f"separate fits in the usual way: {usual / 3:.2f} s each, {usual * num_fits:.0f} s in all")
    print(f"ratio: {ratio:.1f} (largest difference in PWCCA: {difference:.1e})")
    if args.check == "true" and (seconds > MOST_SECONDS or ratio < LEAST_RATIO or difference > 1e-6):
        print(
            f"FAILED: expected at most {MOST_SECONDS:.0f} s and at least {LEAST_RATIO:.0f} times faster",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
