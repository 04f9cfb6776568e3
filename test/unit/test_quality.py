import csv

import numpy as np
import pytest
from sklearn import metrics

from hubert_iter import provenance
from hubert_iter.bin import score_labels
from hubert_iter.data import datadir
from hubert_iter.data.alignment import Segment, write_ctm
from hubert_iter.errors import UserError
from hubert_iter.units import quality
from hubert_iter.units.labels import read_labels


def random_labels(frames=4000, k=12, phones=7, seed=0):
    rng = np.random.default_rng(seed)
    spoken = rng.integers(phones, size=frames)
    units = np.where(rng.random(frames) < 0.5, (2 * spoken) % k, rng.integers(k, size=frames))
    return units, spoken


def counts(units, spoken, k, names, speakers=None):
    """Frames by label, phone and speaker; without `speakers` they are all of one."""
    speakers = np.zeros_like(units) if speakers is None else speakers
    joint = quality.contingency(units, spoken, k, len(names))
    silence = np.bincount(units[spoken < 0], minlength=k)
    by_speaker = quality.contingency(units, speakers, k, int(speakers.max()) + 1)
    return quality.Counts(tuple(names), joint, silence, by_speaker, quality.count_runs(units))


def test_agrees_with_scikit_learn():
    units, spoken = random_labels()
    found = quality.measure(counts(units, spoken, 12, "abcdefg"))
    # PNMI is what scikit-learn calls homogeneity, with phones as the classes.
    assert found["pnmi"] == pytest.approx(metrics.homogeneity_score(spoken, units), abs=1e-9)
    table = metrics.cluster.contingency_matrix(spoken, units)
    assert found["phone_purity"] == pytest.approx(table.max(axis=0).sum() / len(units))
    assert found["cluster_purity"] == pytest.approx(table.max(axis=1).sum() / len(units))
    information = metrics.mutual_info_score(spoken, units) / np.log(2)
    joint = quality.contingency(units, spoken, 12, 7)
    assert quality.mutual_information(joint) == pytest.approx(information, abs=1e-9)


def test_with_silence_as_a_phone_agrees_with_scikit_learn():
    units, spoken = random_labels(phones=8)
    spoken -= 1  # -1 is silence
    found = quality.measure(counts(units, spoken, 12, "abcdefg"))
    assert found["pnmi_sil"] == pytest.approx(metrics.homogeneity_score(spoken, units), abs=1e-9)
    information = metrics.mutual_info_score(spoken, units) / np.log(2)
    assert found["pnmi_sil"] == pytest.approx(information / quality.entropy(np.bincount(spoken + 1)), abs=1e-9)
    table = metrics.cluster.contingency_matrix(spoken, units)
    assert found["phone_purity_sil"] == pytest.approx(table.max(axis=0).sum() / len(units))
    assert found["cluster_purity_sil"] == pytest.approx(table.max(axis=1).sum() / len(units))
    voiced = spoken >= 0
    assert found["pnmi"] == pytest.approx(metrics.homogeneity_score(spoken[voiced], units[voiced]), abs=1e-9)


def test_the_speaker_s_share_agrees_with_scikit_learn():
    units, spoken = random_labels()
    speakers = (units + np.random.default_rng(2).integers(3, size=len(units))) % 5
    spoken[:100] = -1  # all frames count, whether they bear a phone or not
    found = quality.measure(counts(units, spoken, 12, "abcdefg", speakers))["speaker_share"]
    assert found == pytest.approx(metrics.homogeneity_score(speakers, units), abs=1e-9)
    assert "speaker_share" not in quality.measure(counts(units, spoken, 12, "abcdefg"))  # one speaker: nothing to tell


def test_perfect_useless_and_constant_labels():
    spoken = np.repeat(np.arange(4), 5)
    perfect = quality.measure(counts(spoken, spoken, 4, "abcd"))
    assert (perfect["pnmi"], perfect["phone_purity"], perfect["cluster_purity"]) == (pytest.approx(1), 1, 1)
    assert (perfect["used_clusters"], perfect["cluster_entropy"], perfect["mean_run_length"]) == (4, 2, 5)
    constant = quality.measure(counts(np.zeros(20, int), spoken, 4, "abcd"))
    assert (constant["pnmi"], constant["phone_purity"], constant["cluster_purity"]) == (pytest.approx(0), 0.25, 1)
    assert (constant["used_clusters"], constant["cluster_entropy"], constant["mean_run_length"]) == (1, 0, 20)


def test_splitting_clusters_never_lowers_pnmi():
    units, spoken = random_labels()
    halves = 2 * units + np.random.default_rng(1).integers(2, size=len(units))
    before = quality.measure(counts(units, spoken, 12, "abcdefg"))
    after = quality.measure(counts(halves, spoken, 24, "abcdefg"))
    assert after["pnmi"] >= before["pnmi"] and after["cluster_purity"] < before["cluster_purity"]


def test_frames_without_phone_and_longer_tails_are_left_out():
    found = quality.contingency(np.array([0, 1, 1, 0, 0]), np.array([0, -1, 2, 2]), 2, 3)
    np.testing.assert_array_equal(found, [[1, 0, 1], [0, 0, 1]])


def test_confusion_shows_which_phones_merge():
    # Clusters 0 and 1 are mostly "a"; "b" has none of its own and is read as "a" or "c".
    joint = np.array([[6, 1, 0], [4, 3, 0], [0, 1, 9]])
    table = quality.confusion(quality.Counts(("a", "b", "c"), joint, np.zeros(3, int), joint.sum(axis=1)[:, None], 3))
    np.testing.assert_array_equal(table, [[10, 0, 0], [4, 0, 1], [0, 0, 9]])


@pytest.fixture
def alignments(corpus, tmp_path):
    """Phones that follow the labels exactly: label 3 is phone p3, and the last label is silence."""
    units, segments = read_labels(corpus.valid_labels), []
    for utt, array in units.items():
        for t, unit in enumerate(array):
            if unit < corpus.k - 1:
                segments.append(Segment(utt, 0.02 * t + 0.0025, 0.02 * t + 0.0225, f"p{unit}"))
    (tmp_path / "alignments").mkdir()
    write_ctm(tmp_path / "alignments" / "phones.ctm", segments)
    provenance.write(tmp_path / "alignments", "align_data", {}, {})
    return tmp_path / "alignments"


def options(corpus, alignments, out):
    folders = ["--data", str(corpus.valid_data), "--alignments", str(alignments), "--out", str(out)]
    return ["--labels", str(corpus.valid_labels), "--name", "mfcc_k7", *folders]


def test_entry_point(corpus, alignments, tmp_path, caplog):
    score_labels.main(options(corpus, alignments, tmp_path / "quality"))
    with open(tmp_path / "quality" / "scores.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["metric"] for row in rows] == list(quality.METRICS)
    assert {(row["labels"], row["set"]) for row in rows} == {("mfcc_k7", "valid")}
    values = {row["metric"]: float(row["value"]) for row in rows}
    # Label t is frame t; the frames that bear no phone are all of one label.
    assert {values[metric + end] for metric in quality.PHONE_METRICS for end in ("", "_sil")} == {1}
    caplog.set_level("INFO")
    score_labels.main(options(corpus, alignments, tmp_path / "quality"))
    assert "up to date" in caplog.text


def test_silence_is_what_bears_no_phone_in_aligned_utterances_alone(corpus):
    units, data = read_labels(corpus.valid_labels), datadir.read(corpus.valid_data)
    first, second = data.utterances[:2]
    frames = len(units[first.id])
    spoken = [Segment(first.id, 0.0425, 0.1025, "aa")]  # centres of frames 2 to 4 (0.0525, 0.0725, 0.0925 s)
    found = quality.count(units, data, {first.id: spoken, second.id: []})
    expected = np.bincount(np.delete(units[first.id], [2, 3, 4]), minlength=units.k)
    np.testing.assert_array_equal(found.silence, expected)
    assert found.joint.sum() == 3 and found.silence.sum() == frames - 3
    for number, speaker in enumerate(data.speakers):
        theirs = np.concatenate([units[utterance.id] for utterance in data.utterances if utterance.speaker == speaker])
        np.testing.assert_array_equal(found.speakers[:, number], np.bincount(theirs, minlength=units.k))


def test_alignments_of_other_audio_are_refused(corpus, tmp_path):
    units, data = read_labels(corpus.valid_labels), datadir.read(corpus.valid_data)
    with pytest.raises(UserError, match="expected aligned phones for .*valid, found none"):
        quality.count(units, data, {"someone-else": [Segment("someone-else", 0.0, 1.0, "aa")]})


def test_without_alignments_only_what_needs_no_phones_is_scored(corpus, tmp_path):
    (tmp_path / "none").mkdir()
    write_ctm(tmp_path / "none/phones.ctm", [])
    provenance.write(tmp_path / "none", "align_data", {}, {})
    score_labels.main(options(corpus, tmp_path / "none", tmp_path / "quality"))
    with open(tmp_path / "quality/scores.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["metric"] for row in rows] == ["speaker_share", "used_clusters", "cluster_entropy", "mean_run_length"]
    assert len((tmp_path / "quality/confusion.tsv").read_text().splitlines()) == 1  # the header
