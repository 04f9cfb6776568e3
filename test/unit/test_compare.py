import math

import numpy as np
import pytest

from hubert_iter.analysis import compare
from hubert_iter.analysis.intervals import interval
from hubert_iter.errors import UserError

SPECS = {
    "random": {"objective": "none"},
    "hubert_it1": {"objective": "hubert", "targets": "mfcc", "k": 100},
    "hubert_it2": {"objective": "hubert", "targets": "hubert_it1@2", "k": 500},
    "chubert_it1": {"objective": "chubert", "targets": "mfcc", "k": 100},
    "wav2vec2": {"objective": "wav2vec2"},
    "warm_it2": {"objective": "hubert", "targets": "hubert_it1@2", "init": "hubert_it1"},
}


def scores(run, prop, levels, spread=0.005, update=100, metric="pwcca", seed=0, trials=3):
    """Rows as scores.tsv holds them: a deviation per trial that all layers and runs share, a little of their own."""
    shared = np.random.default_rng(7).normal(0, 0.05, (3, 3))
    own = np.random.default_rng([seed, sum(map(ord, run + prop))])
    rows = []
    for layer, level in levels.items():
        for sample_set in range(3):
            for trial in range(trials):
                value = level + shared[sample_set, trial] + own.normal(0, spread)
                row = (run, update, layer, prop, metric, sample_set, trial, f"{value:.10g}")
                rows.append(dict(zip(compare.COLUMNS, map(str, row), strict=True)))
    return rows


def curve(*levels, conv=0.2):
    return {"conv": conv} | {str(layer): level for layer, level in enumerate(levels)}


STUDY = [
    *scores("random", "phone", curve(0.3, 0.28, 0.25, 0.2)),
    *scores("hubert_it1", "phone", curve(0.4, 0.6, 0.7, 0.5)),
    *scores("hubert_it2", "phone", curve(0.4, 0.65, 0.75, 0.74)),
    *scores("chubert_it1", "phone", curve(0.4, 0.6, 0.7, 0.5)),
    *scores("hubert_it1", "speaker", curve(0.9, 0.8, 0.7, 0.6)),
    *scores("hubert_it2", "speaker", curve(0.9, 0.7, 0.6, 0.4)),
    *scores("hubert_it1", "phone", curve(0.0, 0.0, 0.0, 0.0), spread=0.01, metric="null_pwcca"),
    dict(zip(compare.COLUMNS, ["hubert_it1", "100", "-", "phone", "ceiling", "0", "-", "0.974"], strict=True)),
]


def said(sentences, *words):
    # A blank in front, so that hubert_it1 is not found in chubert_it1.
    found = [sentence for sentence in sentences if all(f" {word}" in f" {sentence}" for word in words)]
    assert len(found) == 1, (words, sentences)
    return found[0]


def test_interval_is_students_with_the_correction_for_shared_train_parts():
    found = interval([0.1, 0.2, 0.3])
    assert (found.mean, found.count) == (pytest.approx(0.2), 3)
    assert found.half == pytest.approx(4.302653 * 0.1 * math.sqrt(1 / 3 + 1 / 8), rel=1e-6)
    alone = interval([0.5])
    assert math.isnan(alone.half) and not alone.clear


def test_summary_has_one_entry_per_run_layer_property_and_metric():
    items = compare.summary(STUDY)
    assert len(items) == 7 * 5  # the fact with layer "-" is none of them
    item = next(item for item in items if (item["run"], item["layer"], item["metric"]) == ("hubert_it1", "2", "pwcca"))
    values = [
        float(row["value"])
        for row in STUDY
        if (row["run"], row["layer"], row["property"]) == ("hubert_it1", "2", "phone")
    ]
    assert item["mean"] == pytest.approx(np.mean(values[:9])) and item["count"] == 9 and item["update"] == 100


def test_pairing_removes_what_trials_share():
    differences = compare.differences(STUDY, "hubert_it2", "hubert_it1", "phone")
    assert list(differences) == ["conv", "0", "1", "2", "3"]
    assert differences["3"].mean == pytest.approx(0.24, abs=0.01) and differences["3"].clear
    assert differences["3"].half < 0.02
    alone = next(item for item in compare.summary(STUDY) if item["run"] == "hubert_it1" and item["layer"] == "3")
    assert alone["half"] > 0.03  # each run's own interval holds the spread that both share
    assert not differences["0"].clear


def test_unpaired_trials_are_refused():
    rows = scores("a", "phone", curve(0.1)) + scores("b", "phone", curve(0.1), trials=2)
    with pytest.raises(UserError, match="found 9 and 6, of which 6 are common"):
        compare.differences(rows, "a", "b", "phone")


def test_findings_answer_the_questions():
    sentences = compare.findings(STUDY, SPECS)
    fall = said(sentences, "hubert_it1: phone", "falls in the last layers")
    assert "0.2" in fall and "layer 2" in fall and "layer 3" in fall and "29 %" in fall
    said(sentences, "hubert_it1 against the untrained network random", "above by 0.4")
    said(sentences, "hubert_it1 to its next iteration hubert_it2, final-layer phone CCA: rises by 0.2")
    said(sentences, "hubert_it2, the fall of phone CCA from best to final layer: shrinks by 0.1")
    said(sentences, "hubert_it2, final-layer speaker CCA: falls by 0.1")
    same = said(sentences, "hubert_it1 against chubert_it1, phone")
    assert "no difference beyond the interval" in same
    said(sentences, "Shuffled labels score 0 within the interval at")


def test_no_difference_is_called_so():
    rows = scores("hubert_it1", "phone", curve(0.4, 0.6, 0.601, 0.6)) + scores(
        "hubert_it2", "phone", curve(0.4, 0.6, 0.6, 0.6)
    )
    sentences = compare.findings(rows, SPECS)
    said(sentences, "hubert_it1 to its next iteration hubert_it2, final-layer", "no difference beyond the interval")
    said(sentences, "hubert_it2 gains no phone CCA over hubert_it1", "look at purity and PNMI")
    assert not any("falls in the last layers" in sentence for sentence in sentences)


def test_one_trial_is_not_judged():
    rows = [row for row in STUDY if row["sample_set"] == "0" and row["trial"] == "0"]
    sentences = compare.findings(rows, SPECS)
    assert any("cannot be judged from one trial" in sentence for sentence in sentences)
    assert not any("nan" in sentence for sentence in sentences)


def test_a_rising_curve_does_not_fall():
    sentences = compare.findings(scores("hubert_it1", "word", curve(0.1, 0.2, 0.3)), SPECS)
    said(sentences, "word CCA is highest in the final layer (2: 0.2")


def test_last_update_counts():
    rows = scores("hubert_it1", "phone", curve(0.4, 0.6, 0.2), update=50) + scores(
        "hubert_it1", "phone", curve(0.4, 0.5, 0.6)
    )
    assert {item["update"] for item in compare.summary(rows)} == {50, 100}
    assert "highest in the final layer" in compare.findings(rows, SPECS)[0]


def test_iterations_and_pairs_follow_the_study():
    assert [compare.iteration(name, SPECS) for name in SPECS] == [1, 1, 2, 1, 1, 2]
    rows = [row for run in SPECS for row in scores(run, "phone", curve(0.1, 0.2))]
    sentences = compare.findings(rows, SPECS)
    said(sentences, "hubert_it1 against wav2vec2")
    said(sentences, "next iteration warm_it2, final-layer")
    assert not any("warm_it2 against" in text and "untrained" not in text for text in sentences)


def test_runs_of_a_study_object_are_understood():
    class Run:
        def __init__(self, objective, targets=""):
            self.objective, self.targets, self.init = objective, targets, ""

    runs = {"hubert_it1": Run("hubert", "mfcc"), "hubert_it2": Run("hubert", "hubert_it1@2"), "random": Run("none")}
    names = set(runs)
    expected = compare.findings([row for row in STUDY if row["run"] in names], {name: SPECS[name] for name in runs})
    assert compare.findings([row for row in STUDY if row["run"] in names], runs) == expected


def test_scores_of_different_segments_are_not_loaded_together(tmp_path):
    from hubert_iter import provenance

    for name in ("samples", "others"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
        provenance.write(tmp_path / name, "sample_segments", {}, {})
    for run, samples in (("a", "samples"), ("b", "samples"), ("c", "others")):
        folder = tmp_path / run
        folder.mkdir()
        lines = ["\t".join(row.values()) for row in scores(run, "phone", curve(0.1))]
        (folder / "scores.tsv").write_text("\n".join(["\t".join(compare.COLUMNS), *lines]) + "\n")
        provenance.write(folder, "score_cca", {}, {"samples": tmp_path / samples})
    rows = compare.load([tmp_path / "a", tmp_path / "b" / "scores.tsv"])
    assert rows == scores("a", "phone", curve(0.1)) + scores("b", "phone", curve(0.1))
    with pytest.raises(UserError, match="scored on other segments"):
        compare.load([tmp_path / "a", tmp_path / "c"])
