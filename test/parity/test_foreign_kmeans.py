"""Somebody's own centroids: as scikit-learn and joblib write them, read without executing anything."""

import pickle

import numpy as np
import pytest

from hubert_iter.errors import UserError
from hubert_iter.units import foreign_kmeans

cluster = pytest.importorskip("sklearn.cluster")
joblib = pytest.importorskip("joblib")


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(0).normal(size=(500, 6))


@pytest.mark.parametrize("kind", ["KMeans", "MiniBatchKMeans"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_joblib_dump_of_scikit_learn(tmp_path, features, kind, dtype, protocol):
    # A random state of its own is pickled with it, arrays and all.
    state = np.random.RandomState(1) if protocol == 4 else 0
    fitted = getattr(cluster, kind)(7, n_init=2, random_state=state).fit(features.astype(dtype))
    path = tmp_path / "km 1.bin"
    joblib.dump(fitted, path, protocol=protocol)
    found = foreign_kmeans.read(path)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, fitted.cluster_centers_.astype(np.float32))


@pytest.mark.parametrize("key", ["centroids", "cluster_centers_", "mine"])
def test_numpy_files(tmp_path, features, key):
    np.savez(tmp_path / "a.npz", **{key: features[:4]})
    np.save(tmp_path / "a.npy", features[:4])
    for name in ("a.npz", "a.npy"):
        np.testing.assert_allclose(foreign_kmeans.read(tmp_path / name), features[:4], rtol=1e-6)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("write", ["pickle", "joblib"])
def test_nothing_of_a_file_is_executed(tmp_path, write):
    content = {"cluster_centers_": Evil(tmp_path / "trace")}
    (tmp_path / "km.bin").write_bytes(pickle.dumps(content))
    if write == "joblib":
        joblib.dump(Evil(tmp_path / "trace"), tmp_path / "km.bin")
    with pytest.raises(UserError, match="expected a k-means of scikit-learn .*convert it yourself: python -c"):
        foreign_kmeans.read(tmp_path / "km.bin")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("damage", ["cut", "bits", "empty", "text", "compressed"])
def test_what_cannot_be_read_is_refused_with_the_way_to_convert_it(tmp_path, features, damage):
    path = tmp_path / "km.bin"
    joblib.dump(cluster.KMeans(7, n_init=1).fit(features), path, compress=3 if damage == "compressed" else 0)
    whole = path.read_bytes()
    start = whole.find(b"NumpyArrayWrapper")
    changed = {"cut": whole[: start + 200], "bits": whole[:start] + b"\xff\x00" + whole[start + 2 :]}
    changed |= {"empty": b"", "text": b"hello\n", "compressed": whole}
    path.write_bytes(changed[damage])
    with pytest.raises(UserError, match=r"km\.bin: .*numpy\.save\("):
        foreign_kmeans.read(path)


def test_what_is_no_table_of_numbers_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(5))
    with pytest.raises(UserError, match=r"expected centroids, .* found shape \(5,\)"):
        foreign_kmeans.read(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", one=np.zeros((2, 2)), two=np.zeros((2, 2)))
    with pytest.raises(UserError, match="expected an array centroids or cluster_centers_, found one, two"):
        foreign_kmeans.read(tmp_path / "a.npz")
    with pytest.raises(UserError, match="no such file of centroids"):
        foreign_kmeans.read(tmp_path / "none.npy")
