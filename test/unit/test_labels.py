import json
import pickle
import shutil

import numpy as np
import pytest
from tiny import write_noise

from hubert_iter import frames, provenance
from hubert_iter.bin import fit_kmeans, make_labels, make_mfcc, merge_mfcc
from hubert_iter.data import audio, datadir
from hubert_iter.errors import UserError
from hubert_iter.feats import archive, source
from hubert_iter.units import kmeans, labels


class FakeModel:
    """Layer features that are 50 Hz frames of the audio itself; the tap's number scales them."""

    rate = 50

    def tap(self, samples, name):
        frames = np.lib.stride_tricks.sliding_window_view(samples, 400)[::320]
        return (frames[:, :6] * (1 + int(name))).astype(np.float32)


@pytest.fixture
def model(tmp_path, monkeypatch):
    layers = pytest.importorskip("hubert_iter.feats.layers")
    monkeypatch.setattr(layers, "open_model", lambda folder, device: FakeModel())
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("teacher 1")
    provenance.write(tmp_path / "model", "train", {}, {})
    return tmp_path / "model"


def folder(corpus, name="train"):
    return {"train": corpus.data, "valid": corpus.valid_data}[name]


def mfcc_options(corpus, name="train"):
    return ["--data", str(folder(corpus, name)), "--mfcc", str(corpus.data.parent / "mfcc" / name)]


def layer_options(corpus, model, tap="2", name="train"):
    return ["--data", str(folder(corpus, name)), "--model", str(model), "--tap", tap]


def fit(options, out, k=5, seed=0):
    fit_kmeans.main([*options, "--out", str(out), "--k", str(k), "--seed", str(seed), "--portion", "1.0"])
    return out


def label(options, kmeans_dir, out):
    make_labels.main([*options, "--kmeans", str(kmeans_dir), "--out", str(out)])
    return labels.read_labels(out)


def test_mfcc_labels_are_the_nearest_centroids_of_every_second_frame(corpus):
    centroids = kmeans.load(corpus.labels.parent.parent / "kmeans").astype(np.float64)
    feats = archive.read_scp(corpus.data.parent / "mfcc" / "train" / "feats.scp")
    units, data = labels.read_labels(corpus.labels), datadir.read(corpus.data)
    assert list(units) == [utt.id for utt in data.utterances] and (units.k, units.rate) == (corpus.k, 50)
    for utt in data.utterances:
        expected = [((centroids - frame) ** 2).sum(axis=1).argmin() for frame in feats[utt.id][::2]]
        np.testing.assert_array_equal(units[utt.id], expected)
        assert len(units[utt.id]) == frames.num_frames(utt.num_samples) == units.lengths[utt.id]


def test_layer_labels_stream_from_the_model(corpus, model, tmp_path):
    fitted = fit(layer_options(corpus, model), tmp_path / "kmeans")
    units = label(layer_options(corpus, model, name="valid"), fitted, tmp_path / "labels")
    centroids, data = kmeans.load(fitted), datadir.read(corpus.valid_data)
    for utt in data.utterances:
        feats = FakeModel().tap(audio.read_audio(utt), "2")
        np.testing.assert_array_equal(units[utt.id], kmeans.nearest(feats, centroids)[1])
    assert units.provenance["settings"]["features"] == source.describe_layer(model, "2")
    assert not list(tmp_path.rglob("feats.ark"))  # layer features never touch the disk


def test_an_error_in_a_thread_ends_the_stage(corpus, model, tmp_path, monkeypatch):
    utts = [utt.id for utt in datadir.read(corpus.data).utterances]
    features, read = source.LayerSource(model, "1", corpus.data), audio.read_audio

    def read_all_but_one(utt):
        if utt.id == utts[5]:
            raise UserError(f"utterance {utt.id} is truncated")
        return read(utt)

    monkeypatch.setattr(audio, "read_audio", read_all_but_one)
    streamed = features.stream(utts)
    assert [next(streamed)[0] for _ in range(5)] == utts[:5]
    with pytest.raises(UserError, match=f"utterance {utts[5]} is truncated"):
        next(streamed)


def test_histogram_and_workers(corpus):
    units = labels.read_labels(corpus.labels)
    assert units.histogram().sum() == sum(units.lengths.values())
    again = pickle.loads(pickle.dumps(units))
    np.testing.assert_array_equal(again[next(iter(units))], units[next(iter(units))])


def test_verify_accepts_what_belongs_together(corpus):
    train, valid = labels.read_labels(corpus.labels), labels.read_labels(corpus.valid_labels)
    features = source.MfccSource(corpus.data.parent / "mfcc" / "train", corpus.data).describe()
    fitted = corpus.data.parent / "kmeans"
    labels.verify(train, datadir.read(corpus.data), k=corpus.k, kmeans=fitted, features=features)
    labels.verify_same_units(train, valid)


def test_labels_of_another_k_means_are_refused(corpus, tmp_path):
    other = fit(mfcc_options(corpus), tmp_path / "kmeans", k=corpus.k, seed=5)
    mixed = label(mfcc_options(corpus, "valid"), other, tmp_path / "labels")
    train = labels.read_labels(corpus.labels)
    with pytest.raises(UserError) as error:
        labels.verify_same_units(train, mixed)
    assert str(corpus.labels) in str(error.value) and str(tmp_path / "labels") in str(error.value)
    assert str(corpus.data.parent / "kmeans") in str(error.value) and str(tmp_path / "kmeans") in str(error.value)
    with pytest.raises(UserError, match="made with the k-means .* but the one given is"):
        labels.verify(train, datadir.read(corpus.data), kmeans=other)


def test_labels_of_another_set_are_refused(corpus):
    units = labels.read_labels(corpus.valid_labels)
    with pytest.raises(UserError, match="made for .*valid as it was then, but the data directory given is .*train"):
        labels.verify(units, datadir.read(corpus.data))


def test_wrong_k_is_refused(corpus):
    with pytest.raises(UserError, match=f"expected labels of 100 clusters as the run says, found {corpus.k}"):
        labels.verify(labels.read_labels(corpus.labels), datadir.read(corpus.data), k=100)


def test_labels_of_a_teacher_that_changed_are_refused(corpus, model, tmp_path):
    fitted = fit(layer_options(corpus, model), tmp_path / "kmeans")
    units, data = label(layer_options(corpus, model), fitted, tmp_path / "labels"), datadir.read(corpus.data)
    labels.verify(units, data, features=source.describe_layer(model, "2"))
    with pytest.raises(UserError, match="expected labels made from tap 3 of model .* found tap 2 of model"):
        labels.verify(units, data, features=source.describe_layer(model, "3"))
    (model / "weights").write_text("teacher 2")
    provenance.write(model, "train", {}, {})
    with pytest.raises(UserError, match="Make the labels again with the teacher as it is now"):
        labels.verify(units, data, features=source.describe_layer(model, "2"))


def test_k_means_of_other_features_is_refused(corpus, model, tmp_path):
    fitted = fit(layer_options(corpus, model), tmp_path / "kmeans")
    for options in (layer_options(corpus, model, tap="3"), mfcc_options(corpus)):
        with pytest.raises(UserError, match="was fitted on tap 2 of model .* but the features given are"):
            label(options, fitted, tmp_path / "labels")
    with pytest.raises(UserError, match="was fitted on 39-d mfcc at 100 Hz .* given are tap 2 of"):
        label(layer_options(corpus, model), corpus.data.parent / "kmeans", tmp_path / "labels")
    assert not (tmp_path / "labels").exists()


def test_a_folder_that_is_no_k_means_is_refused(corpus, tmp_path):
    with pytest.raises(UserError, match="kmeans.npz: expected a fitted k-means, found none"):
        label(mfcc_options(corpus), corpus.labels, tmp_path / "labels")


def test_centroids_that_are_not_as_many_as_were_fitted_are_refused(corpus, tmp_path):
    fitted = fit(mfcc_options(corpus), tmp_path / "kmeans")
    np.savez(fitted / kmeans.FILE_NAME, centroids=kmeans.load(fitted)[1:])
    with pytest.raises(UserError, match="expected 5 centroids as its provenance says, found 4"):
        label(mfcc_options(corpus), fitted, tmp_path / "labels")


def test_a_folder_that_is_no_labels_is_refused(corpus, tmp_path):
    with pytest.raises(UserError, match="expected labels made by make_labels, found the output of fit_kmeans"):
        labels.read_labels(corpus.data.parent / "kmeans")
    with pytest.raises(UserError, match="provenance.json: missing"):
        labels.read_labels(tmp_path)


def test_redone_exactly_when_the_k_means_changes(corpus, tmp_path, caplog):
    caplog.set_level("INFO")
    fitted = fit(mfcc_options(corpus), tmp_path / "kmeans")
    label(mfcc_options(corpus), fitted, tmp_path / "labels")
    caplog.clear()
    label(mfcc_options(corpus), fitted, tmp_path / "labels")
    assert "up to date" in caplog.text
    fit(mfcc_options(corpus), fitted, seed=3)
    caplog.clear()
    label(mfcc_options(corpus), fitted, tmp_path / "labels")
    assert "input kmeans changed" in caplog.text


def rewritten(corpus, tmp_path, change):
    """A copy of the training labels with some of them changed, their provenance as if they had been made so."""
    units, copy = labels.read_labels(corpus.labels), tmp_path / "copy"
    shutil.copytree(corpus.labels, copy)
    record = provenance.read(copy)
    archive.write_vectors(copy, "labels", change({utt: units[utt].copy() for utt in units}).items())
    (copy / provenance.FILE_NAME).write_text(json.dumps(record | {"outputs": provenance.record_files(copy)}))
    return labels.read_labels(copy)


@pytest.mark.parametrize("difference", [-2, -1, 1, 2])
def test_a_difference_of_two_frames_is_allowed(corpus, tmp_path, difference):
    def change(arrays):
        utt = min(arrays)
        arrays[utt] = np.resize(arrays[utt], len(arrays[utt]) + difference)
        return arrays

    labels.verify(rewritten(corpus, tmp_path, change), datadir.read(corpus.data))


@pytest.mark.parametrize("difference", [-3, 3])
def test_a_larger_difference_names_the_utterance(corpus, tmp_path, difference):
    def change(arrays):
        utt = max(arrays)
        arrays[utt] = np.resize(arrays[utt], len(arrays[utt]) + difference)
        return arrays

    units = rewritten(corpus, tmp_path, change)
    with pytest.raises(UserError, match=f"utterance {max(units)}: expected \\d+ labels as the encoder has frames"):
        labels.verify(units, datadir.read(corpus.data))


def test_missing_and_impossible_labels_name_the_utterance(corpus, tmp_path):
    data = datadir.read(corpus.data)
    first = data.utterances[0].id
    missing = rewritten(corpus, tmp_path / "a", lambda arrays: {u: a for u, a in arrays.items() if u != first})
    with pytest.raises(UserError, match=f"utterances without labels: {first}"):
        labels.verify(missing, data)
    beyond = rewritten(corpus, tmp_path / "b", lambda arrays: arrays | {first: arrays[first] + corpus.k})
    with pytest.raises(UserError, match=f"utterance {first}: expected labels from 0 to {corpus.k - 1}"):
        labels.verify(beyond, data)


def test_wrong_rate_is_refused():
    assert (labels.step_of(50), labels.step_of(100)) == (1, 2)
    with pytest.raises(UserError, match="multiple of 50 frames/s, found 80"):
        labels.step_of(80)


def test_user_features_at_a_wrong_rate_name_the_utterance(tmp_path, monkeypatch):
    # Features that claim 100 Hz but have half as many frames, as of another frame shift.
    write_noise(tmp_path / "data", 2, 1.0, 0)
    options = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "mfcc")]
    make_mfcc.main(options)
    merge_mfcc.main(options)
    features = source.MfccSource(tmp_path / "mfcc", tmp_path / "data")
    monkeypatch.setattr(features, "_feats", {utt: feats[::2] for utt, feats in features._feats.items()})
    monkeypatch.setattr(features, "_lengths", {utt: len(feats) for utt, feats in features._feats.items()})
    data = datadir.read(tmp_path / "data")
    with pytest.raises(UserError, match=f"utterance {data.utterances[0].id}: expected .* labels"):
        labels.make(features, data.utterances, np.zeros((2, 39), np.float32), tmp_path, tmp_path)
