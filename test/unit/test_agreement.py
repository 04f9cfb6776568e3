import csv

import numpy as np
import pytest
from sklearn import metrics

from hubert_iter.analysis import agreement
from hubert_iter.bin import fit_kmeans, make_labels, score_agreement
from hubert_iter.errors import UserError
from hubert_iter.units.labels import read_labels
from hubert_iter.units.quality import contingency


def test_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    first = rng.integers(9, size=5000)
    second = np.where(rng.random(5000) < 0.6, first // 2, rng.integers(15, size=5000))
    found = agreement.measure(contingency(first, second, 9, 15))
    assert found["nmi"] == pytest.approx(metrics.normalized_mutual_info_score(first, second), abs=1e-9)
    information = metrics.mutual_info_score(first, second)
    entropies = [metrics.mutual_info_score(labels, labels) for labels in (first, second)]
    assert found["entropy_a_given_b"] == pytest.approx((entropies[0] - information) / np.log(2), abs=1e-9)
    assert found["entropy_b_given_a"] == pytest.approx((entropies[1] - information) / np.log(2), abs=1e-9)


def test_refinement_is_known_from_one_side_only():
    fine = np.arange(4000) % 8
    found = agreement.measure(contingency(fine // 2, fine, 4, 8))
    assert found["entropy_a_given_b"] == pytest.approx(0, abs=1e-9)
    assert found["entropy_b_given_a"] == pytest.approx(1)


def test_renumbered_labels_are_the_same():
    labels = np.random.default_rng(0).integers(6, size=1000)
    renumbered = np.random.default_rng(1).permutation(6)[labels]
    found = agreement.measure(contingency(labels, renumbered, 6, 6))
    assert found["nmi"] == pytest.approx(1) and found["entropy_a_given_b"] == pytest.approx(0, abs=1e-9)


def test_independent_and_constant_labels():
    one, two = np.meshgrid(np.arange(4), np.arange(5))
    assert agreement.measure(contingency(one.ravel(), two.ravel(), 4, 5))["nmi"] == pytest.approx(0, abs=1e-9)
    assert agreement.measure(contingency(np.zeros(9), np.zeros(9), 2, 2))["nmi"] == 1


@pytest.fixture
def other_labels(corpus, tmp_path):
    data = ["--data", str(corpus.data), "--mfcc", str(corpus.data.parent / "mfcc" / "train")]
    fit_kmeans.main([*data, "--out", str(tmp_path / "kmeans"), "--k", "3", "--portion", "1.0"])
    make_labels.main([*data, "--kmeans", str(tmp_path / "kmeans"), "--out", str(tmp_path / "labels")])
    return tmp_path / "labels"


def test_entry_point(corpus, other_labels, tmp_path):
    sets = ["--labels", f"seven={corpus.labels}", f"three={other_labels}"]
    score_agreement.main([*sets, "--out", str(tmp_path / "agreement")])
    with open(tmp_path / "agreement" / "scores.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["metric"] for row in rows] == list(agreement.METRICS)
    assert {(row["labels_a"], row["labels_b"]) for row in rows} == {("seven", "three")}
    first, second = read_labels(corpus.labels), read_labels(other_labels)
    flat = [np.concatenate([labels[utt] for utt in first]) for labels in (first, second)]
    assert float(rows[0]["value"]) == pytest.approx(metrics.normalized_mutual_info_score(*flat), rel=1e-5)


def test_labels_of_other_audio_are_refused(corpus, tmp_path):
    sets = ["--labels", f"a={corpus.labels}", f"b={corpus.valid_labels}"]
    with pytest.raises(UserError, match="Agreement needs the same audio"):
        score_agreement.main([*sets, "--out", str(tmp_path / "agreement")])
    assert not (tmp_path / "agreement").exists()


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (["a=x"], "at least two label sets"),
        (["a=x", "a=y"], "the name a is given twice"),
        (["a=x", "y"], "expected NAME=FOLDER, found 'y'"),
    ],
)
def test_bad_options(sets, message, tmp_path):
    options = ["--labels", *sets]
    with pytest.raises(UserError, match=message):
        score_agreement.main([*options, "--out", str(tmp_path)])
