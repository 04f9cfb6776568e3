"""Units of each layer: what they say of labels, at what rate, and which layer a next iteration should cluster."""

import dataclasses

import numpy as np
import pytest
from frame_networks import Here, frames, material, values, write

from hubert_iter.analysis import folds, measures, parallel
from hubert_iter.analysis.measure import Row
from hubert_iter.analysis.measures import units

MEASURE = measures.find("units", "test")
SETTINGS = units.Settings(k=12, passes=8)


def clusters(codes, width=6, spread=0.05, seed=0):
    """Frames around a point for each code; code -1 has a point too."""
    generator = np.random.default_rng(seed)
    points = 3 * generator.standard_normal((codes.max() + 2, width))
    return points[codes] + spread * generator.standard_normal((len(codes), width))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Layer 0 is noise, 1 knows the speaker, 2 the phone, both under an offset that all frames share."""
    sample = frames(utterances=40, length=50)
    noise = np.random.default_rng(1).standard_normal((len(sample), 6))
    taps = {
        "conv": clusters(sample.codes("phone")[0], spread=0.01),
        "0": noise,
        "1": clusters(sample.codes("speaker")[0]) + 5,
        "2": clusters(sample.codes("phone")[0], spread=0.3) + 5,
    }
    return write(tmp_path_factory.mktemp("networks") / "net", sample, taps)


@pytest.fixture(scope="module")
def scored(network):
    return MEASURE.score(material(network), SETTINGS)


def test_units_of_a_layer_say_what_the_layer_knows(scored):
    phone, speaker = (values(scored, "share", prop) for prop in ("phone", "speaker"))
    assert phone["2"] > 0.95
    assert speaker["1"] > 0.95
    assert max(phone["1"], speaker["2"], phone["0"], speaker["0"]) < 0.1


def test_null_is_what_a_finite_sample_makes_of_nothing(scored):
    null = values(scored, "null_share", "phone")
    assert min(null.values()) > 0
    assert null["0"] == pytest.approx(values(scored, "share", "phone")["0"], abs=0.03)


def test_each_half_is_a_trial_and_facts_say_how_many_frames_bear_labels(scored, network):
    assert {row.trial for row in scored.rows if row.metric == "share"} == {0, 1}
    facts = {(row.prop, row.metric): row.value for row in scored.rows if row.layer == "-"}
    sample = material(network).frames
    assert facts["phone", "num_instances"] == (sample.labels["phone"] != "-").sum() < len(sample)
    assert facts["speaker", "num_instances"] == len(sample)
    assert facts["unit", "ceiling"] == pytest.approx(50 * np.log2(12))


def test_phones_of_five_frames_make_a_lower_rate_than_noise(scored):
    rate = values(scored, "bits_per_second")
    assert rate["2"] < rate["0"] / 1.5
    assert max(rate.values()) <= 50 * np.log2(12)


def test_bits_per_second_by_hand():
    """Merged: 3 7 | 7 3 in 8 frames, which is 0.16 s; two equal units have 1 bit."""
    found = np.array([3, 3, 3, 7, 7, 3, 3, 3])
    utterances = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert units.bits_per_second(found, utterances) == pytest.approx(4 * 1 / 0.16)
    assert units.bits_per_second(found, np.zeros(8, int)) == pytest.approx(
        3 / 0.16 * -(2 / 3 * np.log2(2 / 3) + 1 / 3 * np.log2(1 / 3))
    )
    assert units.bits_per_second(np.zeros(8, int), np.zeros(8, int)) == 0


def test_share_by_hand():
    codes = np.array([0, 0, 1, 1, -1])
    assert units.share(np.array([4, 4, 2, 2, 1]), codes, 5) == pytest.approx(1)
    assert units.share(np.array([4, 2, 4, 2, 1]), codes, 5) == 0
    assert units.share(np.array([1, 2, 3]), np.array([0, 0, -1]), 5) == 0


def test_k_means_never_labels_what_it_was_fitted_on(network, monkeypatch):
    seen = []

    def watch(fitted_on, features, settings, seed):
        seen.append((fitted_on, features))
        return np.zeros(len(features), int)

    monkeypatch.setattr(units, "assign", watch)
    MEASURE.score(material(dataclasses.replace(network, taps=("0",))), SETTINGS)
    (first_fit, first_labelled), (second_fit, second_labelled) = seen
    np.testing.assert_array_equal(first_fit, second_labelled)
    np.testing.assert_array_equal(second_fit, first_labelled)
    assert len(first_fit) + len(second_fit) == len(material(network).frames)
    assert not set(first_fit[:, 0].tolist()) & set(first_labelled[:, 0].tolist())


def test_both_halves_hear_all_speakers(network):
    sample = material(network).frames
    halves = folds.deal_utterances(sample, "units", 0, 2)
    for half in (0, 1):
        assert len(set(sample.labels["speaker"][halves == half])) == 4


def test_scores_depend_on_the_seed_and_not_on_the_processes(network, scored):
    given = material(network)
    with parallel.Workers(2) as workers:
        assert MEASURE.score(dataclasses.replace(given, workers=workers), SETTINGS) == scored
    other = MEASURE.score(dataclasses.replace(given, workers=Here(), seed=1), SETTINGS)
    assert values(other, "null_share", "phone") != values(scored, "null_share", "phone")


def test_words_are_left_out_where_there_are_none_and_any_tap_is_scored(tmp_path):
    sample = frames(utterances=6, length=50, words=False)
    network = write(tmp_path / "mfcc", sample, {"mfcc": clusters(sample.codes("phone")[0], width=39)})
    scored = MEASURE.score(material(network), SETTINGS)
    assert values(scored, "share", "word") == {}
    assert values(scored, "share", "phone")["mfcc"] > 0.9
    assert units.best_layer(scored.rows) == ""


def test_fewer_frames_than_clusters_and_a_single_utterance(tmp_path):
    sample = frames(utterances=2, length=20, speakers=1)
    network = write(tmp_path / "few", sample, {"0": np.random.default_rng(0).standard_normal((40, 3))})
    scored = MEASURE.score(material(network), units.Settings())
    assert values(scored, "bits_per_second")["0"] > 0
    # Of a single speaker units have nothing to tell.
    assert {row.prop for row in scored.rows} == {"phone", "word", "unit"}
    sample = frames(utterances=1, length=20)
    alone = write(tmp_path / "alone", sample, {"0": np.zeros((20, 3))})
    assert "1 utterance" in MEASURE.leaves_out(material(alone))


def test_best_layer_has_the_highest_mean_share_of_phones(scored):
    assert units.best_layer(scored.rows) == "2"  # conv has a higher one, but is no layer
    rows = [
        Row(layer, prop, metric, 0, trial, value)
        for layer, prop, metric, trial, value in (
            ("3", "phone", "share", 0, 0.5), ("3", "phone", "share", 1, 0.1), ("10", "phone", "share", 0, 0.4),
            ("10", "phone", "share", 1, 0.4), ("1", "phone", "null_share", 0, 0.9), ("2", "word", "share", 0, 0.9),
        )
    ]  # fmt: skip
    assert units.best_layer(rows) == "10"
    assert units.best_layer([]) == ""
