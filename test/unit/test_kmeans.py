import json

import numpy as np
import pytest

from hubert_iter import provenance
from hubert_iter.bin import fit_kmeans
from hubert_iter.errors import UserError
from hubert_iter.feats import source
from hubert_iter.units import kmeans


def blobs(k=6, each=400, dim=4, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-100, 100, (k, dim))
    return centres, (np.repeat(centres, each, axis=0) + rng.normal(size=(k * each, dim))).astype(np.float32)


def test_finds_well_separated_clusters():
    centres, features = blobs()
    result = kmeans.fit(features, 6, seed=0)
    nearest = np.abs(result.centroids[None] - centres[:, None]).max(axis=2).min(axis=1)
    assert nearest.max() < 0.3
    assert result.used_clusters == 6 and result.inertia == pytest.approx(4, rel=0.1)


def test_inertia_is_that_of_the_centroids():
    features = np.random.default_rng(0).normal(size=(1000, 5)).astype(np.float32)
    result = kmeans.fit(features, 20, seed=0)
    squared = ((features[:, None] - result.centroids[None]) ** 2).sum(axis=2)
    assert result.inertia == pytest.approx(squared.min(axis=1).mean(), rel=1e-4)
    distances, labels = kmeans.nearest(features, result.centroids)
    np.testing.assert_array_equal(labels, squared.argmin(axis=1))
    np.testing.assert_allclose(distances, squared.min(axis=1), rtol=1e-3, atol=1e-4)
    assert labels.dtype == np.int32


def test_seed_decides():
    features = np.random.default_rng(0).normal(size=(1000, 5)).astype(np.float32)
    first, same, other = (kmeans.fit(features, 20, seed).centroids for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_mini_batches_equal_plain_means_when_clusters_never_change():
    # Two clusters far apart: however batches are drawn, centroids end as the means.
    features = np.concatenate([np.random.default_rng(0).normal(m, 1, (6_000, 3)) for m in (-500, 500)])
    result = kmeans.fit(features.astype(np.float32), 2, seed=0)
    means = sorted([features[:6_000].mean(axis=0).tolist(), features[6_000:].mean(axis=0).tolist()])
    np.testing.assert_allclose(sorted(result.centroids.tolist()), means, atol=0.01)


def test_identical_frames_do_no_harm():
    features = np.repeat(np.random.default_rng(0).normal(size=(3, 4)), 50, axis=0).astype(np.float32)
    result = kmeans.fit(features, 5, seed=0)
    assert np.isfinite(result.centroids).all() and result.inertia < 1e-4 and result.used_clusters <= 5


def test_too_few_frames():
    with pytest.raises(UserError, match="at least k = 10 frames, found 9"):
        kmeans.fit(np.zeros((9, 2), np.float32), 10, seed=0)


def test_save_and_load(tmp_path):
    fit = kmeans.Fit(np.arange(6, dtype=np.float32).reshape(3, 2), 1.5, 3, 7)
    kmeans.save(tmp_path, fit, {"frames": 10})
    np.testing.assert_array_equal(kmeans.load(tmp_path), fit.centroids)
    facts = json.loads((tmp_path / "fit.json").read_text())
    assert facts == {"frames": 10, "inertia": 1.5, "used_clusters": 3, "batches": 7}


def test_load_refuses_pickles_and_other_files(tmp_path):
    with pytest.raises(UserError, match="expected a fitted k-means, found none"):
        kmeans.load(tmp_path)
    np.savez(tmp_path / "kmeans.npz", centroids=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="array 'centroids'"):
        kmeans.load(tmp_path)
    (tmp_path / "kmeans.npz").write_bytes(b"not an npz file")
    with pytest.raises(UserError, match="array 'centroids'"):
        kmeans.load(tmp_path)


def options(corpus, out, k=5, seed=0):
    mfcc = corpus.data.parent / "mfcc" / "train"
    data = ["--data", str(corpus.data), "--mfcc", str(mfcc), "--out", str(out)]
    return [*data, "--k", str(k), "--seed", str(seed), "--portion", "0.5"]


def test_entry_point_repeats_only_when_something_changed(corpus, tmp_path, caplog):
    caplog.set_level("INFO")
    out = tmp_path / "kmeans"
    fit_kmeans.main(options(corpus, out))
    first = provenance.identity(out)
    assert "inertia" in caplog.text and kmeans.load(out).shape == (5, 39)
    caplog.clear()
    fit_kmeans.main(options(corpus, out))
    assert "up to date" in caplog.text and "inertia" not in caplog.text
    fit_kmeans.main(options(corpus, out, seed=1))
    assert "setting seed changed from 0 to 1" in caplog.text and provenance.identity(out) != first
    fit_kmeans.main(options(corpus, out))
    assert provenance.identity(out) == first  # the same again, to the last bit


def test_entry_point_refuses_features_of_another_set(corpus, tmp_path):
    wrong = options(corpus, tmp_path / "kmeans")
    wrong[wrong.index("--data") + 1] = str(corpus.valid_data)
    with pytest.raises(UserError, match="Give the features of that data set"):
        fit_kmeans.main(wrong)
    assert not (tmp_path / "kmeans").exists()


def test_not_finite_features_are_refused_by_utterance(corpus, monkeypatch):
    features = source.MfccSource(corpus.data.parent / "mfcc" / "train", corpus.data)
    utt = next(iter(features._feats))
    broken = features._feats[utt].copy()
    broken[3, 3] = np.nan
    monkeypatch.setattr(features, "_feats", {utt: broken})
    with pytest.raises(UserError, match=f"utterance {utt}: features are not finite"):
        list(features.stream([utt]))
