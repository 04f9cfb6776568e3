"""Normalised features against the plain formula, their origin, and labels made of them."""

import numpy as np
import pytest
from tiny import Corpus

from hubert_iter import provenance
from hubert_iter.bin import fit_kmeans, make_labels
from hubert_iter.data import datadir
from hubert_iter.errors import UserError
from hubert_iter.feats import normalise, source
from hubert_iter.feats.normalise import NormalisedSource, Statistics
from hubert_iter.units import kmeans, labels

SPEAKERS = {"a-1": "a", "a-2": "a", "b-1": "b", "a-3": "a", "b-2": "b"}


class Features:
    """Features of these speakers that differ much in place and spread, with dimensions that never change."""

    rate, path = 50, "features"

    def __init__(self, seed: int = 0):
        rng = np.random.default_rng(seed)
        self.feats, self.asked = {}, []
        for utt, speaker in SPEAKERS.items():
            frames = rng.normal(size=(rng.integers(1, 400), 5)) * rng.uniform(0.1, 30) + 1e3 * rng.normal(size=5)
            frames[:, 3] = 0.1  # of all
            frames[:, 4] = ord(speaker) / 7  # of the speaker
            self.feats[utt] = frames.astype(np.float32)

    def describe(self):
        return {"kind": "layer"}

    def stream(self, utts):
        for utt in utts:
            self.asked.append(utt)
            yield utt, self.feats[utt]


@pytest.fixture
def data(tmp_path):
    utterances = [datadir.Utterance(utt, speaker, 16000, f"{utt}.wav") for utt, speaker in sorted(SPEAKERS.items())]
    datadir.write(tmp_path / "data", utterances)
    return tmp_path / "data"


def formula(features: Features, utt: str, kind: str) -> np.ndarray:
    """Directly, with all frames in memory."""
    same = [other for other in SPEAKERS if SPEAKERS[other] == SPEAKERS[utt]] if kind.startswith("speaker") else [utt]
    frames = np.concatenate([features.feats[other] for other in same]).astype(np.float64)
    centred = features.feats[utt].astype(np.float64) - frames.mean(axis=0)
    constant = frames.min(axis=0) == frames.max(axis=0)
    centred[:, constant] = 0
    return centred if kind.endswith("_mean") else centred / np.where(constant, 1, frames.std(axis=0))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", [kind for kind in normalise.KINDS if kind != normalise.NONE])
def test_each_kind_is_its_formula(data, kind, seed):
    features = Features(seed)
    found = dict(NormalisedSource(features, kind, data).stream(SPEAKERS))
    assert list(found) == list(SPEAKERS)
    for utt, feats in found.items():
        assert feats.dtype == np.float32
        np.testing.assert_allclose(feats, formula(features, utt, kind), rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(feats[:, 3:], 0)  # what never changes is not blown up by its rounding


def test_a_speaker_is_all_that_the_data_set_has_of_it(data):
    features = Features()
    found = dict(NormalisedSource(features, "speaker", data).stream(["a-2"]))
    assert features.asked == ["a-1", "a-2", "a-3", "a-2"]  # no pass over speakers that are not asked for
    np.testing.assert_allclose(found["a-2"], formula(features, "a-2", "speaker"), rtol=1e-6, atol=1e-6)


def test_statistics_of_parts_are_those_of_the_whole():
    """In float64, where a difference of the sums of squares has no correct digit left."""
    frames = 1e9 + np.random.default_rng(0).normal(size=(1000, 3))
    found = Statistics()
    for part in np.split(frames, [1, 2, 40, 700]):
        found.add(part)
    np.testing.assert_allclose(found.mean, frames.mean(axis=0), rtol=1e-15)
    np.testing.assert_allclose(found.deviation, frames.std(axis=0), rtol=1e-6)


def options(corpus: Corpus, name: str, kind: str | None) -> list[str]:
    data = {"train": corpus.data, "valid": corpus.valid_data}[name]
    found = ["--data", str(data), "--mfcc", str(corpus.data.parent / "mfcc" / name)]
    return found if kind is None else [*found, "--normalise", kind]


def fit(corpus: Corpus, out, kind: str | None):
    fit_kmeans.main([*options(corpus, "train", kind), "--out", str(out), "--k", str(corpus.k), "--portion", "1.0"])
    return out


def label(corpus: Corpus, fitted, out, kind: str | None, name: str = "train"):
    make_labels.main([*options(corpus, name, kind), "--kmeans", str(fitted), "--out", str(out)])
    return labels.read_labels(out)


def test_labels_are_the_nearest_centroids_of_features_normalised_within_their_set(corpus, tmp_path):
    fitted = fit(corpus, tmp_path / "kmeans", "speaker")
    units = label(corpus, fitted, tmp_path / "labels", "speaker", "valid")
    features = source.MfccSource(corpus.data.parent / "mfcc/valid", corpus.valid_data)
    utterances = datadir.read(corpus.valid_data).utterances
    feats = dict(features.stream(utt.id for utt in utterances))
    for utt in utterances:
        same = np.concatenate([feats[other.id] for other in utterances if other.speaker == utt.speaker]).astype(float)
        expected = ((feats[utt.id] - same.mean(axis=0)) / same.std(axis=0)).astype(np.float32)[::2]
        np.testing.assert_array_equal(units[utt.id], kmeans.nearest(expected, kmeans.load(fitted))[1])
    assert units.provenance["settings"]["features"] == features.describe() | {"normalise": "speaker"}


def test_raw_features_are_as_they_were_without_a_choice(corpus, tmp_path, caplog):
    """What was made before is up to date, whether a recipe says none or nothing."""
    before = provenance.read(corpus.labels)
    assert "normalise" not in before["settings"]["features"]
    caplog.set_level("INFO")
    label(corpus, fit(corpus, corpus.data.parent / "kmeans", "none"), corpus.labels, "none")
    assert caplog.text.count("up to date") == 2
    assert provenance.read(corpus.labels) == before


def test_a_k_means_of_other_features_is_refused(corpus, tmp_path):
    fitted = fit(corpus, tmp_path / "kmeans", "utterance")
    with pytest.raises(UserError, match=r"fitted on 39-d mfcc at 100 Hz, normalised by utterance \(.* given are 39-d"):
        label(corpus, fitted, tmp_path / "labels", None)
    with pytest.raises(UserError, match="but the features given are 39-d mfcc at 100 Hz, normalised by speaker_mean"):
        label(corpus, fitted, tmp_path / "labels", "speaker_mean")


def test_the_trainer_refuses_labels_of_another_normalisation(corpus, tmp_path):
    run = {"name": "a", "targets": "mfcc", "replicate": 1}
    raw = labels.read_labels(corpus.labels)
    agnostic = label(corpus, fit(corpus, tmp_path / "kmeans", "utterance"), tmp_path / "labels", "utterance")
    labels.verify_targets(raw, run, None)
    labels.verify_targets(agnostic, {**run, "normalise": "utterance"}, None)
    with pytest.raises(UserError, match="the study says normalise: none, but these labels .* normalise: utterance"):
        labels.verify_targets(agnostic, run, None)
    with pytest.raises(UserError, match="the study says normalise: speaker, but these labels .* normalise: utterance"):
        labels.verify_targets(agnostic, {**run, "normalise": "speaker"}, None)
    with pytest.raises(UserError, match="the study says normalise: utterance, but these labels .* normalise: none"):
        labels.verify_targets(raw, {**run, "normalise": "utterance"}, None)


def test_layers_of_a_teacher_are_compared_with_their_normalisation(corpus, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights").write_text("teacher")
    provenance.write(tmp_path / "model", "train", {}, {})
    features = normalise.describe(source.describe_layer(tmp_path / "model", "2"), "speaker")
    raw = labels.read_labels(corpus.labels)
    record = {**raw.provenance, "settings": {**raw.provenance["settings"], "features": features}}
    made = labels.Labels(raw.folder, raw.k, raw.rate, record, raw.arrays, raw.lengths)
    run = {"name": "a", "targets": "first@2", "replicate": 1, "normalise": "speaker"}
    labels.verify_targets(made, run, tmp_path / "model")
    with pytest.raises(UserError, match="that is tap 3 of model .*, normalised by speaker .* tap 2 of model"):
        labels.verify_targets(made, {**run, "targets": "first@3"}, tmp_path / "model")
