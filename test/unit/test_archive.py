import pickle

import kaldiio
import numpy as np
import pytest

from hubert_iter.errors import UserError
from hubert_iter.feats import archive


def matrices(names, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal((5 + number, 3)).astype(np.float32) for number, name in enumerate(names)}


def test_matrices_come_back(tmp_path):
    items = matrices("abc")
    assert archive.write_matrices(tmp_path, "feats", items.items()) == 5 + 6 + 7
    read = archive.read_scp(tmp_path / "feats.scp")
    assert list(read) == ["a", "b", "c"] and len(read) == 3 and "d" not in read
    for name, array in items.items():
        np.testing.assert_array_equal(read[name], array)
    assert archive.read_lengths(tmp_path / "utt2num_frames") == {"a": 5, "b": 6, "c": 7}


def test_vectors_are_maps_of_kaldi_int32_vectors(tmp_path):
    labels = {"a": np.arange(7), "b": np.array([99])}
    archive.write_vectors(tmp_path, "labels", labels.items())
    # kaldiio, an independent reader of Kaldi's format, finds the same.
    other = kaldiio.load_scp(str(tmp_path / "labels.scp"))
    read = archive.read_scp(tmp_path / "labels.scp")
    for name, array in labels.items():
        np.testing.assert_array_equal(read[name], array)
        np.testing.assert_array_equal(other[name], array)
        assert read[name].dtype == np.int32 and not read[name].flags.owndata


def test_folder_with_spaces_moves_with_its_archive(tmp_path):
    work, final = tmp_path / "feats of x.tmp", tmp_path / "feats of x"
    work.mkdir()
    items = matrices("ab")
    archive.write_matrices(work, "feats", items.items(), final)
    assert (work / "feats.scp").read_text().startswith(f"a {final}/feats.ark:2\n")
    work.rename(final)
    np.testing.assert_array_equal(archive.read_scp(final / "feats.scp")["b"], items["b"])
    final.rename(tmp_path / "elsewhere")
    np.testing.assert_array_equal(archive.read_scp(tmp_path / "elsewhere" / "feats.scp")["b"], items["b"])


def test_scp_may_name_a_distant_archive(tmp_path):
    (tmp_path / "scp").mkdir()
    items = matrices("a")
    archive.write_matrices(tmp_path, "raw", items.items())
    (tmp_path / "raw.scp").rename(tmp_path / "scp" / "feats.scp")
    np.testing.assert_array_equal(archive.read_scp(tmp_path / "scp" / "feats.scp")["a"], items["a"])


def test_goes_to_worker_processes(tmp_path):
    archive.write_vectors(tmp_path, "labels", [("a", np.arange(4))])
    read = archive.read_scp(tmp_path / "labels.scp")
    read["a"]  # opens the map, which cannot be pickled
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(read))["a"], np.arange(4))


def test_merge_sorts_and_refuses_overlap(tmp_path):
    for part, names in (("1", "ac"), ("2", "bd"), ("3", "a")):
        (tmp_path / part).mkdir()
        archive.write_matrices(tmp_path / part, "feats", matrices(names, int(part)).items())
    (tmp_path / "all").mkdir()
    archive.merge([tmp_path / "1", tmp_path / "2"], tmp_path / "all", "feats")
    merged = archive.read_scp(tmp_path / "all" / "feats.scp")
    assert list(merged) == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(merged["d"], matrices("bd", 2)["d"])
    with pytest.raises(UserError, match="another part too: a"):
        archive.merge([tmp_path / "1", tmp_path / "3"], tmp_path / "all", "feats")


@pytest.mark.parametrize(
    ("scp", "message"),
    [
        ("a feats.ark\n", "feats.scp:1: expected 'utterance file.ark:offset'"),
        ("a feats.ark:2\na feats.ark:2\n", "feats.scp:2: utterance a is there twice"),
        ("a gone.ark:2\n", "gone.ark"),
    ],
)
def test_bad_scp_is_refused(tmp_path, scp, message):
    archive.write_matrices(tmp_path, "feats", matrices("a").items())
    (tmp_path / "feats.scp").write_text(scp)
    with pytest.raises(UserError, match=message):
        archive.read_scp(tmp_path / "feats.scp")


def test_missing_scp_is_named(tmp_path):
    with pytest.raises(UserError, match="feats.scp: expected this file"):
        archive.read_scp(tmp_path / "feats.scp")


def test_pickled_objects_are_never_opened(tmp_path):
    # kaldiio can store pickles in an ark, which would run code when read.
    kaldiio.save_ark(str(tmp_path / "feats.ark"), {"a": {}}, write_function="pickle", scp=str(tmp_path / "feats.scp"))
    with pytest.raises(UserError, match="utterance a: expected a binary Kaldi object"):
        archive.read_scp(tmp_path / "feats.scp")["a"]


@pytest.mark.parametrize("write", [archive.write_matrices, archive.write_vectors])
def test_truncated_archive_is_noticed(tmp_path, write):
    write(tmp_path, "x", [("a", np.ones((50, 3) if write is archive.write_matrices else 50))])
    content = (tmp_path / "x.ark").read_bytes()
    (tmp_path / "x.ark").write_bytes(content[:-40])
    with pytest.raises(UserError, match="utterance a: its array ends early"):
        archive.read_scp(tmp_path / "x.scp")["a"]


def test_empty_utterance_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match="utterance short"):
        archive.write_matrices(tmp_path, "feats", [("short", np.zeros((0, 39)))])
