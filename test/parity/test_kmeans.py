"""k-means against scikit-learn's MiniBatchKMeans with the settings of docs/protocol.md section 3."""

import numpy as np
import pytest
import soundfile

from hubert_iter.feats.mfcc import mfcc
from hubert_iter.units import kmeans

sklearn_cluster = pytest.importorskip("sklearn.cluster")
WITHIN = 1.01


def reference(features, k, seed):
    model = sklearn_cluster.MiniBatchKMeans(
        n_clusters=k, init="k-means++", n_init=20, batch_size=10_000, max_iter=100, max_no_improvement=100,
        reassignment_ratio=0.0, tol=0.0, random_state=seed,
    )  # fmt: skip
    return inertia(features, model.fit(features).cluster_centers_)


def inertia(features, centroids):
    return kmeans.nearest(features, np.ascontiguousarray(centroids, np.float32))[0].mean(dtype=np.float64)


def mixture(frames, clusters, dim, spread):
    rng = np.random.default_rng(0)
    centres = rng.normal(0, spread, (clusters, dim))
    return (centres[rng.integers(clusters, size=frames)] + rng.normal(size=(frames, dim))).astype(np.float32)


@pytest.mark.parametrize(
    ("features", "k"),
    [
        (mixture(2_000, 30, 8, 3.0), 30),  # fewer frames than a batch
        (mixture(12_000, 100, 8, 1.5), 30),  # more clusters than k
        (np.random.default_rng(1).normal(size=(12_000, 2)).astype(np.float32), 30),  # no clusters at all
    ],
    ids=["few", "mixture", "gaussian"],
)
def test_inertia_on_made_features(features, k):
    # A single start may end in a poor optimum with either; three seeds tell more.
    ours = np.mean([kmeans.fit(features, k, seed).inertia for seed in range(3)])
    assert ours <= WITHIN * np.mean([reference(features, k, seed) for seed in range(3)])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_inertia_on_mfcc_of_real_speech(real_data):
    files = sorted((real_data / "LibriSpeech" / "train-clean-5").rglob("*.flac"))[::60]
    features = np.concatenate([mfcc(soundfile.read(file, dtype="float32")[0]) for file in files])
    assert len(features) > 10_000
    ours = kmeans.fit(features, 100, seed=0)
    assert ours.inertia <= WITHIN * reference(features, 100, 0)
    assert ours.used_clusters == 100
